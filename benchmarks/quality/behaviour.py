"""A folder of real behaviour as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from personalization.columns import (
    AWS_ITEM_ID,
    AWS_TIMESTAMP,
    AWS_USER_ID,
    ITEM_ID,
    TIMESTAMP,
    USER_ID,
)
from personalization.errors import ConfigError
from personalization.local.engine.events import Events, Ids
from personalization.local.engine.features import attribute_values, item_features

# Attributes on fewer of the events are too rare to rank anybody by.
RAREST_ATTRIBUTE = 0.005
FORMATS = (
    ("ratings.csv", "movies.csv", {"userId": USER_ID, "movieId": ITEM_ID, "timestamp": TIMESTAMP}),
    (
        "interactions.csv",
        "items.csv",
        {AWS_USER_ID: USER_ID, AWS_ITEM_ID: ITEM_ID, AWS_TIMESTAMP: TIMESTAMP},
    ),
)


@dataclass(frozen=True)
class Behaviour:
    """What people did, and what the items are.

    carries   items × attributes, ones: what the segments are about
    features  items × values of unit length, as the engine makes them
    """

    name: str
    events: Events
    carries: sparse.csr_array
    features: sparse.csr_array | None

    def shuffled(self, seed: int = 0) -> Behaviour:
        """Return a copy in which every item has as many events as before, of random users."""
        events = self.events
        item = np.random.default_rng(seed).permutation(events.item)
        mixed = Events(events.n_users, events.n_items, events.user, item, events.time)
        once = mixed.where(~mixed.is_repeat)
        return Behaviour(f"{self.name}, shuffled", once, self.carries, self.features)


def read(folder: Path) -> Behaviour:
    """Return what `folder` holds: MovieLens's files, or Personalize's.

    Raises ConfigError where neither pair of files is there.
    """
    for interactions, items, names in FORMATS:
        if (folder / interactions).is_file() and (folder / items).is_file():
            events = _columns(folder / interactions, names).drop_nulls()
            described = _columns(folder / items, names)
            return behaviour_of(folder.name, events, described)
    raise ConfigError(
        f"{folder} has neither ratings.csv and movies.csv nor interactions.csv and items.csv"
    )


def behaviour_of(name: str, rows: pl.DataFrame, described: pl.DataFrame) -> Behaviour:
    """Return user_id, item_id, timestamp and the items' text columns as numbers.

    Events of one user in one second are ordered at random (seed 0, by row): this is the order the
    bars were measured in.
    """
    users, items = (Ids(_in_order(rows[column])) for column in (USER_ID, ITEM_ID))
    user, item = users.positions(rows[USER_ID]), items.positions(rows[ITEM_ID])
    time = rows[TIMESTAMP].cast(pl.Int64).to_numpy()
    order = np.lexsort((np.random.default_rng(0).random(len(rows)), time, user))
    events = Events(len(users), len(items), user[order], item[order], time[order])

    text = [column for column, dtype in described.schema.items() if dtype == pl.String]
    described = described.select(text)
    carries = attribute_values(described, items)
    share: NDArray[np.float32] = (events.per_item @ carries) / len(events)
    return Behaviour(
        name,
        events,
        carries[:, np.flatnonzero(share >= RAREST_ATTRIBUTE)],
        item_features(described, items),
    )


def _columns(path: Path, names: dict[str, str]) -> pl.DataFrame:
    table = pl.read_csv(path, infer_schema_length=None)
    table = table.rename({old: new for old, new in names.items() if old in table.columns})
    ids = [name for name in (USER_ID, ITEM_ID) if name in table.columns]
    return table.with_columns(pl.col(ids).cast(pl.String))


def _in_order(ids: pl.Series) -> pl.Series:
    """Return the distinct ids, in the order of numbers where they are numbers."""
    distinct = ids.unique().sort()
    number = distinct.cast(pl.Int64, strict=False)
    return distinct if number.null_count() else distinct.gather(number.arg_sort())
