"""How many of any number of rows are repeated, exactly, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import numpy.typing as npt

# 64-bit hashes are sorted into so many files, 8 bytes a row, and these counted one by one:
# 125 MB of memory for a billion rows.
_FILES: Final = 64
_SHIFT: Final = np.uint64(58)


@dataclass(frozen=True)
class Repeats:
    """Takes hashes of rows; tells how many had come before."""

    folder: Path

    def add(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Take in hashes, in any order."""
        ascending = np.sort(hashes)
        bounds = np.searchsorted(ascending >> _SHIFT, np.arange(_FILES + 1, dtype=np.uint64))
        for number, (begin, end) in enumerate(pairwise(bounds)):
            with (self.folder / str(number)).open("ab") as file:
                file.write(ascending[begin:end].tobytes())

    def count(self) -> int:
        """Return how many hashes had come before."""
        repeated = 0
        for path in self.folder.iterdir():
            ascending = np.sort(np.fromfile(path, dtype=np.uint64))
            repeated += int((ascending[1:] == ascending[:-1]).sum())
        return repeated


@contextmanager
def counting_repeats() -> Iterator[Repeats]:
    """Give an empty Repeats; its files are gone afterwards."""
    with TemporaryDirectory(prefix="personalize-repeats-") as folder:
        yield Repeats(Path(folder))
