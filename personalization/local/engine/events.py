"""Interactions as numbers: who, what, when, in one order whatever the order of rows was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from personalization.columns import ITEM_ID, TIMESTAMP, USER_ID
from personalization.local.engine.base import TrainingData

Floats = NDArray[np.float32]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

# Of a user, the newest: what models learn from.  Fewer than 3 % of users have more.
TRAINED_EVENTS = 500
# A share of repeated events under which users do not come back to items (films, not groceries).
REPEATS_FROM = 0.01


@dataclass(frozen=True)
class Events:
    """Interactions sorted by user and time; users and items are positions in sorted ids.

    user, item  i32, one a event
    time        i64, Unix seconds, rising within a user; ties in a seeded random order of items,
                because the order of ids often says something (a page of films) that is not taste
    """

    n_users: int
    n_items: int
    user: Ints
    item: Ints
    time: Ints

    def __post_init__(self) -> None:
        for column in (self.user, self.item, self.time):
            column.setflags(write=False)

    def __len__(self) -> int:
        return len(self.user)

    @cached_property
    def starts(self) -> Ints:
        """Where each user's events begin, and at last where all end: n_users + 1 positions."""
        starts = np.searchsorted(self.user, np.arange(self.n_users + 1))
        starts.setflags(write=False)
        return starts

    @cached_property
    def per_user(self) -> Ints:
        """Number of events of each user."""
        return np.diff(self.starts)

    @cached_property
    def per_item(self) -> Ints:
        """Number of events of each item."""
        return np.bincount(self.item, minlength=self.n_items)

    @cached_property
    def age_rank(self) -> Ints:
        """1 for a user's newest event, 2 for the one before, …"""
        return self.starts[1:][self.user] - np.arange(len(self))

    def where(self, mask: Bools) -> Events:
        """Return the events under `mask`, among the same users and items."""
        return Events(self.n_users, self.n_items, self.user[mask], self.item[mask], self.time[mask])

    def newest(self, limit: int) -> Events:
        """Return at most `limit` events a user, the newest."""
        return self if len(self) == 0 else self.where(self.age_rank <= limit)

    def in_newest_share(self, share: float, at_least: int) -> Bools:
        """Return a mask of each user's newest events: `share` of them, rounded down."""
        n_newest = np.maximum(np.floor(self.per_user * share + 1e-9), at_least)
        return np.asarray(self.age_rank <= n_newest[self.user])

    def of(self, users: Ints) -> Events:
        """Return the events of `users`, who become 0, 1, …; a negative one has no events."""
        known = users >= 0
        starts = np.where(known, self.starts[:-1][users], 0)
        counts = np.where(known, self.per_user[users], 0)
        total = int(counts.sum())
        before = np.repeat(np.cumsum(counts) - counts, counts)
        at = np.repeat(starts, counts) + np.arange(total) - before
        rows = np.repeat(np.arange(len(users), dtype=np.int32), counts)
        return Events(len(users), self.n_items, rows, self.item[at], self.time[at])

    def matrix(self, weights: Floats | None = None) -> sparse.csr_array:
        """Return users × items, f32: the sum of `weights`, or 1 where there is any event."""
        data = np.ones(len(self), np.float32) if weights is None else weights
        # sum_duplicates works in place, hence on copies.
        matrix = sparse.csr_array(
            (data, self.item, self.starts), shape=(self.n_users, self.n_items), copy=True
        )
        matrix.sum_duplicates()
        if weights is None:
            matrix.data[:] = 1
        return matrix

    @cached_property
    def is_repeat(self) -> Bools:
        """True for an event on an item that the user had met before."""
        by_pair = np.lexsort((self.item, self.user))  # stable: time stays in order
        user, item = self.user[by_pair], self.item[by_pair]
        again = np.zeros(len(self), bool)
        again[by_pair[1:]] = (user[1:] == user[:-1]) & (item[1:] == item[:-1])
        return again

    @cached_property
    def has_repeats(self) -> bool:
        """Whether users come back to items, judged by the newest tenth of their events."""
        newest = self.in_newest_share(0.1, at_least=1)
        return bool(newest.any()) and float(self.is_repeat[newest].mean()) >= REPEATS_FROM


@dataclass(frozen=True)
class Ids:
    """Sorted ids and their positions."""

    values: pl.Series

    @cached_property
    def _categories(self) -> pl.Enum:
        return pl.Enum(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def positions(self, ids: Sequence[str] | pl.Series) -> Ints:
        """Return the position of each of `ids`, i32; -1 where it is unknown."""
        found = pl.Series(ids, dtype=pl.String).cast(self._categories, strict=False)
        return found.to_physical().cast(pl.Int32).fill_null(-1).to_numpy()

    def at(self, positions: Ints) -> pl.Series:
        """Return the ids at `positions`."""
        return self.values.gather(pl.Series(positions, dtype=pl.UInt32))


@dataclass(frozen=True)
class Encoded:
    """Training data as numbers, and the ids behind them.

    The items are those of the interactions and of the item dataset together.
    """

    users: Ids
    items: Ids
    events: Events


def encode(data: TrainingData, seed: int) -> Encoded:
    """Return `data` as numbers; `seed` orders events of one user in one second."""
    interactions = data.interactions
    known = [interactions[ITEM_ID]] + ([data.items[ITEM_ID]] if data.items is not None else [])
    users = Ids(interactions[USER_ID].unique().sort())
    items = Ids(pl.concat(known).unique().sort())
    user = users.positions(interactions[USER_ID])
    item = items.positions(interactions[ITEM_ID])
    time = interactions[TIMESTAMP].cast(pl.Int64).to_numpy()
    shuffled = np.random.default_rng(seed).permutation(len(items)).astype(np.int32)
    order = np.lexsort((shuffled[item], time, user))
    return Encoded(
        users, items, Events(len(users), len(items), user[order], item[order], time[order])
    )
