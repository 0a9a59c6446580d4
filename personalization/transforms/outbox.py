"""What is to be sent in one run, in files that can be sent as they are.

00000.jsonl     line n: the JSON text of one user; at most 100,000 lines
00000.parquet   row n: user_id str, hash u64 (0 for a removal), removed bool
items.parquet   the items' versions that the lines show
outdated.parquet  user_id str: who is told nothing and holds what would be said differently now
outbox.json     how they were rendered, and counts; written last: without it, it is half a one
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import compress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import orjson
import polars as pl

from personalization.columns import HASH, LINE, REMOVED, USER_ID
from personalization.errors import FatalError

OUTBOX_FILE: Final = "outbox.json"
OUTDATED_FILE: Final = "outdated.parquet"
MOST_LINES: Final = 100_000
_BATCH_LINES: Final = 16_384  # with polars' 1,024, the writing of long lines takes a third longer


@dataclass(frozen=True)
class WrittenOutbox:
    """A complete one.

    files        names without suffix, in their order
    fingerprint  of how the lines were rendered
    attributes   names that the lines set
    retired      names that the lines take away
    counts       of the run, by name
    """

    folder: Path
    files: tuple[str, ...]
    fingerprint: str
    attributes: tuple[str, ...]
    retired: tuple[str, ...]
    counts: dict[str, int]

    def lines(self, file: str) -> Path:
        """Return where a file's lines are."""
        return self.folder / f"{file}.jsonl"

    def users(self, file: str) -> Path:
        """Return where it says whom each line is for."""
        return self.folder / f"{file}.parquet"

    @property
    def items(self) -> Path:
        """The items' versions: item_id str, version u64."""
        return self.folder / "items.parquet"

    @property
    def outdated(self) -> pl.Series:
        """Who holds what would be said differently now, and is told nothing: `user_id`."""
        file = self.folder / OUTDATED_FILE  # there only if there is anybody
        if not file.exists():
            return pl.Series(USER_ID, [], pl.String)
        return pl.read_parquet(file)[USER_ID]

    @classmethod
    def read(cls, folder: Path) -> WrittenOutbox:
        """Return the outbox in the folder.  Raises FatalError if it was never completed."""
        file = folder / OUTBOX_FILE
        if not file.exists():
            raise FatalError(f"{folder} holds no complete outbox; let the transform run again")
        said = orjson.loads(file.read_bytes())
        return cls(
            folder,
            tuple(said["files"]),
            said["fingerprint"],
            tuple(said["attributes"]),
            tuple(said["retired"]),
            said["counts"],
        )


@dataclass
class OutboxWriter:
    """Writes one; what was in the folder is removed first.

    Use as a context manager: after an exception nothing is left.
    """

    folder: Path
    most_lines: int = MOST_LINES
    _files: list[str] = field(default_factory=list)
    _rows: list[pl.DataFrame] = field(default_factory=list)
    _lines: IO[bytes] | None = None
    _room: int = 0

    def __enter__(self) -> OutboxWriter:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        if self._lines:
            self._lines.close()
        if kind:
            shutil.rmtree(self.folder, ignore_errors=True)

    def add(self, rows: pl.DataFrame) -> None:
        """Add line str, user_id str, hash u64, removed bool."""
        while len(rows):
            if not self._lines:
                self._files.append(f"{len(self._files):05d}")
                self._lines = (self.folder / f"{self._files[-1]}.jsonl").open("wb")
                self._room = self.most_lines
            now, rows = rows.head(self._room), rows.tail(max(len(rows) - self._room, 0))
            now.select(LINE).write_csv(
                self._lines, include_header=False, quote_style="never", batch_size=_BATCH_LINES
            )
            self._rows.append(now.select(USER_ID, HASH, REMOVED))
            self._room -= len(now)
            if not self._room:
                self._close()

    def drop(self, lines: Sequence[int]) -> None:
        """Take out those of the lines added so far; by their number, ascending."""
        if not lines:
            return
        self._close()
        gone, start = set(lines), 0
        for name in self._files:
            file = self.folder / f"{name}.parquet"
            rows = pl.read_parquet(file)
            kept = [number not in gone for number in range(start, start + len(rows))]
            start += len(rows)
            if all(kept):
                continue
            rows.filter(pl.Series(kept)).write_parquet(file, compression="zstd")
            whole, less = self.folder / f"{name}.jsonl", self.folder / f".{name}.jsonl"
            with whole.open("rb") as old, less.open("wb") as new:
                new.writelines(compress(old, kept))
            less.replace(whole)

    def complete(
        self,
        *,
        items: pl.DataFrame,
        fingerprint: str,
        attributes: tuple[str, ...],
        retired: tuple[str, ...],
        counts: dict[str, int],
        outdated: pl.Series | None = None,
    ) -> WrittenOutbox:
        """Write the rest, and say that it is complete."""
        self._close()
        items.write_parquet(self.folder / "items.parquet", compression="zstd")
        if outdated is not None and len(outdated):
            whom = outdated.rename(USER_ID).to_frame()
            whom.write_parquet(self.folder / OUTDATED_FILE, compression="zstd")
        said: dict[str, Any] = {
            "files": self._files,
            "fingerprint": fingerprint,
            "attributes": attributes,
            "retired": retired,
            "counts": counts,
        }
        partial = self.folder / f".{OUTBOX_FILE}"
        partial.write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))
        partial.replace(self.folder / OUTBOX_FILE)
        return WrittenOutbox.read(self.folder)

    def _close(self) -> None:
        if not self._lines:
            return
        self._lines.close()
        file = self.folder / f"{self._files[-1]}.parquet"
        pl.concat(self._rows).write_parquet(file, compression="zstd")
        self._lines, self._rows = None, []
