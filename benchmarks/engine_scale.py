"""Seconds and peak memory of the engine as interactions grow.

    python -m benchmarks.engine_scale                        0.1 and 1 million interactions
    python -m benchmarks.engine_scale --check                exit status 1 where a bar is missed
    python -m benchmarks.engine_scale --events 10000000      one size, of your choice

Users grow with the interactions, a hundred events each; the catalogue stays at 10,000 items.  Every
size runs in a process of its own, so that its peak memory is its own.

--check: from 0.1 to 1 million interactions the time may grow by the growth of the interactions and
half as much again (SLACK, for a machine that does other things too), and a million may take no more
than PEAK_MB of memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from personalization.columns import ITEM_ID, TIMESTAMP, USER_ID
from personalization.local.engine import RECIPES, Recommender, Segmenter, TrainingData

SIZES = (100_000, 1_000_000)
ITEMS = 10_000
EVENTS_PER_USER = 100
GENRES = 19
RANKED_USERS = 10_000
SLACK = 1.5
PEAK_MB = 1500


def main() -> int:
    """Return the exit status."""
    asked = _arguments()
    if asked.measure:
        json.dump(measured(asked.measure), sys.stdout)
        return 0
    console = Console(width=110)
    sizes = (asked.events,) if asked.events else SIZES
    results = {size: _in_a_process(size) for size in sizes}
    _show(console, results)
    return _check(console, results) if asked.check else 0


def data(events: int, seed: int = 0) -> TrainingData:
    """Return that many interactions: few users and items have most of them, every genre some."""
    rng = np.random.default_rng(seed)
    n_users = max(50, events // EVENTS_PER_USER)
    activity, popularity = rng.lognormal(0, 1, n_users), rng.lognormal(0, 1.5, ITEMS)
    user = _drawn(rng, activity, events)
    item = _drawn(rng, popularity, events)
    interactions = pl.DataFrame(
        {
            USER_ID: pl.Series(user).cast(pl.String),
            ITEM_ID: pl.Series(item).cast(pl.String),
            TIMESTAMP: 1_600_000_000 + rng.integers(0, 10**8, events),
        }
    )
    numbers = pl.Series(np.arange(ITEMS))
    genre = "genre " + (numbers % GENRES).cast(pl.String)
    items = pl.DataFrame({ITEM_ID: numbers.cast(pl.String), "GENRES": genre})
    return TrainingData(interactions, items)


def _drawn(rng: np.random.Generator, weights: np.ndarray, n: int) -> np.ndarray:
    scale = np.cumsum(weights)
    return np.asarray(np.searchsorted(scale, rng.random(n) * scale[-1]))


def measured(events: int) -> dict[str, float]:
    """Return seconds a step, and the peak memory of this process in MB."""
    trained = data(events)
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def lap(step: str) -> None:
        nonlocal started
        now = time.perf_counter()
        seconds[step], started = now - started, now

    affinity = RECIPES["aws-item-attribute-affinity"].fit(trained)
    lap("learn affinities")
    assert isinstance(affinity, Segmenter)
    for genre in range(GENRES):
        affinity.segment({"itemAttributes": f'ITEMS.GENRES = "genre {genre}"'}, 10_000)
    lap(f"{GENRES} segments")
    model = RECIPES["aws-user-personalization"].fit(trained)
    lap("learn tastes")
    assert isinstance(model, Recommender)
    users = trained.interactions[USER_ID].unique().sort().head(RANKED_USERS).to_list()
    for _ in model.recommend(users, 25):
        pass
    lap("rank for all users, at most 10,000")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**seconds, "all": sum(seconds.values()), "peak MB": peak}


def _in_a_process(events: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.engine_scale", "--measure", str(events)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _show(console: Console, results: dict[int, dict[str, float]]) -> None:
    table = Table("", title=f"The engine at scale, {ITEMS:,} items", title_justify="left")
    for size in results:
        table.add_column(f"{size:,} events", justify="right")
    for step in next(iter(results.values())):
        unit = "" if step == "peak MB" else " s"
        digits = 0 if step == "peak MB" else 2
        table.add_row(step, *(f"{result[step]:.{digits}f}{unit}" for result in results.values()))
    console.print(table)


def _check(console: Console, results: dict[int, dict[str, float]]) -> int:
    small, large = min(results), max(results)
    allowed = SLACK * large / small
    growth = results[large]["all"] / results[small]["all"]
    peak = results[large]["peak MB"]
    bars = {f"memory: {peak:.0f} MB, at most {PEAK_MB}": peak <= PEAK_MB or large > max(SIZES)}
    if large > small:
        growth_bar = f"time: {growth:.1f} times for {large / small:.0f} times the events"
        bars[f"{growth_bar}, at most {allowed:.0f}"] = growth <= allowed
    for bar, is_met in bars.items():
        console.print(bar, "[green]met[/]" if is_met else "[bold red]MISSED[/]")
    return 0 if all(bars.values()) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine_scale", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--check", action="store_true", help="exit with 1 where a bar is missed")
    parser.add_argument("--events", type=int, help="one size, such as 10000000")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
