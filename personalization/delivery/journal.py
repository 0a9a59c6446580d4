"""What a destination has answered, written down at once: the memory of a run that may be killed.

One line is appended before a batch, or a part of one, is first sent, and one when it is answered,
the latter in the same turn of the event loop in which the answer arrived.  So whatever was answered
stays answered when the process is killed, save at most one batch; what was sent and not answered
nobody can know, and it is sent again as it was, under its key.  A killed process loses nothing that
it wrote; a killed machine may lose the last second (see `SYNC_EVERY_S`).

The first line names the run and the outbox.  A last line that was cut off is removed on opening.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from personalization.connectors.base import Rejected
from personalization.delivery.outbox import Outbox
from personalization.errors import FatalError, RetryableError

NAME = "journal.jsonl"
SYNC_EVERY_S = 1.0

OPEN, ACCEPTED, REJECTED = 0, 1, 2


class Journal:
    """The journal of one outbox, locked from `__init__` to `close`.

    answers   per file, a byte a line: OPEN, ACCEPTED or REJECTED
    begun     per file, a byte a line: 1 where it was sent, answered or not
    requests  as many as were made, in all processes together, save a few before each kill
    unanswered  batches, as file and rows, that were sent as they are before and not answered yet
    Raises RetryableError if another process has it, FatalError if it is of another run or outbox.
    """

    def __init__(self, outbox: Outbox, run: str, destination: str) -> None:
        self._path = outbox.folder / NAME
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._lock()
            self.answers = _nothing_yet(outbox)
            self.begun = _nothing_yet(outbox)
            self.requests = 0
            self.unanswered: list[tuple[str, list[int]]] = []
            self._synced = time.monotonic()
            self._begin({"run": run, "destination": destination, "outbox": outbox.fingerprint()})
        except BaseException:
            os.close(self._file)
            raise

    def begin(self, file: str, rows: Sequence[int]) -> None:
        """Write down that a batch is about to be sent."""
        record = {"file": file, "begun": _ranges(rows)}
        self._write(record)
        self._apply(record)

    def answered(
        self, file: str, rows: Sequence[int], rejected: Sequence[Rejected], requests: int
    ) -> None:
        """Write down that a batch was answered.

        rejected  by index into `rows`; all others were accepted
        requests  made since the last that was written down
        """
        record: dict[str, Any] = {"file": file, "rows": _ranges(rows), "requests": requests}
        if rejected:
            record["rejected"] = [[rows[each.index], each.reason] for each in rejected]
        self._write(record)
        self._apply(record)

    def count(self, answer: int) -> int:
        """Return how many users have this answer."""
        return sum(answers.count(answer) for answers in self.answers.values())

    def close(self) -> None:
        """Let others have it."""
        os.fsync(self._file)
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RetryableError(
                f"{self._path} is in use: another process delivers this outbox"
            ) from error

    def _begin(self, header: dict[str, Any]) -> None:
        whole = _cut_off(self._file, self._path)
        if not whole:
            self._write(header)
            return
        records = _records(self._path)
        if next(records, None) != header:
            raise FatalError(
                f"{self._path} is of another run, destination or outbox; deliver this one under a "
                "name of its own"
            )
        open_batches = _OpenBatches()
        for record in records:
            self._apply(record)
            open_batches.see(record)
        self.unanswered = open_batches.rows()

    def _apply(self, record: dict[str, Any]) -> None:
        _mark(self.answers[record["file"]], self.begun[record["file"]], record)
        self.requests += record.get("requests", 0)

    def _write(self, record: dict[str, Any]) -> None:
        rest = memoryview(orjson.dumps(record) + b"\n")
        while rest:
            rest = rest[os.write(self._file, rest) :]
        if time.monotonic() - self._synced >= SYNC_EVERY_S:
            os.fdatasync(self._file)
            self._synced = time.monotonic()


class _OpenBatches:
    """Which batches were sent and not answered.  A batch that is sent in parts was answered."""

    def __init__(self) -> None:
        self._open: list[tuple[str, list[list[int]]]] = []

    def see(self, record: dict[str, Any]) -> None:
        """Take the next record into account."""
        file, begun = record["file"], record.get("begun")
        ranges = begun or record.get("rows", [])
        self._open = [
            it for it in self._open if it[0] != file or not any(map(_meets(it[1]), ranges))
        ]
        if begun:
            self._open.append((file, begun))

    def rows(self) -> list[tuple[str, list[int]]]:
        """Return file and rows of each."""
        return [
            (file, [row for first, last in ranges for row in range(first, last + 1)])
            for file, ranges in self._open
        ]


def _meets(ranges: list[list[int]]) -> Callable[[list[int]], bool]:
    return lambda other: any(it[0] <= other[1] and other[0] <= it[1] for it in ranges)


def written_down(outbox: Outbox) -> tuple[dict[str, bytearray], dict[str, bytearray]]:
    """Return `Journal.answers` and `Journal.begun` of an outbox, without locking it."""
    answers, begun = _nothing_yet(outbox), _nothing_yet(outbox)
    path = outbox.folder / NAME
    if path.exists():
        for record in _records(path):
            if "file" in record:
                _mark(answers[record["file"]], begun[record["file"]], record)
    return answers, begun


def rejections(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yield file, row and reason of every line of an outbox that was rejected, once each."""
    seen = set()
    for record in _records(folder / NAME):
        for row, reason in record.get("rejected", ()):
            if (record["file"], row) not in seen:
                seen.add((record["file"], row))
                yield record["file"], row, reason


def _nothing_yet(outbox: Outbox) -> dict[str, bytearray]:
    return {file: bytearray(outbox.count(file)) for file in outbox.files}


def _mark(answers: bytearray, begun: bytearray, record: dict[str, Any]) -> None:
    for first, last in record.get("begun", ()):
        begun[first : last + 1] = bytes([1]) * (last + 1 - first)
    for first, last in record.get("rows", ()):
        answers[first : last + 1] = bytes([ACCEPTED]) * (last + 1 - first)
    for row, _ in record.get("rejected", ()):
        answers[row] = REJECTED


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole lines; a last one that was cut off was never written."""
    with path.open("rb") as lines:
        for line in lines:
            if line.endswith(b"\n"):
                try:
                    yield orjson.loads(line)
                except ValueError as error:
                    raise FatalError(
                        f"{path} is damaged, so nobody knows what was answered; remove the folder "
                        "to make its outbox anew"
                    ) from error


def _cut_off(file: int, path: Path) -> bool:
    """Remove a last line without an end; return whether any line is left."""
    written = path.read_bytes()
    whole = written.rfind(b"\n") + 1
    if whole != len(written):
        os.ftruncate(file, whole)
    return whole > 0


def _ranges(rows: Sequence[int]) -> list[list[int]]:
    """Return ascending numbers as pairs of first and last."""
    found: list[list[int]] = []
    for row in rows:
        if found and row == found[-1][1] + 1:
            found[-1][1] = row
        else:
            found.append([row, row])
    return found
