"""All endpoints of many users at once: a join, bucket by bucket, on threads.

A bucket that was sorted needs no join.  The first bits of a user's hash tell, to within a step or
two, where the only candidate is; the ids themselves decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from personalization.columns import CHANNEL, USER_ID
from personalization.transforms.endpoint_buckets import (
    END,
    HASH,
    Numbers,
    endpoints_file,
    hashes,
    unsorted_bucket,
    users_file,
)

ROW: Final = "row"
_ELIGIBLE: Final = "eligible"
_MOST_THREADS: Final = 4  # each holds a bucket: some 25 MB


@dataclass(frozen=True)
class EndpointIndex:
    """The buckets in `folder`, sorted or not, and which of their endpoints count."""

    folder: Path
    buckets: int
    eligible: pl.Expr
    is_sorted: bool

    def channels(self) -> tuple[str, ...]:
        """Return the channels of all eligible endpoints, sorted."""
        found: set[str] = set()
        for bucket in range(self.buckets):
            there = self._endpoints(bucket).filter(self.eligible).select(CHANNEL).unique()
            found.update(there.drop_nulls().collect()[CHANNEL])
        return tuple(sorted(found))

    def match(self, users: pl.Series, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield, bucket by bucket, `row` (u32, the place in `users`) and `columns`.

        One row an eligible endpoint, or with no columns one a user who has any; within a bucket
        sorted by row, a user's endpoints in the table's order.
        """
        smallest = np.min_scalar_type(self.buckets - 1)  # of 8 or 16 bits: a radix sort
        bucket = (hashes(users) % np.uint64(self.buckets)).astype(smallest)
        order = np.argsort(bucket, kind="stable").astype(np.uint32)
        edges = np.cumsum(np.bincount(bucket, minlength=self.buckets))

        def match(number: int, rows: Numbers) -> pl.DataFrame:
            here = users.gather(rows)
            if self.is_sorted:
                return self._look_up(number, rows, here, columns)
            return self._join(number, rows, here, columns)

        # polars and numpy leave Python's lock, so threads share the cores.
        with ThreadPoolExecutor(min(_MOST_THREADS, pl.thread_pool_size())) as pool:
            yield from pool.map(match, range(self.buckets), np.split(order, edges[:-1]))

    def _endpoints(self, bucket: int) -> pl.LazyFrame:
        if self.is_sorted:
            return pl.scan_parquet(endpoints_file(self.folder, bucket), glob=False)
        return unsorted_bucket(self.folder, bucket)

    def _join(
        self, bucket: int, rows: Numbers, here: pl.Series, columns: Sequence[str]
    ) -> pl.DataFrame:
        there = self._endpoints(bucket).filter(self.eligible).select(USER_ID, *columns).collect()
        asked = pl.DataFrame({ROW: rows, USER_ID: here})
        if not columns:
            return asked.join(there, on=USER_ID, how="semi").select(ROW)
        return asked.join(there, on=USER_ID, maintain_order="left_right").drop(USER_ID)

    def _look_up(
        self, bucket: int, rows: Numbers, here: pl.Series, columns: Sequence[str]
    ) -> pl.DataFrame:
        there = pl.read_parquet(users_file(self.folder, bucket))
        endpoints = self._endpoints(bucket).with_columns(self.eligible.alias(_ELIGIBLE))
        told = endpoints.select(_ELIGIBLE, *columns).collect()
        eligible = told[_ELIGIBLE].to_numpy()
        found, place = _find(here, there)
        ends = there[END].to_numpy().astype(np.int64)
        starts = np.append(0, ends[:-1])
        if not columns:
            reachable = np.logical_or.reduceat(eligible, starts) if eligible.size else eligible
            return pl.DataFrame({ROW: rows[found[reachable[place]]]})
        counts = (ends - starts)[place]
        shift = np.repeat(starts[place] - (np.cumsum(counts) - counts), counts)
        index = np.arange(shift.size) + shift
        keep = eligible[index]
        chosen = {name: told[name].gather(index[keep]) for name in columns}
        return pl.DataFrame({ROW: np.repeat(rows[found], counts)[keep], **chosen})


def _find(here: pl.Series, there: pl.DataFrame) -> tuple[Numbers, Numbers]:
    """Return which of `here` are among the users `there`, and each one's place there."""
    known = there[HASH].to_numpy()
    if not known.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if (known[1:] == known[:-1]).any():  # two users, one hash: some 3 in a million tables of 10 M
        both = (
            here.to_frame(USER_ID)
            .with_row_index("found")
            .join(there.with_row_index("place"), on=USER_ID, maintain_order="left")
        )
        return both["found"].to_numpy(), both["place"].to_numpy()
    place = np.minimum(_first_not_below(known, hashes(here)), known.size - 1)
    found = np.flatnonzero((there[USER_ID].gather(place) == here).to_numpy())
    return found, place[found]


def _first_not_below(known: Numbers, hashed: Numbers) -> Numbers:
    """Return what `np.searchsorted(known, hashed)` does, in half the time for hashes.

    They are spread evenly, so their first bits tell the place to within a step or two.
    """
    shift = np.uint64(64 - known.size.bit_length())
    slots = np.bincount((known >> shift).astype(np.int64), minlength=1 << known.size.bit_length())
    place = (np.cumsum(slots) - slots)[(hashed >> shift).astype(np.int64)]
    walled = np.append(known, np.uint64(2**64 - 1))
    behind = np.flatnonzero(walled[place] < hashed)
    while behind.size:
        place[behind] += 1
        behind = behind[walled[place[behind]] < hashed[behind]]
    return place
