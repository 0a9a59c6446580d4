"""The endpoint table in buckets of users, so that joining it takes seconds and bounded memory.

A user's bucket is XXH3-64 of the id, modulo the number of buckets: users of an audience fall where
their endpoints are, and bucket after bucket is joined in memory.  In a bucket users are sorted by
the same hash, so the only candidate is quickly found; the ids themselves decide.

    <bucket>.users.parquet      hash u64 (sorted); user_id str; end u32, where their endpoints end
    <bucket>.endpoints.parquet  one user's endpoints after another's, each in the table's order
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import polars_hash as plh

from personalization.columns import CHANNEL, ENDPOINT_ID, USER_ID
from personalization.transforms.endpoints import ACTIVE, OPTED_OUT, EndpointTable, unreadable

ROW: Final = "row"
_HASH: Final = "hash"
_END: Final = "end"
_BUCKET: Final = "bucket"
_ELIGIBLE: Final = "eligible"
_BUCKET_BYTES: Final = 24 << 20  # of CSV: some 250,000 endpoints
_MOST_BUCKETS: Final = 256
_MOST_THREADS: Final = 4  # each holds a bucket: some 50 MB
_ENDPOINT_COLUMNS: Final = (ENDPOINT_ID, CHANNEL, ACTIVE, OPTED_OUT)

Numbers = np.ndarray[Any, np.dtype[Any]]


def hashes(ids: pl.Series) -> Numbers:
    """Return XXH3-64 of each id (u64): a fixed specification, so it may be stored."""
    numbers: Numbers = ids.to_frame(USER_ID).select(_hash(USER_ID)).to_series().to_numpy()
    return numbers


def _hash(column: str) -> pl.Expr:
    hashed: pl.Expr = plh.col(column).nchash.xxh3_64()
    return hashed


@dataclass(frozen=True)
class EndpointIndex:
    """What `build_index` wrote to `folder`, and which of its endpoints count."""

    folder: Path
    buckets: int
    eligible: pl.Expr

    def channels(self) -> tuple[str, ...]:
        """Return the channels of all eligible endpoints, sorted."""
        found: set[str] = set()
        for bucket in range(self.buckets):
            there = self._endpoints(bucket, [CHANNEL]).filter(_ELIGIBLE)
            found.update(there[CHANNEL].drop_nulls().unique())
        return tuple(sorted(found))

    def match(self, users: pl.Series, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Yield, bucket by bucket, `row` (the place in `users`, which are distinct) and `columns`.

        One row an eligible endpoint, or with no columns one a user who has any; within a bucket
        sorted by row, a user's endpoints in the table's order.
        """
        hashed = hashes(users)
        bucket = (hashed % np.uint64(self.buckets)).astype(np.uint16)
        order = np.argsort(bucket, kind="stable").astype(np.uint32)  # 16 bits: a radix sort
        edges = np.cumsum(np.bincount(bucket, minlength=self.buckets))
        by_bucket = np.split(order, edges[:-1])
        # polars and numpy leave Python's lock, so threads share the cores.
        with ThreadPoolExecutor(min(_MOST_THREADS, pl.thread_pool_size())) as pool:
            yield from pool.map(
                lambda number, rows: self._match(
                    number, rows, users.gather(rows), hashed[rows], columns
                ),
                range(self.buckets),
                by_bucket,
            )

    def _match(
        self, bucket: int, rows: Numbers, users: pl.Series, hashed: Numbers, columns: Sequence[str]
    ) -> pl.DataFrame:
        there = pl.read_parquet(_users_file(self.folder, bucket))
        endpoints = self._endpoints(bucket, columns)
        eligible = endpoints[_ELIGIBLE].to_numpy()
        found, place = _find(users, hashed, there)
        ends = there[_END].to_numpy().astype(np.int64)
        starts = np.append(0, ends)[place]
        ends = ends[place]
        if not columns:
            before = np.append(0, np.cumsum(eligible))
            return pl.DataFrame({ROW: rows[found][before[ends] > before[starts]]})
        counts = ends - starts
        shift = np.repeat(starts - (np.cumsum(counts) - counts), counts)
        index = np.arange(shift.size) + shift
        keep = eligible[index]
        chosen = {name: endpoints[name].gather(index[keep]) for name in columns}
        return pl.DataFrame({ROW: np.repeat(rows[found], counts)[keep], **chosen})

    def _endpoints(self, bucket: int, columns: Sequence[str]) -> pl.DataFrame:
        scan = pl.scan_parquet(_endpoints_file(self.folder, bucket), glob=False)
        return (
            scan.with_columns(self.eligible.alias(_ELIGIBLE)).select(_ELIGIBLE, *columns).collect()
        )


