"""Lines that gave nothing: counted always, kept as they are when asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Final

from personalization.transforms.recommendation_lines import Fault

MOST_LISTED: Final = 100


@dataclass
class FaultKeeper:
    """Use as a context manager.

    file    where the lines go; it is made with the first of them
    errors  lines on which Personalize reports an error
    broken  lines that are no answer
    first   of both, at most 100
    """

    file: Path | None
    errors: int = 0
    broken: int = 0
    first: list[Fault] = field(default_factory=list)
    _opened: IO[bytes] | None = None

    def __enter__(self) -> FaultKeeper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        if self._opened:
            self._opened.close()

    def add(self, faults: Iterable[Fault]) -> None:
        """Count and keep them."""
        for fault in faults:
            if fault.said:
                self.errors += 1
            else:
                self.broken += 1
            if len(self.first) < MOST_LISTED:
                self.first.append(fault)
            if self.file:
                if not self._opened:
                    self.file.parent.mkdir(parents=True, exist_ok=True)
                    self._opened = self.file.open("wb")
                self._opened.write(fault.text + b"\n")
