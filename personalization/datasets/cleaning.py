"""A copy of the data without the rows that cannot be read, and a list of those, with reasons."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, Final

from personalization.datasets.writing import replacing

REJECTS: Final = "rejects.csv"


class CleanCopy:
    """Writes `<dataset>.csv` for each dataset and rejects.csv into a folder.

    rejects.csv: file, line, column (empty for a whole row), reason, row (as it stood there).
    Files appear when the context ends without an error; LF line ends, no BOM, one header a dataset.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths: dict[str, Path] = {}
        self.rejected = 0
        self._files: dict[str, IO[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> CleanCopy:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._rejects = self._stack.enter_context(replacing(self.folder / REJECTS))
        self._rejects.write(_csv_line("file", "line", "column", "reason", "row"))
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def keep(self, dataset: str, names: Sequence[str], records: bytes) -> None:
        """Append readable records, each with its line end."""
        if dataset not in self._files:
            path = self.folder / f"{dataset}.csv"
            self._files[dataset] = self._stack.enter_context(replacing(path))
            self._files[dataset].write(_csv_line(*names))
            self.paths[dataset] = path
        self._files[dataset].write(records)

    def reject(self, source: str, line: int, column: str, reason: str, row: bytes) -> None:
        """Append one row that is left out."""
        self.rejected += 1
        text = row.decode(errors="replace")
        self._rejects.write(_csv_line(source, str(line), column, reason, text))


def _csv_line(*values: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()
