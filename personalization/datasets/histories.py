"""Sequences of events that follow planted tastes without bending them.

Real histories are not independent draws: a session stays with a theme, one film leads to its
neighbour.  Both are here, in a form that leaves every single event's distribution exactly the
user's taste (an event repeats the cell of an event that was drawn from the taste; a step along the
cell's cumulative popularity, around the end, keeps a uniform position uniform).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from personalization.datasets.tastes import Catalogue, Floats, Ints

DAY_S: Final = 86_400

# Adding this to the number of a cell or of a user must not round up to the next one.
_BELOW_ONE: Final = 1.0 - 1e-9


@dataclass(frozen=True)
class Habits:
    """How a user goes from one event to the next.

    session   mean number of events in a session
    focus     probability that an event returns to the cell its session began with
    stick     probability that an event takes a small step from the one before
    step      standard deviation of that step, as a fraction of the cell's popularity
    gap_s     median seconds between two events of a session
    pause_s   mean seconds between two sessions
    """

    session: float = 4.0
    focus: float = 0.5
    stick: float = 0.3
    step: float = 0.05
    gap_s: float = 5_400.0
    pause_s: float = 6.0 * DAY_S


def draw_items(
    owners: Ints,
    starts: Ints,
    *,
    tastes: Floats,
    catalogue: Catalogue,
    habits: Habits,
    rng: np.random.Generator,
) -> Ints:
    """Return the item of each event.

    owners  the row in `tastes` of each event, ascending
    starts  the number of the first event of each event's session, itself for a session's first
    """
    count = len(owners)
    number = np.arange(count)
    ladder = np.cumsum(tastes, axis=1)
    ladder /= ladder[:, -1:]
    ladder += np.arange(len(tastes))[:, None]
    u = np.minimum(rng.random(count), _BELOW_ONE)
    cells = np.searchsorted(ladder.ravel(), owners + u, side="right") - owners * tastes.shape[1]

    later = starts != number
    cells = np.where(later & (rng.random(count) < habits.focus), cells[starts], cells)
    stuck = later & (rng.random(count) < habits.stick)
    origin = np.maximum.accumulate(np.where(stuck, 0, number))
    walked = np.cumsum(habits.step * rng.standard_normal(count))
    u = (rng.random(count)[origin] + walked - walked[origin]) % 1.0
    return catalogue.items(cells[origin], np.minimum(u, _BELOW_ONE))


def draw_sessions(firsts: Ints, count: int, habits: Habits, rng: np.random.Generator) -> Ints:
    """Return, for each of `count` events, the number of its session's first event.

    firsts  the number of each user's first event
    """
    begins = rng.random(count) < 1.0 / habits.session
    begins[firsts] = True
    return np.maximum.accumulate(np.where(begins, np.arange(count), 0))


def draw_seconds(
    firsts: Ints, starts: Ints, span_s: int, habits: Habits, rng: np.random.Generator
) -> Ints:
    """Return each event's second within [0, span_s), strictly ascending for each user.

    More users join late than early: a service grows.  A history too long for the span is
    compressed into it.
    """
    count = len(starts)
    gaps = habits.gap_s * np.exp(0.8 * rng.standard_normal(count))
    pauses = rng.exponential(habits.pause_s, size=count)
    gaps = np.where(starts == np.arange(count), pauses, gaps)
    gaps[firsts] = 0.0

    lengths = np.diff(np.append(firsts, count))
    owners = np.repeat(np.arange(len(firsts)), lengths)
    elapsed = np.cumsum(gaps)
    elapsed -= elapsed[firsts][owners]
    # One second for each event is set aside, so that none falls together with the one before.
    room = (span_s - lengths).astype(np.float64)
    last = elapsed[firsts + lengths - 1]
    elapsed *= np.minimum(1.0, room / np.maximum(last, 1.0))[owners]
    last = np.minimum(last, room)
    joined = (room - last) * np.sqrt(rng.random(len(firsts)))
    position = np.arange(count) - firsts[owners]
    return np.floor(joined[owners] + elapsed).astype(np.int64) + position


def draw_events(
    counts: Ints,
    tastes: Floats,
    catalogue: Catalogue,
    *,
    span_s: int,
    habits: Habits,
    repeats: bool,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Return owner i64 (row of `counts` and `tastes`), item i64 (number), seconds i64, by owner.

    counts  how many events each user has; without `repeats` fewer, where a user saw too much
    """
    drawn = counts if repeats else 3 * counts  # some to leave out
    owners = np.repeat(np.arange(len(drawn)), drawn)
    starts = draw_sessions(np.cumsum(drawn) - drawn, len(owners), habits, rng)
    items = draw_items(owners, starts, tastes=tastes, catalogue=catalogue, habits=habits, rng=rng)
    if not repeats:
        kept = _unseen(owners, items, counts)
        owners, items = owners[kept], items[kept]
        counts = np.bincount(owners, minlength=len(counts))
        starts = draw_sessions(np.cumsum(counts) - counts, len(owners), habits, rng)
    seconds = draw_seconds(np.cumsum(counts) - counts, starts, span_s, habits, rng)
    return pl.DataFrame({"owner": owners, "item": items, "seconds": seconds})


def _unseen(owners: Ints, items: Ints, counts: Ints) -> Ints:
    """Return the numbers of the events that are a user's first of their item, up to `counts`."""
    pairs = pl.DataFrame({"owner": owners, "item": items}).with_row_index("number")
    firsts = pairs.unique(["owner", "item"], keep="first", maintain_order=True)
    place = firsts.select(pl.int_range(pl.len()).over("owner")).to_series().to_numpy()
    kept = place < counts[firsts["owner"].to_numpy()]
    numbers: Ints = firsts["number"].to_numpy()[kept].astype(np.int64)
    return numbers
