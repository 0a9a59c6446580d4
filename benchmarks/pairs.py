"""Contestants as processes of their own, measured round by round, and the bars between them.

Each is started as `python -m <benchmark> --contestant <name> --folder <folder>`, so what it takes
is its own: start-up included, with the bytecode that an installed package has.  Rounds interleave
the contestants and a bar is held by the median of the rounds' values, so a busy machine bends
little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # contestants import this module, too, and print nothing
    from rich.table import Table

RATE_FILE = "rate"


@dataclass(frozen=True)
class Cost:
    """What one process took; rate: lines a CPU second, as it told in RATE_FILE, or 0."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    rate: float = 0.0


Costs = Mapping[str, Cost]


@dataclass(frozen=True)
class Bar:
    """A ratio (or a size), and what it may be at most, or must be at least.

    Source: measured on two loaded cores, plus a margin.
    """

    what: str
    value: Callable[[Costs], float]
    limit: float
    unit: str = "×"
    at_least: bool = False

    def holds(self, value: float) -> bool:
        """Whether the value keeps to it."""
        return value >= self.limit if self.at_least else value <= self.limit


def measure(benchmark: str, contestant: str, folder: Path) -> Cost:
    """Run a contestant of a benchmark (a module) and return what it took.

    This process stays small: a child's peak memory is at least that of its parent.
    Raises SystemExit if it fails.
    """
    told = folder / RATE_FILE
    told.unlink(missing_ok=True)
    command = [sys.executable, "-m", benchmark, "--contestant", contestant]
    # Start-up must not mean compiling polars again: an environment may forbid writing bytecode.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    process = subprocess.Popen([*command, "--folder", str(folder)], env=environment)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{contestant} ended with {process.returncode}")
    wall_s = time.perf_counter() - started
    rate = float(told.read_text()) if told.exists() else 0.0
    return Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024**2, rate)


def measured_rounds(
    benchmark: str, contestants: Sequence[str], folder: Path, rounds: int
) -> list[Costs]:
    """Measure every contestant once a round."""
    return [{name: measure(benchmark, name, folder) for name in contestants} for _ in range(rounds)]


def print_costs(title: str, rounds: Sequence[Costs], others: Costs | None = None) -> None:
    """Print the medians of every contestant, and what was measured once."""
    table = _table(title, ("", "wall s", "CPU s", "peak GB", "lines a CPU s"))
    medians = {
        name: Cost(*(median(values) for values in zip(*map(astuple, costs), strict=True)))
        for name, costs in ((name, [costs[name] for costs in rounds]) for name in rounds[0])
    }
    for name, cost in {**medians, **(others or {})}.items():
        rate = f"{cost.rate:,.0f}" if cost.rate else ""
        table.add_row(name, f"{cost.wall_s:.2f}", f"{cost.cpu_s:.2f}", f"{cost.peak_gb:.2f}", rate)
    _print(table)


def print_bars(bars: Iterable[Bar], rounds: Sequence[Costs], *, judged: bool) -> bool:
    """Print the values beside their bars; return whether all hold, if they are judged."""
    title = f"medians of {len(rounds)} rounds" + ("" if judged else "; bars hold at L")
    table = _table(title, ("", "measured", "bar", ""))
    kept = True
    for bar in bars:
        value = median(bar.value(costs) for costs in rounds)
        holds = bar.holds(value)
        kept = kept and (holds or not judged)
        verdict = ("holds" if holds else "MISSED") if judged else ""
        limit = f"{'≥' if bar.at_least else '≤'} {bar.limit:g}{bar.unit}"
        table.add_row(bar.what, f"{value:.2f}{bar.unit}", limit, verdict)
    _print(table)
    return kept


def _table(title: str, columns: Sequence[str]) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="left" if not column else "right")
    return table


def _print(table: Table) -> None:
    from rich.console import Console  # noqa: PLC0415

    Console().print(table)
