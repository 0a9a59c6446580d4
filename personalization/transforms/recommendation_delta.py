"""What of a part of the recommendations differs from what a destination holds, rendered.

A hash of each user's list is compared with the held one, so what has not changed is neither taken
apart nor rendered.  Lists with an item whose metadata changed count as changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
import polars_hash as plh

from personalization.columns import HASH, IDS, REMOVED, USER_ID
from personalization.transforms.item_metadata import Items
from personalization.transforms.recommendation_lines import Fault
from personalization.transforms.recommendation_rendering import Renderer
from personalization.transforms.recommendation_sources import UserLists, UserSource
from personalization.transforms.recommendation_state import (
    STALE,
    Numbers,
    State,
    changed_items,
    keys_of,
)
from personalization.transforms.uniform_lines import SEPARATOR

_FEW_ITEMS: Final = 1000

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class DeltaOptions:
    """What is compared, and how much may disappear.

    delta               False sends everybody, changed or not
    clear_removed       take the attributes of users without recommendations away
    most_cleared        fraction of the users held (0-1) above which clearing cannot be meant
    clear_anyway        it is meant
    shard, shards       only users whose XXH3-64 modulo `shards` is `shard`
    """

    delta: bool = True
    clear_removed: bool = True
    most_cleared: float = 0.25
    clear_anyway: bool = False
    shard: int = 0
    shards: int = 1


@dataclass
class Look:
    """What is kept of a part when its text is gone.  Arrays are by row, except for `failed`.

    failed  rows, in the state, of users who might have had a list, were it not for a fault
    """

    keys: Numbers
    place: Numbers
    changed: Flags
    listed: Flags
    empty: Flags
    failed: Numbers
    faults: tuple[Fault, ...]


class Comparison:
    """Compares a part with what is held, and renders what differs.

    outdated  whether who is told nothing holds, perhaps, what would be said differently now
    """

    def __init__(
        self,
        source: UserSource[Any],
        renderer: Renderer,
        items: Items,
        held: State,
        retired: tuple[str, ...],
        options: DeltaOptions,
    ) -> None:
        self._source = source
        self._renderer = renderer
        self._held = held
        self._retired = retired
        self._options = options
        rendered_differently = held.fingerprint != renderer.fingerprint
        self._everybody = not options.delta or rendered_differently
        changed = changed_items(held.items, items.versions)
        self.outdated = rendered_differently or not changed.is_empty()
        self._items = None if self._everybody or changed.is_empty() else changed

    def __call__(self, part: Any) -> tuple[Look, pl.DataFrame]:
        lists: UserLists = self._source.read(part)
        rows = lists.rows
        keys = keys_of(rows[USER_ID])
        mine = keys % np.uint64(self._options.shards) == self._options.shard
        listed = mine & (rows[IDS] != "").to_numpy()
        place = self._held.places(rows[USER_ID], keys)
        hashes = hashes_of(rows)
        if self._everybody:
            changed = listed.copy()
        else:
            before = np.where(place < 0, STALE, self._hash_at(place))
            changed = listed & (before != hashes.to_numpy())
            if self._items is not None:
                changed |= listed & self._touched(rows[IDS], self._items)
        failed = self._held.places(lists.failed, keys_of(lists.failed))
        failed = failed[failed >= 0]
        look = Look(keys, place, changed, listed, mine & ~listed, failed, lists.faults)
        told = rows.with_columns(hashes).filter(pl.Series(changed))
        return look, told.select(
            self._renderer.lines(told, self._retired),
            USER_ID,
            HASH,
            pl.lit(False).alias(REMOVED),
        )

    def _hash_at(self, place: Numbers) -> Numbers:
        hashes = self._held.users[HASH].to_numpy()
        return hashes[place] if len(hashes) else np.zeros(len(place), np.uint64)

    @staticmethod
    def _touched(ids: pl.Series, changed: pl.Series) -> Flags:
        """Return which lists hold a changed item."""
        hit = np.zeros(len(ids), np.bool_)
        place = np.arange(len(ids))
        if len(changed) <= _FEW_ITEMS:  # most lists do not even hold such a text
            place = ids.str.contains_any(changed.to_list()).arg_true().to_numpy()
            ids = ids.gather(place)
        if len(ids):
            lists = ids.str.split(SEPARATOR)
            length = lists.list.len().cast(pl.Int64).to_numpy()
            held = lists.explode().is_in(changed.implode()).to_numpy()
            hit[place] = np.add.reduceat(held, np.cumsum(length) - length, dtype=np.int64) > 0
        return hit


def hashes_of(rows: pl.DataFrame) -> pl.Series:
    """Return XXH3-64 of each list's text (u64), never 0."""
    hashed = plh.col(IDS).nchash.xxh3_64()
    never_stale = pl.when(hashed == STALE).then(pl.lit(1, pl.UInt64)).otherwise(hashed)
    return rows.select(never_stale.alias(HASH)).to_series()
