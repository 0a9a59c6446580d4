"""Seconds and server memory for one large object, up and down, through boto3 against the local AWS.

    python -m benchmarks.local_objects                 256 MB
    python -m benchmarks.local_objects --mb 64         another size
    python -m benchmarks.local_objects --motos-way     with moto's own reads, for comparison
    python -m benchmarks.local_objects --check         exit status 1 where a bar is missed

The server is a process of its own, so that its peak memory is its own.

--check: every way must move MB_PER_S, parallel ranges (`download_file`) included, which moto alone
does not; and the server may hold no more than COPIES copies of the two objects that are stored
(moto keeps a request's body, its parts and the object for a moment).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import boto3
from rich.console import Console
from rich.table import Table

MB_PER_S = 50
COPIES = 2.5
MB = 1 << 20
CREDENTIALS = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}

# moto's own way: the reads of ours are for objects larger than any.
_MOTOS_WAY = (
    "import sys; from personalization.local import s3_reads; s3_reads.LARGE = 1 << 62; "
    "from personalization.local.__main__ import main; sys.exit(main())"
)


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.local_objects", description=__doc__)
    parser.add_argument("--mb", type=int, default=256)
    parser.add_argument("--motos-way", action="store_true")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    console = Console(width=100)
    seconds, peak = measured(asked.mb, motos_way=asked.motos_way)
    table = Table("what", "seconds", "MB/s", title=f"one object of {asked.mb} MB")
    for what, took in seconds.items():
        table.add_row(what, f"{took:.2f}", f"{asked.mb / took:.0f}")
    console.print(table)
    console.print(f"peak memory of the server: {peak:.0f} MB")
    return _check(console, seconds, peak, asked.mb) if asked.check else 0


def measured(mb: int, *, motos_way: bool = False) -> tuple[dict[str, float], float]:
    """Return the seconds of each way up and down, and the server's peak memory in MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ready, source, target = folder / "ready", folder / "up", folder / "down"
        with source.open("wb") as file:
            block = os.urandom(MB)
            for number in range(mb):
                file.write(number.to_bytes(4, "big") + block[4:])
        start = ["-c", _MOTOS_WAY] if motos_way else ["-m", "personalization.local"]
        command = [sys.executable, *start, "--port", "0", "--ready-file", str(ready)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                while not ready.exists() and server.poll() is None:
                    time.sleep(0.05)
                seconds = _measured(ready.read_text(), source, target)
            finally:
                server.terminate()
    # Of all children that have ended there is only the server; kilobytes on Linux.
    return seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def _measured(url: str, source: Path, target: Path) -> dict[str, float]:
    s3 = boto3.client("s3", region_name="us-east-1", endpoint_url=url, **CREDENTIALS)
    s3.create_bucket(Bucket="films")

    def put() -> None:
        with source.open("rb") as file:
            s3.put_object(Bucket="films", Key="whole", Body=file)

    def get() -> None:
        body = s3.get_object(Bucket="films", Key="whole")["Body"]
        if sum(map(len, body.iter_chunks(MB))) != source.stat().st_size:
            raise ValueError("the object came back in another size")

    ways: dict[str, Callable[[], object]] = {
        "put_object": put,
        "upload_file (parts of 8 MB)": lambda: s3.upload_file(str(source), "films", "parts"),
        "get_object": get,
        "download_file (ranges of 8 MB)": lambda: s3.download_file("films", "parts", str(target)),
    }
    seconds = {}
    for what, way in ways.items():
        began = time.perf_counter()
        way()
        seconds[what] = time.perf_counter() - began
    return seconds


def _check(console: Console, seconds: dict[str, float], peak: float, mb: int) -> int:
    missed = [
        f"{what} moves {mb / took:.0f} MB/s, less than {MB_PER_S}"
        for what, took in seconds.items()
        if mb / took < MB_PER_S
    ]
    if peak > COPIES * 2 * mb:
        missed.append(f"the server held {peak:.0f} MB, more than {COPIES:g} copies of {2 * mb} MB")
    for each in missed:
        console.print(f"[red]missed[/red]: {each}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