def _find(here: pl.Series, hashed: Numbers, there: pl.DataFrame) -> tuple[Numbers, Numbers]:
    """Return which of `here` are among the users `there`, and each one's place there."""
    known = there[_HASH].to_numpy()
    if not known.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if (known[1:] == known[:-1]).any():  # two users, one hash: some 3 in a million tables of 10 M
        both = (
            here.to_frame(USER_ID)
            .with_row_index("found")
            .join(there.with_row_index("place"), on=USER_ID, maintain_order="left")
        )
        return both["found"].to_numpy(), both["place"].to_numpy()
    place = np.minimum(_first_not_below(known, hashed), known.size - 1)
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


def build_index(
    table: EndpointTable,
    folder: Path,
    *,
    eligible: pl.Expr | None = None,
    columns: Sequence[str] = _ENDPOINT_COLUMNS,
) -> int:
    """Write the table's buckets to `folder`; return their number.

    With `eligible` only those endpoints, with `columns` only those: sooner done, but of use to
    nobody who asks differently.  Raises ConfigError for a table that cannot be read.
    """
    size = sum(file.stat().st_size for file in table.files)
    buckets = min(_MOST_BUCKETS, size // _BUCKET_BYTES + 1)
    rows = table.scan() if eligible is None else table.scan().filter(eligible)
    unsorted = folder / "unsorted"
    try:
        rows.select(
            USER_ID, *columns, (_hash(USER_ID) % buckets).cast(pl.UInt16).alias(_BUCKET)
        ).sink_parquet(
            pl.PartitionBy(
                unsorted, key=_BUCKET, include_key=False, approximate_bytes_per_file=None
            ),
            compression="lz4",
            statistics=False,
            mkdir=True,
        )
    except pl.exceptions.PolarsError as error:
        raise unreadable(error) from error
    schema = {name: pl.Boolean if name in (ACTIVE, OPTED_OUT) else pl.String for name in columns}
    for bucket in range(buckets):
        files = sorted((unsorted / f"{_BUCKET}={bucket}").glob("*.parquet"))
        there = pl.DataFrame(schema={USER_ID: pl.String, **schema})
        if files:
            there = pl.read_parquet(files, glob=False)
        _write_bucket(there, folder, bucket)
    shutil.rmtree(unsorted, ignore_errors=True)
    return buckets


def _write_bucket(there: pl.DataFrame, folder: Path, bucket: int) -> None:
    there = there.with_columns(_hash(USER_ID).alias(_HASH)).sort(_HASH, maintain_order=True)
    new_hash, new_user = (
        pl.col(name).ne_missing(pl.col(name).shift()) for name in (_HASH, USER_ID)
    )
    if there.select((new_user & ~new_hash).any()).item():  # two users, one hash: keep them apart
        there = there.sort(_HASH, USER_ID, maintain_order=True)
    last = pl.col(USER_ID).ne_missing(pl.col(USER_ID).shift(-1))
    users = there.select(
        _HASH, USER_ID, pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(_END), last=last
    )
    users.filter("last").drop("last").write_parquet(
        _users_file(folder, bucket), compression="lz4", statistics=False
    )
    there.drop(_HASH, USER_ID).write_parquet(
        _endpoints_file(folder, bucket), compression="lz4", statistics=False
    )


def _users_file(folder: Path, bucket: int) -> Path:
    return folder / f"{bucket}.users.parquet"


def _endpoints_file(folder: Path, bucket: int) -> Path:
    return folder / f"{bucket}.endpoints.parquet"
