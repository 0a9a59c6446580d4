"""Measure the engine on real behaviour and on planted truth, against named bars.

    python -m benchmarks.quality --check              exit status 1 where a bar is missed
    python -m benchmarks.quality --quick --check      recommendations and segments, real data only
    python -m benchmarks.quality --data DIR           another folder: interactions.csv and items.csv
                                                      in Personalize's columns, or MovieLens's
                                                      ratings.csv and movies.csv

The bars were set on MovieLens latest-small (610 users, 100,836 ratings), which is not ours to ship:
by default it is looked for beside the repository, and its part is skipped, visibly, where it is
missing.  MovieLens 100K, on which some of the methods were also measured, is not available here;
its bars are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from benchmarks.quality import chapters
from benchmarks.quality.bars import Bar, show_bars
from benchmarks.quality.behaviour import read
from personalization.errors import ConfigError

MEASURED_ON = "ml-latest-small"
DEFAULT = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / MEASURED_ON


def main() -> int:
    """Return the exit status."""
    asked = _arguments()
    console = Console(width=110)
    started = time.perf_counter()
    bars: list[Bar] = []
    try:
        bars += _on_real_data(console, asked.data, quick=asked.quick)
    except ConfigError as error:
        if asked.data != DEFAULT:
            console.print(f"[bold red]{error}[/]")
            return 2
        console.print(f"[bold yellow]SKIPPED: real behaviour[/]: {error}")
    if not asked.quick and asked.data == DEFAULT:
        bars += chapters.truth(console)
        bars += chapters.no_tastes(console)
    show_bars(console, "Bars", bars)
    missed = sum(not bar.is_met for bar in bars)
    console.print(
        f"{len(bars) - missed} of {len(bars)} bars met in {time.perf_counter() - started:.0f} s"
    )
    return 1 if asked.check and missed else 0


def _on_real_data(console: Console, folder: Path, *, quick: bool) -> Iterator[Bar]:
    behaviour = read(folder)
    known = behaviour.name == MEASURED_ON
    yield from chapters.recommendations(console, behaviour, known=known)
    yield from chapters.segments(console, behaviour, known=known)
    if quick:
        return
    yield from chapters.returning_users(console, behaviour)
    yield from chapters.related_items(console, behaviour, known=known)
    yield from chapters.reranking(console, behaviour, known=known)
    yield from chapters.item_audiences(console, behaviour, known=known)
    yield from chapters.nothing_to_learn(console, behaviour.shuffled())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--quick", action="store_true", help="a minute's worth of it")
    parser.add_argument("--data", type=Path, default=DEFAULT, help="a folder of real behaviour")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
