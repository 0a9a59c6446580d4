"""Recommendations for the items that users are mapped to, merged to one list a user.

The mapping may have many times more rows than memory has room for, so it is split into buckets of
users on disk first; the items' lists, as many as the catalogue has items, stay in memory.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import polars as pl
import polars_hash as plh

from personalization.columns import AWS_ITEM_ID, AWS_TIMESTAMP, AWS_USER_ID, IDS, RANK, USER_ID
from personalization.errors import ConfigError, Finding, shortened
from personalization.transforms.recommendation_lines import Fault, ListReader, capped, pieces
from personalization.transforms.recommendation_sources import UserLists
from personalization.transforms.uniform_lines import OWNER, SEPARATOR

MergePolicy = Literal["latest", "interleave"]

_BUCKET: Final = "bucket"
_BUCKET_BYTES: Final = 12 << 20  # of CSV: some 500,000 rows
_MOST_BUCKETS: Final = 256
_MOST_ITEMS: Final = 500  # of a merged list
_PLACE: Final = "place"
_ORDER: Final = "order"
_TIME: Final = "time"


@dataclass(frozen=True)
class RelatedToUsers:
    """Users and the merged lists of their items.  Part n is bucket n.

    merge  latest      the list of the item that the user was mapped to last, of those that have one
           interleave  the first of each item's list, latest item first, then the second of each …;
                       an item that came before is left out, and so is what follows the 500th:
                       no longer is a list that GetRecommendations gives, or an array of Braze's

    A user without a list, one of whose items has an error in place of it, has `failed`.  Others
    have what there is: items that never get an answer must not keep them from it.

    Source: Personalize API reference, GetRecommendations, `numResults`; Braze user guide, "Custom
    attribute data types".
    """

    folder: Path
    buckets: int
    lists: pl.DataFrame
    merge: MergePolicy
    cap: int | None
    faults: tuple[Fault, ...]
    counts: dict[str, int]

    @property
    def parts(self) -> Sequence[int]:
        return range(self.buckets)

    def read(self, part: int) -> UserLists:
        rows, failed = self._rows(part)
        return UserLists(rows, self.faults if part == 0 else (), failed)

    def close(self) -> None:
        """Remove the buckets."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _rows(self, bucket: int) -> tuple[pl.DataFrame, pl.Series]:
        files = sorted((self.folder / f"{_BUCKET}={bucket}").glob("*.parquet"))
        if not files:
            nobody = pl.DataFrame(schema={USER_ID: pl.String, IDS: pl.String})
            return nobody, nobody[USER_ID]
        # Latest first; without times, and among equal ones, the later row of the mapping is later.
        rows = pl.read_parquet(files, glob=False).sort(
            pl.col(_TIME).fill_null(0), _ORDER, descending=True
        )
        rows = rows.unique([USER_ID, _PLACE], keep="first", maintain_order=True)
        with_list = rows.filter(pl.col(_PLACE) < len(self.lists))
        if self.merge == "latest":
            merged = with_list.unique(USER_ID, keep="first", maintain_order=True)
            merged = merged.select(USER_ID, self.lists[IDS].gather(merged[_PLACE]).alias(IDS))
        else:
            merged = self._interleaved(with_list)
        without = rows.join(merged, on=USER_ID, how="anti")
        failed = without.filter(pl.col(_PLACE) == len(self.lists)).select(USER_ID)
        without = without.select(USER_ID).unique().join(failed, on=USER_ID, how="anti")
        both = pl.concat([merged, without.with_columns(pl.lit("").alias(IDS))])
        both = both.sort(USER_ID)  # the same rows in the same order when read again
        both = both if self.cap is None else capped(both, self.cap)
        return both, failed[USER_ID]

    def _interleaved(self, rows: pl.DataFrame) -> pl.DataFrame:
        rows = rows.select(USER_ID, self.lists[IDS].gather(rows[_PLACE]).alias(IDS))
        several = pl.col(USER_ID).is_duplicated()
        single, shared = rows.filter(~several), rows.filter(several)
        merged = (
            shared.with_row_index(_ORDER)
            .with_columns(pl.col(IDS).str.split(SEPARATOR))
            .with_columns(pl.int_ranges(pl.col(IDS).list.len()).alias(RANK))
            .explode(IDS, RANK)
            .sort(RANK, _ORDER)
            .unique([USER_ID, IDS], keep="first", maintain_order=True)
            .group_by(USER_ID, maintain_order=True)
            .agg(pl.col(IDS).str.join(SEPARATOR))
        )
        return pl.concat([single, merged])


