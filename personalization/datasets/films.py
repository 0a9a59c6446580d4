"""The films of the generated world, as items.csv tells of them."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from personalization.columns import AWS_CREATION_TIMESTAMP, AWS_ITEM_ID
from personalization.datasets.histories import DAY_S
from personalization.datasets.tastes import GENRE_NAMES
from personalization.datasets.titles import titles

# 2024-01-01T00:00:00Z.  Every film that is watched is in the catalogue by then.
START_S: Final = 1_704_067_200
_CATALOGUE_OPENED_S: Final = 1_262_304_000  # 2010-01-01T00:00:00Z
_YEAR_S: Final = 31_556_952


def draw_films(
    genres: npt.NDArray[np.bool_], cold: int, span_s: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Return items.csv's rows: ITEM_ID i64 from 1, TITLE, RELEASE_YEAR, CREATION_TIMESTAMP, GENRES.

    A film comes to the service after its release and before START_S, when watching begins: so no
    event precedes its item, and an event's distribution does not depend on its date.  The last
    `cold` films come in the week after all events.
    """
    count = len(genres)
    released = 2022 - np.floor(rng.exponential(18.0, size=count)).astype(np.int64)
    released = np.maximum(released, 1925)
    opens = np.maximum((released - 1969) * _YEAR_S, _CATALOGUE_OPENED_S)
    created = opens + (rng.random(count) * (START_S - opens)).astype(np.int64)
    end_s = START_S + span_s
    newest = slice(count - cold, count)
    created[newest] = end_s + rng.integers(0, 7 * DAY_S, size=cold)
    released[newest] = 1970 + end_s // _YEAR_S
    names = np.array(GENRE_NAMES)
    return pl.DataFrame(
        {
            AWS_ITEM_ID: np.arange(1, count + 1),
            "TITLE": titles(count, rng),
            "RELEASE_YEAR": released,
            AWS_CREATION_TIMESTAMP: created,
            "GENRES": ["|".join(names[row]) for row in genres],
        }
    )
