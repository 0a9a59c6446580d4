"""Interactions as a whole: enough of them, of enough users, and of items that exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from personalization.columns import AWS_EVENT_TYPE, AWS_ITEM_ID, AWS_TIMESTAMP, AWS_USER_ID
from personalization.datasets.faults import (
    EXAMPLES,
    TOO_EARLY,
    UNKNOWN_ITEM,
    UNKNOWN_USER,
    Faults,
    Kind,
)
from personalization.datasets.identities import CREATED, HASH
from personalization.datasets.repeats import Repeats
from personalization.datasets.values import LINE, number

_SECONDS: Final = number(AWS_TIMESTAMP)
# Partial counts are merged when they have so many rows together.
_MERGE_ROWS: Final = 5_000_000
_MOST_EVENT_TYPES: Final = 1_000


@dataclass(frozen=True)
class InteractionCounts:
    """What the usable interactions are made of.

    users_with_two  users with two interactions or more
    first_s, last_s Unix seconds; None without interactions
    event_types     how many interactions of each; empty without EVENT_TYPE
    repeated        interactions that say the same as an earlier one: user, item, second and type
    """

    users: int
    users_with_two: int
    items: int
    first_s: int | None
    last_s: int | None
    event_types: Mapping[str, int]
    repeated: int


@dataclass
class Interactions:
    """Takes in blocks of interactions and compares them with the known items and users.

    items, users  as `Known.ids` gives them; None if there is nothing to compare with
    """

    items: pl.DataFrame | None
    users: pl.DataFrame | None
    faults: Faults
    repeats: Repeats
    _by_user: list[pl.DataFrame] = field(default_factory=list)
    _by_item: list[pl.DataFrame] = field(default_factory=list)
    _types: Counter[str] = field(default_factory=Counter)
    _first_s: int | None = None
    _last_s: int | None = None

    def add(self, rows: pl.DataFrame, source: str) -> None:
        """Take in good rows of a file."""
        if rows.is_empty():
            return
        hashed = rows.select(
            pl.col(AWS_USER_ID).hash().alias("user"),
            pl.col(AWS_ITEM_ID).hash().alias("item"),
            pl.col(_SECONDS).alias("seconds"),
        )
        self._count(hashed, rows)
        by_user = hashed.group_by("user").len().rename({"user": HASH})
        by_item = hashed.group_by("item").agg(pl.len(), pl.col("seconds").min())
        by_item = by_item.rename({"item": HASH})
        self._by_user = _merged([*self._by_user, by_user])
        self._by_item = _merged([*self._by_item, by_item.select(HASH, "len")])
        if self.users is not None:
            lost = _not_in(by_user, self.users)
            self._unknown(UNKNOWN_USER, AWS_USER_ID, rows, hashed["user"], lost, source)
        if self.items is not None:
            lost = _not_in(by_item, self.items)
            self._unknown(UNKNOWN_ITEM, AWS_ITEM_ID, rows, hashed["item"], lost, source)
            self._early(rows, hashed, by_item, source)

    def counts(self) -> InteractionCounts:
        """Return what was taken in."""
        per_user = _total(self._by_user)["len"]
        return InteractionCounts(
            users=len(per_user),
            users_with_two=int((per_user >= 2).sum()),
            items=_total(self._by_item).height,
            first_s=self._first_s,
            last_s=self._last_s,
            event_types=dict(self._types.most_common()),
            repeated=self.repeats.count(),
        )

    def _count(self, hashed: pl.DataFrame, rows: pl.DataFrame) -> None:
        first, last = hashed.select(
            pl.col("seconds").min().alias("first"), pl.col("seconds").max().alias("last")
        ).row(0)
        self._first_s = first if self._first_s is None else min(first, self._first_s)
        self._last_s = last if self._last_s is None else max(last, self._last_s)
        if AWS_EVENT_TYPE in rows.columns:
            types = rows[AWS_EVENT_TYPE].drop_nulls().value_counts()
            for name, count in types.iter_rows():
                if name in self._types or len(self._types) < _MOST_EVENT_TYPES:
                    self._types[name] += count
            hashed = hashed.with_columns(rows[AWS_EVENT_TYPE])
        whole = hashed.select(pl.struct(pl.all()).hash().alias(HASH))
        self.repeats.add(whole[HASH].to_numpy())

    def _unknown(
        self,
        kind: Kind,
        column: str,
        rows: pl.DataFrame,
        hashes: pl.Series,
        lost: pl.DataFrame,
        source: str,
    ) -> None:
        if lost.is_empty():
            return
        theirs = rows.filter(hashes.is_in(lost[HASH].implode()))
        shown = theirs.select(LINE, column).head(EXAMPLES).rows()
        where = f"interactions.{column}"
        self.faults.rows(kind, where, source, shown, int(lost["len"].sum()))

    def _early(
        self, rows: pl.DataFrame, hashed: pl.DataFrame, by_item: pl.DataFrame, source: str
    ) -> None:
        assert self.items is not None
        suspects = by_item.join(self.items, on=HASH).filter(pl.col("seconds") < pl.col(CREATED))
        if suspects.is_empty():
            return
        early = (
            hashed.with_columns(rows[LINE], rows[AWS_TIMESTAMP])
            .join(suspects.select(HASH, CREATED), left_on="item", right_on=HASH)
            .filter(pl.col("seconds") < pl.col(CREATED))
            .sort(LINE)
        )
        shown = early.select(LINE, AWS_TIMESTAMP).head(EXAMPLES).rows()
        where = f"interactions.{AWS_TIMESTAMP}"
        self.faults.rows(TOO_EARLY, where, source, shown, early.height)


def _not_in(counted: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Return what of `counted` is not among the known hashes, which are ascending."""
    mine, theirs = counted[HASH].to_numpy(), known[HASH].to_numpy()
    if not len(theirs):
        return counted
    place = np.minimum(np.searchsorted(theirs, mine), len(theirs) - 1)
    return counted.filter(pl.Series(theirs[place] != mine))


def _merged(parts: list[pl.DataFrame]) -> list[pl.DataFrame]:
    rows = sum(part.height for part in parts)
    return [_total(parts)] if rows > _MERGE_ROWS and len(parts) > 1 else parts


def _total(parts: list[pl.DataFrame]) -> pl.DataFrame:
    if not parts:
        return pl.DataFrame(schema={HASH: pl.UInt64, "len": pl.UInt32})
    return pl.concat(parts).group_by(HASH).agg(pl.col("len").sum())
