"""What goes into a recipe and what comes out: data, models, and their answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class TrainingData:
    """A dataset group's data, as a solution version sees it: ids without nulls, rows in any order.

    interactions  user_id str, item_id str, timestamp i64 (Unix seconds); further columns unused
    items         item_id str and the schema's other columns under their AWS names (GENRES str with
                  `|`, CREATION_TIMESTAMP i64, …); an item may be here and never in `interactions`
    users         user_id str and others
    event_type    what `interactions` were filtered by, if they were: only for messages
    """

    interactions: pl.DataFrame
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    event_type: str | None = None


@dataclass(frozen=True)
class Ranked:
    """Items, best first; scores fall with them, and are None where the recipe gives none."""

    item_ids: list[str]
    scores: list[float] | None = None


class Segmenter(ABC):
    """Finds the users who will like something.  Safe to read from several threads."""

    @abstractmethod
    def segment(self, query: Mapping[str, str], k: int) -> pl.Series:
        """Return at most `k` user ids, best first, ties in the order of ids.

        query  `{"itemAttributes": expression}` or `{"itemId": id}`, as the recipe asks for
        Only users with interactions are found.  Raises ConfigError for a query it cannot answer.
        """


class Recommender(ABC):
    """Finds the items a user will like.  Safe to read from several threads."""

    @abstractmethod
    def recommend(self, user_ids: Sequence[str], k: int) -> Iterator[Ranked]:
        """Yield one ranking of at most `k` items a user, in the order asked, in bounded memory.

        A user without interactions gets the popular items.
        """


class RelatedItems(ABC):
    """Finds the items like an item.  Safe to read from several threads."""

    @abstractmethod
    def related(self, item_ids: Sequence[str], k: int) -> Iterator[Ranked]:
        """Yield one ranking of at most `k` items an item, in the order asked, in bounded memory.

        An unknown item gets the popular items, as in Personalize.
        """


Model = Segmenter | Recommender | RelatedItems
