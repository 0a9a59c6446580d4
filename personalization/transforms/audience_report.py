"""What came of a batch segment job's output: audiences, and the lines that gave none."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from personalization.errors import FatalError
from personalization.transforms.batch_output import RejectedLine

MOST_LISTED: Final = 1000  # rejected lines kept in memory; the files have all of them


@dataclass(frozen=True)
class AudienceFile:
    """One audience.

    name, logical_name  with and without the run's stamp (see `audience_names`)
    path                CSV, one column `Id`, LF line ends
    query               the line's input; `source` and `line` say where it stood
    users               the line's users, before `top` and with duplicates
    no_ids              how many more it listed that were null or empty
    members             rows of the file
    unmapped            users, of those asked for, without an eligible endpoint
    unmapped_path       their list (CSV, one column `user_id`), or None if there is none
    sha256              of the file, in hex
    """

    name: str
    logical_name: str
    path: Path
    query: dict[str, Any]
    channel: str | None
    users: int
    members: int
    unmapped: int
    unmapped_path: Path | None
    sha256: str
    source: Path
    line: int
    no_ids: int = 0


@dataclass(frozen=True)
class AudienceReport:
    """All audiences of a run, in the order of their lines, and the rejected lines.

    lines           lines that were not blank
    rejected        the first 1,000
    rejected_lines  how many there are
    rejects         the lines themselves, ready to be repaired and read again; None without any
    """

    audiences: tuple[AudienceFile, ...]
    lines: int
    rejected: tuple[RejectedLine, ...]
    rejected_lines: int
    rejects: Path | None

    @property
    def members(self) -> int:
        """Rows of all audiences together."""
        return sum(audience.members for audience in self.audiences)

    @property
    def unmapped(self) -> int:
        """Users without an eligible endpoint, counted in each of their audiences."""
        return sum(audience.unmapped for audience in self.audiences)

    def refuse_above(self, max_rejected: float, kept_at: str = "") -> None:
        """Raise FatalError if there are no lines, or more than this fraction is rejected."""
        if not self.lines:
            raise FatalError("the job's output has no lines; look at the job's input file")
        if self.rejected_lines > max_rejected * self.lines:
            first = self.rejected[0]
            raise FatalError(
                f"{self.rejected_lines} of {self.lines} lines were rejected, more than the "
                f"{max_rejected:.1%} allowed; they are in {kept_at or self.rejects}; the first is "
                f"{first.file.name}:{first.number}: {first.reason}"
            )


class Rejects:
    """Keeps rejected lines: `rejected.out` as they were, `rejected.csv` with the reasons.

    Row n of the CSV (file, line, reason) speaks of line n of the other.  Neither exists, not even
    from an earlier run, as long as nothing is rejected.  `origins` says what files are called
    there, if not by their paths.
    """

    def __init__(self, folder: Path, origins: Mapping[Path, str] | None = None) -> None:
        self._folder = folder
        self._origins = origins or {}
        self.path = folder / "rejected.out"
        self.listed: list[RejectedLine] = []
        self.count = 0
        self._lines: IO[bytes] | None = None
        self._reasons: IO[str] | None = None

    def add(self, line: RejectedLine, text: bytes) -> None:
        """Count the line, write it and its reason."""
        if self._lines is None or self._reasons is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lines = self.path.open("wb")
            self._reasons = self.path.with_suffix(".csv").open("w", encoding="utf-8", newline="")
            csv.writer(self._reasons, lineterminator="\n").writerow(["file", "line", "reason"])
        self._lines.write(text + b"\n")
        row = [self._origins.get(line.file, str(line.file)), line.number, line.reason]
        csv.writer(self._reasons, lineterminator="\n").writerow(row)
        self.count += 1
        if len(self.listed) < MOST_LISTED:
            self.listed.append(line)

    def __enter__(self) -> Rejects:
        for path in (self.path, self.path.with_suffix(".csv")):
            path.unlink(missing_ok=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for file in (self._lines, self._reasons):
            if file is not None:
                file.close()