def open_related(
    outputs: list[Path],
    mapping: Sequence[Path],
    *,
    scratch: Path,
    merge: MergePolicy = "latest",
    cap: int | None = None,
) -> RelatedToUsers:
    """Read the items' lists and split the mapping.

    mapping  CSV, quoted with `"`, with USER_ID and ITEM_ID, and perhaps TIMESTAMP (Unix seconds):
             which item came last is told by that, else by the order of files (by name) and rows
    counts   mapped_rows; items (with a line), items_without_users, mapped_items_without_list
             (distinct)

    Raises ConfigError if a file of the mapping lacks a column or cannot be read.  Call `close` when
    done: the buckets lie in a new folder of `scratch`.
    """
    has_time = _columns(mapping)
    lists, faults = _lists(outputs)
    size = sum(file.stat().st_size for file in mapping)
    buckets = min(_MOST_BUCKETS, size // _BUCKET_BYTES + 1)
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="related-", dir=scratch))
    scans = [_scan(file, has_time=timed) for file, timed in has_time.items()]
    places = lists.with_row_index(_PLACE).select(
        pl.col(OWNER).alias(AWS_ITEM_ID),
        pl.when(pl.col(IDS) != "").then(_PLACE).alias(_PLACE),
    )
    # Where their lists would be, items with an error have what no list has: one more than the last.
    failed = pl.DataFrame(
        {AWS_ITEM_ID: sorted({it.owner for it in faults if it.owner} - set(places[AWS_ITEM_ID]))},
        schema={AWS_ITEM_ID: pl.String},
    ).with_columns(pl.lit(len(lists), places.schema[_PLACE]).alias(_PLACE))
    rows = (
        pl.concat(scans)
        .with_row_index(_ORDER)
        .filter(pl.col(AWS_USER_ID).is_not_null(), pl.col(AWS_ITEM_ID).is_not_null())
    )
    key = plh.col(USER_ID).nchash.xxh3_64()
    try:
        rows.join(
            pl.concat([places, failed]).lazy(), on=AWS_ITEM_ID, how="left", maintain_order="left"
        ).select(pl.col(AWS_USER_ID).alias(USER_ID), _PLACE, _ORDER, _TIME).with_columns(
            (key % buckets).cast(pl.UInt16).alias(_BUCKET)
        ).sink_parquet(
            pl.PartitionBy(folder, key=_BUCKET, include_key=False, approximate_bytes_per_file=None),
            compression="uncompressed",  # gone in seconds
            statistics=False,
            mkdir=True,
        )
        mapped = rows.group_by(AWS_ITEM_ID).agg(rows=pl.len()).collect(engine="streaming")
    except pl.exceptions.PolarsError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(f"the user-item mapping cannot be read: {shortened(error)}") from error
    counts = {
        "mapped_rows": int(mapped["rows"].sum()),
        "items": len(places),
        "items_without_users": len(places.join(mapped, on=AWS_ITEM_ID, how="anti")),
        "mapped_items_without_list": len(mapped.join(places, on=AWS_ITEM_ID, how="anti")),
    }
    if merge == "interleave":
        cap = min(cap or _MOST_ITEMS, _MOST_ITEMS)
    return RelatedToUsers(folder, buckets, lists, merge, cap, faults, counts)


def _lists(outputs: list[Path]) -> tuple[pl.DataFrame, tuple[Fault, ...]]:
    """Return owner (the item), ids; of several lines for an item the last counts."""
    reader = ListReader("itemId")
    parts: list[pl.DataFrame] = [pl.DataFrame(schema={OWNER: pl.String, IDS: pl.String})]
    faults: list[Fault] = []
    for piece in pieces(outputs):
        lists = reader.read(piece)
        # A copy: the slices of a piece would keep all of its text.
        parts.append(
            lists.rows.select(pl.concat_str(pl.col(it), pl.lit("")) for it in (OWNER, IDS))
        )
        faults += lists.faults
    rows = pl.concat(parts, rechunk=True).unique(OWNER, keep="last", maintain_order=True)
    return rows, tuple(faults)


def _columns(mapping: Sequence[Path]) -> dict[Path, bool]:
    """Return for each file whether it tells times."""
    if not mapping:
        raise ConfigError("there is no user-item mapping: put CSVs into input/user_item_mapping/")
    findings = []
    timed = {}
    for file in mapping:
        try:
            there = pl.scan_csv(file, infer_schema=False, glob=False).collect_schema().names()
        except pl.exceptions.PolarsError as error:
            findings.append(Finding("", f"cannot be read: {shortened(error)}", source=str(file)))
            continue
        timed[file] = AWS_TIMESTAMP in there
        findings += [
            Finding(name, "is missing", f"there are: {', '.join(there)}", source=str(file))
            for name in (AWS_USER_ID, AWS_ITEM_ID)
            if name not in there
        ]
    if findings:
        raise ConfigError("the user-item mapping cannot be used", findings)
    return timed


def _scan(file: Path, *, has_time: bool) -> pl.LazyFrame:
    time = pl.col(AWS_TIMESTAMP).cast(pl.Int64) if has_time else pl.lit(None, pl.Int64)
    # An id may be "007": nothing is inferred, nothing is trimmed.
    return pl.scan_csv(file, infer_schema=False, glob=False).select(
        AWS_USER_ID, AWS_ITEM_ID, time.alias(_TIME)
    )
