"""What items are, as numbers: the values of their columns."""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy import sparse

from personalization.columns import AWS_CREATION_TIMESTAMP, ITEM_ID
from personalization.expressions import VALUE_SEPARATOR
from personalization.local.engine.cooccurrence import unit_rows
from personalization.local.engine.events import Ids

TENTHS = 10
# Values of one column that a segment model is measured on, at most.
MEASURED_VALUES = 100


def queryable(items: pl.DataFrame) -> list[str]:
    """Return the columns a segment can be made of: text or numbers, not reserved."""
    return [
        name
        for name, dtype in items.schema.items()
        if name not in (ITEM_ID, AWS_CREATION_TIMESTAMP)
        and (dtype.is_numeric() or dtype == pl.String)
    ]


def item_features(items: pl.DataFrame | None, ids: Ids) -> sparse.csr_array | None:
    """Return items × values, rows of unit length; None where there is nothing to compare.

    A value that n of N items share weighs log(N / n); one that a single item has says nothing about
    others and is left out.  Numbers fall into tenths.  When an item was created is not what it is.
    """
    if items is None:
        return None
    carried = _carried(items, in_tenths=True)
    counted = carried.group_by("value").len().filter(pl.col("len") > 1).sort("value")
    if counted.is_empty():
        return None
    rarity = np.log(len(items) / counted["len"].to_numpy()).astype(np.float32)
    matrix = _incidence(carried, ids, Ids(counted["value"]))
    matrix.data *= rarity[matrix.indices]
    matrix.eliminate_zeros()
    return unit_rows(matrix)


def attribute_values(items: pl.DataFrame, ids: Ids) -> sparse.csr_array:
    """Return items × values, ones: each column is what one `column = value` would match.

    Only values of two items or more, and of each column the MEASURED_VALUES most frequent.
    """
    carried = _carried(items, in_tenths=False)
    counted = carried.group_by("column", "value").len().filter(pl.col("len") > 1)
    by_use = counted.sort("column", "len", "value", descending=[False, True, False])
    frequent = by_use.group_by("column", maintain_order=True).head(MEASURED_VALUES)
    values = frequent["value"].sort()
    return _incidence(carried, ids, Ids(values))


def _incidence(carried: pl.DataFrame, ids: Ids, values: Ids) -> sparse.csr_array:
    row, column = ids.positions(carried[ITEM_ID]), values.positions(carried["value"])
    meant = (row >= 0) & (column >= 0)
    ones = np.ones(int(meant.sum()), np.float32)
    matrix = sparse.csr_array((ones, (row[meant], column[meant])), shape=(len(ids), len(values)))
    matrix.sort_indices()
    return matrix


def _carried(items: pl.DataFrame, *, in_tenths: bool) -> pl.DataFrame:
    """Return item_id, column and value, one row for each value that an item carries."""
    schema = {ITEM_ID: pl.String, "column": pl.String, "value": pl.String}
    parts = [pl.DataFrame(schema=schema)]
    for name in queryable(items):
        column = pl.col(name)
        if items.schema[name] == pl.String:
            value = column.str.split(VALUE_SEPARATOR)
        elif in_tenths:
            value = (column.rank("max") * TENTHS / column.count()).ceil().cast(pl.String)
        else:
            value = column.cast(pl.String)
        rows = items.select(ITEM_ID, column=pl.lit(name), value=value)
        parts.append(rows.explode("value") if items.schema[name] == pl.String else rows)
    prefixed = pl.concat_str("column", pl.lit("="), "value")
    return pl.concat(parts).drop_nulls().with_columns(value=prefixed).unique()
