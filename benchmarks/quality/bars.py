"""Bars: what a number must reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Bar:
    """One number and the bounds it must keep."""

    what: str
    measured: float
    at_least: float = float("-inf")
    at_most: float = float("inf")

    @property
    def is_met(self) -> bool:
        """Whether the number is within its bounds."""
        return self.at_least <= self.measured <= self.at_most

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        parts = []
        if self.at_least != float("-inf"):
            parts.append(f"≥ {self.at_least:.4g}")
        if self.at_most != float("inf"):
            parts.append(f"≤ {self.at_most:.4g}")
        return " and ".join(parts)


def show_bars(console: Console, title: str, bars: Sequence[Bar]) -> None:
    """Print each bar and whether it is met."""
    table = Table(
        "bar", "measured", "must be", "", title=title, title_justify="left", title_style="bold"
    )
    for bar in bars:
        verdict = "[green]met[/]" if bar.is_met else "[bold red]MISSED[/]"
        table.add_row(bar.what, f"{bar.measured:.4f}", bar.bounds, verdict)
    console.print(table)


def show_rows(
    console: Console, title: str, columns: Sequence[str], rows: Mapping[str, Sequence[float]]
) -> None:
    """Print one row of numbers a way of ranking."""
    table = Table("", title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column, justify="right")
    for way, numbers in rows.items():
        table.add_row(way, *(f"{number:.3f}" for number in numbers))
    console.print(table)
