"""The endpoint table in buckets of users, so that joining it takes seconds and bounded memory.

A user's bucket is XXH3-64 of the id, modulo the number of buckets.  Users of an audience fall into
the same buckets as their endpoints, so bucket after bucket is joined in memory, on the id itself:
exact whatever the hash does.  A bucket of an endpoint keeps the table's order.

Kept in a folder, the buckets are built again only when the table's content changes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import polars as pl
import polars_hash as plh

from personalization.columns import CHANNEL, ENDPOINT_ID, USER_ID
from personalization.transforms.endpoints import ACTIVE, OPTED_OUT, EndpointTable, unreadable

log = logging.getLogger(__name__)

ROW: Final = "row"
_BUCKET: Final = "bucket"
_LAYOUT: Final = "v1"  # part of the folder's name: another layout never reads this one
_BUCKET_BYTES: Final = 24 << 20
_MOST_BUCKETS: Final = 256
_SCHEMA: Final = {
    USER_ID: pl.String,
    ENDPOINT_ID: pl.String,
    CHANNEL: pl.String,
    ACTIVE: pl.Boolean,
    OPTED_OUT: pl.Boolean,
}


def hashes(ids: pl.Series) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Return XXH3-64 of each id: a fixed specification, so it may be stored and shared."""
    hashed = pl.DataFrame({USER_ID: ids}).select(plh.col(USER_ID).nchash.xxh3_64())
    return cast(Any, hashed[USER_ID].to_numpy())


@dataclass(frozen=True)
class EndpointIndex:
    """Buckets of endpoints in `folder/bucket=<n>/*.parquet`, and which of them count."""

    folder: Path
    buckets: int
    eligible: pl.Expr

    def read(self, bucket: int, columns: list[str]) -> pl.DataFrame:
        """Return the eligible endpoints of one bucket."""
        files = sorted((self.folder / f"{_BUCKET}={bucket}").glob("*.parquet"))
        rows = pl.scan_parquet(files, glob=False) if files else pl.LazyFrame(schema=_SCHEMA)
        return rows.filter(self.eligible).select(columns).collect()

    def channels(self) -> tuple[str, ...]:
        """Return the channels of all eligible endpoints, sorted."""
        found = {
            channel
            for bucket in range(self.buckets)
            for channel in self.read(bucket, [CHANNEL])[CHANNEL].unique()
            if channel
        }
        return tuple(sorted(found))

    def match(self, users: pl.Series, columns: list[str]) -> Iterator[pl.DataFrame]:
        """Yield, bucket by bucket, `row` (u32, the place in `users`) and `columns`.

        One row an eligible endpoint, or with no columns one a user who has any; within a bucket
        sorted by row, a user's endpoints in the table's order.
        """
        bucket = (hashes(users) % np.uint64(self.buckets)).astype(np.uint16)
        order = np.argsort(bucket, kind="stable").astype(np.uint32)  # radix: 16-bit keys
        edges = np.cumsum(np.bincount(bucket, minlength=self.buckets))
        for number, rows in enumerate(np.split(order, edges[:-1])):
            if rows.size:
                here = pl.DataFrame({ROW: rows, USER_ID: users.gather(rows)})
                there = self.read(number, [USER_ID, *columns])
                if columns:
                    joined = here.join(there, on=USER_ID, maintain_order="left_right")
                else:
                    joined = here.join(there, on=USER_ID, how="semi")
                yield joined.drop(USER_ID)


def build_index(
    table: EndpointTable,
    folder: Path,
    *,
    eligible: pl.Expr | None = None,
    columns: Sequence[str] = tuple(_SCHEMA),
) -> int:
    """Write the table's buckets under `folder`; return their number.

    With `eligible` only those endpoints, with `columns` only those besides the user's id: sooner
    done, but of use to nobody who asks differently.
    """
    size = sum(file.stat().st_size for file in table.files)
    buckets = min(_MOST_BUCKETS, size // _BUCKET_BYTES + 1)
    rows = table.scan() if eligible is None else table.scan().filter(eligible)
    rows = rows.select(list(dict.fromkeys((USER_ID, *columns))))
    bucket = plh.col(USER_ID).nchash.xxh3_64() % buckets
    try:
        rows.with_columns(bucket.cast(pl.UInt16).alias(_BUCKET)).sink_parquet(
            pl.PartitionBy(folder, key=_BUCKET, include_key=False, approximate_bytes_per_file=None),
            compression="lz4",
            statistics=False,
            mkdir=True,
        )
    except pl.exceptions.PolarsError as error:
        raise unreadable(error) from error
    return buckets


def kept_index(table: EndpointTable, home: Path) -> tuple[Path, int]:
    """Return the folder and number of buckets of the table's index under `home`.

    It is built if there is none for this content.  Safe to repeat and to run twice at once: it is
    renamed into place when complete.  Indexes of other contents, but the latest, are removed.
    """
    home.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(table, home / "seen.json")
    for folder in home.glob(f"{_LAYOUT}-{fingerprint}-*"):
        return folder, int(folder.name.rpartition("-")[2])

    building = Path(tempfile.mkdtemp(prefix=".building-", dir=home))
    try:
        buckets = build_index(table, building)
        folder = home / f"{_LAYOUT}-{fingerprint}-{buckets}"
        earlier = sorted(home.glob(f"{_LAYOUT}-*"), key=lambda path: path.stat().st_mtime)
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster: same content, same index
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    # A run that reads the one before may still be under way.
    for old in earlier[:-1]:
        shutil.rmtree(old, ignore_errors=True)
    log.info("built the endpoint index %s with %d buckets", folder, buckets)
    return folder, buckets


def _fingerprint(table: EndpointTable, memo: Path) -> str:
    """Return 20 hex digits of SHA-256 over the files' contents, in order.

    Files whose path, size and time of change are those of the last look are not read again,
    unless they changed so shortly before it that a later change could bear the same time.
    """
    now = [[str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns] for f in table.files]
    try:
        seen = json.loads(memo.read_text())
        settled = memo.stat().st_mtime_ns - max(changed for _, _, changed in now) > 2_000_000_000
        if settled and seen["files"] == now:
            return str(seen["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no memo, or not one of ours: the files themselves decide
    digest = hashlib.sha256()
    for file in table.files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    fingerprint = digest.hexdigest()[:20]
    fresh = memo.with_name(f".{memo.name}.{os.getpid()}")
    fresh.write_text(json.dumps({"files": now, "fingerprint": fingerprint}))
    fresh.replace(memo)
    return fingerprint
