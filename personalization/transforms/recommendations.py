"""From a batch inference job's output to lines for a destination: only what has changed.

Part by part, on threads: a hash of each user's list is compared with what the destination holds,
and what differs is rendered.  At the end it is known who is listed twice, who is to be cleared, and
whether that can be meant; if not, what was written is removed.  Memory is that of some parts of the
input plus some 50 bytes a user.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import polars as pl

from personalization.columns import HASH, LINE, REMOVED, USER_ID
from personalization.errors import FatalError
from personalization.transforms.fault_keeper import FaultKeeper
from personalization.transforms.item_metadata import Items
from personalization.transforms.outbox import OutboxWriter, WrittenOutbox
from personalization.transforms.recommendation_delta import (
    Comparison,
    DeltaOptions,
    Flags,
    Look,
)
from personalization.transforms.recommendation_lines import Fault
from personalization.transforms.recommendation_rendering import AttributeRenderer, Renderer
from personalization.transforms.recommendation_sources import UserSource
from personalization.transforms.recommendation_state import STALE, Numbers, State, read_state

log = logging.getLogger(__name__)

_WORKERS: Final = 2  # each holds a part and its lines; polars itself uses all cores
_CLEARED_ROWS: Final = 50_000

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class RecommendationReport:
    """What came of a run; the outbox is ready to be sent.

    counts  by name: users (with recommendations), new, changed, unchanged, cleared, held (by the
            destination, before), kept_on_error (held, and left as they are: their line is at
            fault), without_recommendations, repeated (users listed again), errors (lines on which
            Personalize reports one), broken (lines that are no answer), items_without_metadata
            (distinct, of the lines written), and what the source counts
    faults  the first 100
    """

    outbox: WrittenOutbox
    counts: dict[str, int]
    faults: tuple[Fault, ...]


def write_outbox(
    source: UserSource[Any],
    renderer: Renderer,
    items: Items,
    state: Path,
    target: Path,
    *,
    options: DeltaOptions | None = None,
    faults: Path | None = None,
) -> RecommendationReport:
    """Write to `target` what the destination has to be told; `state` is what it holds.

    faults  where lines that are no recommendations are written to as they are, if there are any

    Safe to repeat: `target` is replaced and the state is only read.  Raises FatalError if more
    users would be cleared than can be meant: an empty or half output must not clear everybody.  Of
    several shards, only all together can tell: see `refuse_to_clear`.
    """
    options = options or DeltaOptions()
    held = read_state(state, shard=options.shard, shards=options.shards)
    retired = renderer.outdated(held.attributes)
    counts = dict.fromkeys(_COUNTS, 0) | source.counts | {"held": len(held.keys)}
    work = Comparison(source, renderer, items, held, retired, options)
    parts = list(source.parts)
    looks: list[Look] = []
    with OutboxWriter(target) as outbox, FaultKeeper(faults) as keeper:
        for look, rows in _in_order(work, parts):
            keeper.add(look.faults)
            look.faults = ()
            looks.append(look)
            outbox.add(rows)
        outbox.drop(_settle_repeats(source, parts, looks, counts))
        without, kept = _without(held, looks)
        left = np.flatnonzero(without & ~kept & options.clear_removed)
        counts["kept_on_error"] = int(kept.sum())
        if options.shards == 1:  # a shard is too few to tell by
            refuse_to_clear(len(left), len(held.keys), options)
        for start in range(0, len(left), _CLEARED_ROWS):
            users = held.users[USER_ID].gather(left[start : start + _CLEARED_ROWS])
            outbox.add(_cleared(users, renderer.clearing(users, retired)))
        counts |= {"errors": keeper.errors, "broken": keeper.broken}
        _count(looks, left, counts)
        if isinstance(renderer, AttributeRenderer):
            counts["items_without_metadata"] = renderer.without_metadata
        written = outbox.complete(
            items=items.versions,
            fingerprint=renderer.fingerprint,
            attributes=renderer.attributes,
            retired=retired,
            counts=counts,
            outdated=_spared(held, without, left) if work.outdated else None,
        )
    log.info("wrote %s: %s", target, ", ".join(f"{name} {n}" for name, n in counts.items()))
    return RecommendationReport(written, counts, tuple(keeper.first))


# Of users: of several shards, each counts only its own.
USER_COUNTS: Final = (
    "users",
    "new",
    "changed",
    "unchanged",
    "cleared",
    "held",
    "kept_on_error",
    "without_recommendations",
)
_COUNTS: Final = (
    *USER_COUNTS,
    "repeated",
    "errors",
    "broken",
    "items_without_metadata",
)


def _settle_repeats(
    source: UserSource[Any], parts: list[Any], looks: list[Look], counts: dict[str, int]
) -> list[int]:
    """Count, of several rows for the same user, only the last.

    Returns which of the lines written so far are of the others, ascending.
    """
    keys = np.concatenate([np.empty(0, np.uint64), *(look.keys for look in looks)])
    ordered = np.sort(keys)
    again = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if not again.size:
        return []
    found = []
    for number, (part, look) in enumerate(zip(parts, looks, strict=True)):
        suspect = np.flatnonzero(np.isin(look.keys, again))
        if suspect.size:
            users = source.read(part).rows[USER_ID].gather(suspect)
            found.append(pl.select(users, part=pl.lit(number), row=pl.Series(suspect)))
    rows = pl.concat(found)
    lost = rows.filter(~rows.select(pl.col(USER_ID).is_last_distinct()).to_series())
    counts["repeated"] = len(lost)
    written: list[int] = []
    lines = 0
    for number, look in enumerate(looks):
        line = np.cumsum(look.changed) - 1 + lines
        lines += int(look.changed.sum())
        gone = lost.filter(part=number)["row"].to_numpy()
        written += line[gone[look.changed[gone]]].tolist()
        for flags in (look.changed, look.listed, look.empty):
            flags[gone] = False
    return written


def _without(held: State, looks: list[Look]) -> tuple[Flags, Flags]:
    """Return which users of the state have no recommendations now, and which of them by a fault."""
    without = np.ones(len(held.keys), np.bool_)
    failed = np.zeros(len(held.keys), np.bool_)
    for look in looks:
        without[look.place[look.listed & (look.place >= 0)]] = False
        failed[look.failed] = True
    return without, failed & without


def _spared(held: State, without: Flags, left: Numbers) -> pl.Series:
    """Return the users without recommendations who are not cleared."""
    spared = without.copy()
    spared[left] = False
    return held.users[USER_ID].gather(np.flatnonzero(spared))


def refuse_to_clear(left: int, held: int, options: DeltaOptions) -> None:
    """Raise FatalError if it cannot be meant that `left` of the `held` users are cleared."""
    if options.clear_anyway or left <= options.most_cleared * held:
        return
    raise FatalError(
        f"{left} of the {held} users that the destination holds have no recommendations "
        f"now: more than the fraction {options.most_cleared:g} that may be cleared at once, so "
        "nothing is sent; look whether the output is complete, or raise maxClearedFraction, "
        "or say that it is meant (clear_anyway)"
    )


def _count(looks: list[Look], left: Numbers, counts: dict[str, int]) -> None:
    for look in looks:
        known = look.place >= 0
        counts["users"] += int(look.listed.sum())
        counts["without_recommendations"] += int(look.empty.sum())
        counts["new"] += int((look.changed & ~known).sum())
        counts["changed"] += int((look.changed & known).sum())
        counts["unchanged"] += int((look.listed & ~look.changed).sum())
    counts["cleared"] = len(left)


def _cleared(users: pl.Series, lines: pl.Series) -> pl.DataFrame:
    return pl.select(
        lines.alias(LINE),
        users.alias(USER_ID),
        pl.lit(STALE, pl.UInt64).alias(HASH),
        pl.lit(True).alias(REMOVED),
    )


def _in_order(work: Callable[[T], R], things: Iterable[T]) -> Iterator[R]:
    """Yield work's results in order, made on threads; only a few are made ahead."""
    with ThreadPoolExecutor(_WORKERS) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for thing in things:
                waiting.append(pool.submit(work, thing))
                if len(waiting) > _WORKERS:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
