"""What an audience likes more than everyone does."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from personalization.columns import (
    ATTRIBUTE_VALUE,
    AUDIENCE_SHARE,
    EVERYONE_SHARE,
    ITEM_ID,
    LIFT,
    USER_ID,
)
from personalization.errors import ConfigError


def genre_profile(
    audience_ids: Sequence[str] | pl.Series,
    interactions: pl.LazyFrame,
    items: pl.LazyFrame,
    column: str = "GENRES",
) -> pl.LazyFrame:
    """Return which share of events each value of an item's attribute has.

    interactions  user_id str, item_id str; a row an event
    items         item_id str, `column` str, several values separated by `|`
    returns       attribute_value str; audience_share, everyone_share f64 (0-1); lift f64, their
                  ratio; by lift, highest first, then by name.  An event of an item with several
                  values counts for each of them, so shares add up to more than 1.  Events of items
                  without a value count in the total.  0 for an audience without events.

    Raises ConfigError if the items have no such column.
    """
    there = items.collect_schema().names()
    if column not in there:
        raise ConfigError(f"the items have no column {column!r}; there are: {', '.join(there)}")
    chosen = pl.Series(USER_ID, audience_ids, pl.String).unique()
    per_item = interactions.group_by(ITEM_ID).agg(
        everyone=pl.len(), audience=pl.col(USER_ID).is_in(chosen.implode()).sum()
    )
    values = (
        items.select(ITEM_ID, pl.col(column).str.split("|").alias(ATTRIBUTE_VALUE))
        .explode(ATTRIBUTE_VALUE)
        .filter(pl.col(ATTRIBUTE_VALUE).str.len_bytes() > 0)
        .unique()
    )
    totals = per_item.select(
        everyone_total=pl.col("everyone").sum(), audience_total=pl.col("audience").sum()
    )
    audience_share = (pl.col("audience") / pl.col("audience_total")).fill_nan(0.0)
    everyone_share = pl.col("everyone") / pl.col("everyone_total")
    return (
        per_item.join(values, on=ITEM_ID)
        .group_by(ATTRIBUTE_VALUE)
        .agg(pl.col("everyone", "audience").sum())
        .join(totals, how="cross")
        .select(
            ATTRIBUTE_VALUE,
            audience_share.alias(AUDIENCE_SHARE),
            everyone_share.alias(EVERYONE_SHARE),
            (audience_share / everyone_share).alias(LIFT),
        )
        .sort(LIFT, ATTRIBUTE_VALUE, descending=[True, False])
    )
