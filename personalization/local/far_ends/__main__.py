"""Run the far ends in the foreground: `python -m personalization.local.far_ends --port 4577`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from personalization.local.far_ends.faults import Faults
from personalization.local.far_ends.server import FarEnds


def main(arguments: list[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; print the address, and write it to the ready file if asked."""
    parser = argparse.ArgumentParser(
        prog="python -m personalization.local.far_ends", description=__doc__
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=4577, help="port to listen on; 0 takes any")
    parser.add_argument("--ready-file", type=Path, help="gets the URL once the far ends answer")
    parser.add_argument(
        "--faults", default="{}", help='JSON object of shares, such as {"error": 0.1, "lost": 0.05}'
    )
    chosen = parser.parse_args(arguments)
    try:
        faults = Faults.of(json.loads(chosen.faults))
    except ValueError as error:
        sys.stderr.write(f"--faults cannot be used: {error}\n")
        return 1

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        ends = FarEnds(chosen.host, chosen.port, faults=faults)
    except OSError as error:
        sys.stderr.write(
            f"cannot listen on {chosen.host}:{chosen.port}: {os.strerror(error.errno or 0)}; "
            "choose another --port, or 0 for any free one\n"
        )
        return 1
    with ends:
        if chosen.ready_file:
            partial = chosen.ready_file.with_name(f"{chosen.ready_file.name}.partial")
            partial.write_text(ends.url)
            partial.replace(chosen.ready_file)
        sys.stdout.write(f"far ends answer on {ends.url}: {', '.join(ends.ends)}\n")
        sys.stdout.flush()
        stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
