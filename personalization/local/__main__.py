"""Run the local AWS in the foreground: `python -m personalization.local --port 4566`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from personalization.local.pace import Pace
from personalization.local.server import LocalAws


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; print the address, and write it to the ready file if asked."""
    parser = argparse.ArgumentParser(prog="python -m personalization.local", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=4566, help="port to listen on; 0 takes any")
    parser.add_argument("--ready-file", type=Path, help="gets the URL once the server answers")
    parser.add_argument(
        "--seconds-per-state",
        type=float,
        default=Pace.seconds,
        help="least a resource's state lasts",
    )
    chosen = parser.parse_args(arguments)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        aws = LocalAws(chosen.host, chosen.port, pace=Pace(chosen.seconds_per_state))
    except OSError as error:
        sys.stderr.write(
            f"cannot listen on {chosen.host}:{chosen.port}: {os.strerror(error.errno or 0)}; "
            "choose another --port, or 0 for any free one\n"
        )
        return 1
    with aws:
        if chosen.ready_file:
            _write_whole(chosen.ready_file, aws.endpoint_url)
        sys.stdout.write(f"local AWS answers on {aws.endpoint_url} (AWS_ENDPOINT_URL)\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _write_whole(path: Path, text: str) -> None:
    """Write so that whoever waits for the file never reads half of it."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)


if __name__ == "__main__":
    sys.exit(main())
