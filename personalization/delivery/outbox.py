"""What is to be delivered, as files, and how it is cut into batches.

An outbox is a folder of pairs, made once and never changed: `NNNNN.jsonl`, whose lines are sent as
they are, and `NNNNN.parquet`, whose row n says whom line n is for.

    user_id  str   in one line of an outbox only
    hash     u64   of what the line says; 0 for a removal
    removed  bool  the line removes what the destination holds
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress, groupby, islice, repeat
from operator import itemgetter
from pathlib import Path
from typing import Final

import polars as pl

from personalization.columns import HASH, REMOVED, USER_ID
from personalization.connectors.base import RequestLimits
from personalization.errors import FatalError

_BLOCK_BYTES: Final = 1 << 16  # read together; no more than a processor has at hand

_Lines = tuple[Sequence[int], list[bytes]]  # their numbers in the file, and the lines


@dataclass(frozen=True)
class Batch:
    """Lines of one file that go together.  rows: their numbers in it, from 0."""

    file: str
    rows: tuple[int, ...]
    lines: tuple[bytes, ...]

    def part(self, indexes: range | list[int]) -> Batch:
        """Return those of the lines, by their place in this batch."""
        return Batch(
            self.file,
            tuple(self.rows[each] for each in indexes),
            tuple(self.lines[each] for each in indexes),
        )

    def key(self, run: str) -> str:
        """Return 32 hex digits: the same for the same lines in the same run, no others."""
        lines = b"\n".join((run.encode(), *self.lines))  # no line has a line end in it
        return hashlib.blake2b(lines, digest_size=16).hexdigest()


class Outbox:
    """The pairs of files in a folder.  Raises FatalError if one half of a pair is missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = tuple(sorted(each.stem for each in folder.glob("[0-9]*.jsonl")))
        tables = tuple(sorted(each.stem for each in folder.glob("[0-9]*.parquet")))
        if self.files != tables:
            odd = ", ".join(sorted(set(self.files) ^ set(tables)))
            raise FatalError(f"outbox {folder} is not whole: {odd} is only half there; make it new")

    def users(self, file: str) -> pl.DataFrame:
        """Return the table beside a file.  Raises FatalError if a user is in it twice."""
        users = pl.read_parquet(self.folder / f"{file}.parquet", columns=[USER_ID, HASH, REMOVED])
        twice = users.filter(pl.col(USER_ID).is_duplicated())
        if twice.height:
            raise FatalError(
                f"outbox {self.folder}/{file} has a user in {twice.height} lines; a destination "
                "may apply them in any order, so nothing of it is sent: merge them first"
            )
        return users

    def count(self, file: str) -> int:
        """Return how many users a file is for, from its table's footer."""
        table = pl.scan_parquet(self.folder / f"{file}.parquet")
        return int(table.select(pl.len()).collect().item())

    def fingerprint(self) -> str:
        """Return what tells this outbox from another: names and sizes of its files."""
        sizes = [
            f"{file} {(self.folder / f'{file}{end}').stat().st_size}"
            for file in self.files
            for end in (".jsonl", ".parquet")
        ]
        return hashlib.sha256("\n".join(sizes).encode()).hexdigest()[:32]

    def batches(
        self, limits: RequestLimits, answered: dict[str, bytearray] | None = None
    ) -> Iterator[Batch]:
        """Yield the lines that were not answered yet, in order, as many at once as may be.

        answered  per file, a byte a line: not zero where nothing is left to do
        A line that is too long for any request comes as a batch of its own.
        """
        for file in self.files:
            done = (answered or {}).get(file, bytearray())
            yield from _cut(file, self._open_lines(file, done), limits)

    def these(self, batches: Iterable[tuple[str, Sequence[int]]]) -> Iterator[Batch]:
        """Yield the batches of these lines: files, and the numbers of lines in them, ascending."""
        for file, group in groupby(sorted(batches), key=itemgetter(0)):
            wanted = [rows for _, rows in group]
            numbers = {row for rows in wanted for row in rows}
            with (self.folder / f"{file}.jsonl").open("rb") as text:
                lines = {
                    row: line.rstrip(b"\r\n")
                    for row, line in enumerate(islice(text, max(numbers) + 1))
                    if row in numbers
                }
            for rows in wanted:
                yield Batch(file, tuple(rows), tuple(lines[row] for row in rows))

    def _open_lines(self, file: str, done: bytearray) -> Iterator[_Lines]:
        expected, row = self.users(file).height, 0
        with (self.folder / f"{file}.jsonl").open("rb", _BLOCK_BYTES) as text:
            while block := text.readlines(_BLOCK_BYTES):
                lines = [line.rstrip(b"\r\n") for line in block]
                rows = range(row, row + len(lines))
                row += len(lines)
                if any(done[rows.start : rows.stop]):
                    still = [each >= len(done) or not done[each] for each in rows]
                    yield list(compress(rows, still)), list(compress(lines, still))
                else:
                    yield rows, lines
        if row != expected:
            raise FatalError(
                f"outbox {self.folder}/{file} has {row:,} lines for {expected:,} users; make it new"
            )


def too_long(line: bytes, limits: RequestLimits) -> bool:
    """Whether no request can carry the line."""
    longest = limits.max_bytes - 1
    if limits.max_line_bytes is not None:
        longest = min(longest, limits.max_line_bytes)
    return len(line) > longest


def fits(batch: Batch, limits: RequestLimits) -> bool:
    """Whether one request can carry the batch."""
    return (
        len(batch.lines) <= limits.max_rows
        and sum(len(line) + 1 for line in batch.lines) <= limits.max_bytes
        and not any(too_long(line, limits) for line in batch.lines)
    )


def _cut(file: str, blocks: Iterable[_Lines], limits: RequestLimits) -> Iterator[Batch]:
    """Yield the batches; what does not fill one goes on with the next block."""
    rows: list[int] = []
    lines: list[bytes] = []
    for more_rows, more in blocks:
        longest = max(more, key=len, default=b"")
        long = [too_long(line, limits) for line in more] if too_long(longest, limits) else []
        for row, line in compress(zip(more_rows, more, strict=True), long):
            yield Batch(file, (row,), (line,))
        fits = [not each for each in long] or repeat(True)
        rows += compress(more_rows, fits)
        lines += compress(more, fits)
        ends = list(accumulate(len(line) + 1 for line in lines))
        start, sent = 0, 0
        while True:
            end = min(start + limits.max_rows, bisect_right(ends, sent + limits.max_bytes))
            if end >= len(lines):
                break
            yield Batch(file, tuple(rows[start:end]), tuple(lines[start:end]))
            start, sent = end, ends[end - 1]
        del rows[:start], lines[:start]
    if rows:
        yield Batch(file, tuple(rows), tuple(lines))
