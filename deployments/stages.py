"""What is being done right now, and where the time went, for the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table


class Stages:
    """What is being done and how long each part took, drawn as it happens."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, str]] = []
        self._open: tuple[str, float] | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Time a part; what the block appends to the list is shown beside it."""
        said: list[str] = []
        began = time.monotonic()
        self._open = (name, began)
        yield said
        self.rows.append((name, time.monotonic() - began, " ".join(said)))
        self._open = None

    def __rich__(self) -> RenderableType:
        table = Table.grid(padding=(0, 2))
        for name, seconds, said in self.rows:
            table.add_row("[green]✔[/]", name, f"{seconds:5.1f} s", f"[dim]{said}[/]")
        if self._open:
            name, began = self._open
            table.add_row(Spinner("dots"), f"[bold]{name}[/]", f"{time.monotonic() - began:5.1f} s")
        return Group(table)
