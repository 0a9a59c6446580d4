"""The endpoint table in buckets of users: as many files, each small enough to work on in memory.

A user's bucket is XXH3-64 of the id, modulo the number of buckets, so users of an audience fall
where their endpoints are.

Unsorted, in the table's order, for one use:
    bucket=<n>/*.parquet     user_id str and the columns of `EndpointTable.scan` that were asked for
Sorted by the same hash, to be kept (sorting costs more than one use of it gains):
    <n>.users.parquet        hash u64; user_id str; end u32, where the user's endpoints end
    <n>.endpoints.parquet    one user's endpoints after another's, each in the table's order
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import polars_hash as plh

from personalization.columns import ACTIVE, CHANNEL, ENDPOINT_ID, OPTED_OUT, USER_ID
from personalization.transforms.endpoints import EndpointTable, unreadable

HASH: Final = "hash"
END: Final = "end"
_BUCKET: Final = "bucket"
_BUCKET_BYTES: Final = 12 << 20  # of CSV: some 125,000 endpoints
_MOST_BUCKETS: Final = 256
_COLUMNS: Final = (ENDPOINT_ID, CHANNEL, ACTIVE, OPTED_OUT)

Numbers = np.ndarray[Any, np.dtype[Any]]


def hashes(ids: pl.Series) -> Numbers:
    """Return XXH3-64 of each id (u64): a fixed specification, so it may be stored."""
    numbers: Numbers = ids.to_frame(USER_ID).select(_hash(USER_ID)).to_series().to_numpy()
    return numbers


def _hash(column: str) -> pl.Expr:
    hashed: pl.Expr = plh.col(column).nchash.xxh3_64()
    return hashed


def split_endpoints(
    table: EndpointTable,
    folder: Path,
    *,
    eligible: pl.Expr | None = None,
    columns: Sequence[str] = _COLUMNS,
) -> int:
    """Write the table's buckets, unsorted, to `folder`; return their number.

    With `eligible` only those endpoints, with `columns` only those: sooner done, but of use to
    nobody who asks differently.  Raises ConfigError for a table that cannot be read.
    """
    size = sum(file.stat().st_size for file in table.files)
    buckets = min(_MOST_BUCKETS, size // _BUCKET_BYTES + 1)
    rows = table.scan() if eligible is None else table.scan().filter(eligible)
    bucket = (_hash(USER_ID) % buckets).cast(pl.UInt16).alias(_BUCKET)
    try:
        rows.select(USER_ID, *columns, bucket).sink_parquet(
            pl.PartitionBy(folder, key=_BUCKET, include_key=False, approximate_bytes_per_file=None),
            compression="uncompressed",  # gone in seconds
            statistics=False,
            mkdir=True,
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(error, *table.files) from error
    return buckets


def unsorted_bucket(folder: Path, bucket: int) -> pl.LazyFrame:
    """Return the endpoints of one bucket; all columns, and no rows, if it is empty."""
    files = sorted((folder / f"{_BUCKET}={bucket}").glob("*.parquet"))
    if files:
        return pl.scan_parquet(files, glob=False)
    flags = (ACTIVE, OPTED_OUT)
    schema = {name: pl.Boolean if name in flags else pl.String for name in (USER_ID, *_COLUMNS)}
    return pl.LazyFrame(schema=schema)


def sort_buckets(folder: Path, buckets: int) -> None:
    """Replace the unsorted buckets by sorted ones."""
    for bucket in range(buckets):
        _sort(unsorted_bucket(folder, bucket).collect(), folder, bucket)
        shutil.rmtree(folder / f"{_BUCKET}={bucket}", ignore_errors=True)


def users_file(folder: Path, bucket: int) -> Path:
    """Return where a sorted bucket's users are."""
    return folder / f"{bucket}.users.parquet"


def endpoints_file(folder: Path, bucket: int) -> Path:
    """Return where a sorted bucket's endpoints are."""
    return folder / f"{bucket}.endpoints.parquet"


def _sort(there: pl.DataFrame, folder: Path, bucket: int) -> None:
    there = there.with_columns(_hash(USER_ID).alias(HASH)).sort(HASH, maintain_order=True)
    key, user = there[HASH], there[USER_ID]
    again = (key == key.shift()).arg_true()
    if (user.gather(again) != user.gather(again - 1)).any():  # two users, one hash
        there = there.sort(HASH, USER_ID, maintain_order=True)
        key = user = there[USER_ID]
    last = key.ne_missing(key.shift(-1)).arg_true()
    users = there.select(HASH, USER_ID)[last].with_columns((last + 1).cast(pl.UInt32).alias(END))
    _write(users, users_file(folder, bucket))
    _write(there.drop(HASH, USER_ID), endpoints_file(folder, bucket))


def _write(rows: pl.DataFrame, file: Path) -> None:
    rows.write_parquet(file, compression="lz4", statistics=False)
