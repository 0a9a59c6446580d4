"""aws-popularity-count: what most people did, the same for everybody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from personalization.local.engine.base import Ranked, Recommender
from personalization.local.engine.events import Events, Floats, Ints
from personalization.local.engine.holdout import Holdout, hide_users, user_folds
from personalization.local.engine.measures import DEPTH, ranking_metrics
from personalization.local.engine.ranking import best
from personalization.local.engine.recipe import Recipe, Training


@dataclass(frozen=True)
class PopularItems(Recommender):
    """All items with interactions, the most met first."""

    item_ids: list[str]

    def recommend(self, user_ids: Sequence[str], k: int) -> Iterator[Ranked]:
        """Yield the same items for every user; those already met are not left out."""
        for _ in user_ids:
            yield Ranked(self.item_ids[:k])


class PopularityCount(Recipe):
    """Counts events an item.  No hyper-parameters."""

    name: ClassVar[str] = "aws-popularity-count"
    recipe_type: ClassVar[str] = "USER_PERSONALIZATION"

    def _fit(self, training: Training) -> PopularItems:
        encoded = training.encoded
        top = by_popularity(encoded.events)
        return PopularItems(encoded.items.at(top).to_list())

    def _metrics(self, training: Training) -> dict[str, float]:
        events = training.encoded.events
        held = hide_users(events, user_folds(events, training.seed)[0])
        top = ranked_by_popularity(held, DEPTH, again=events.has_repeats)
        return ranking_metrics(top, held.hidden, events.n_items)


def by_popularity(events: Events) -> Ints:
    """Return the items that have events, the most first, ties by position."""
    return best(events.per_item, int(np.count_nonzero(events.per_item)))


def ranked_by_popularity(held: Holdout, k: int, *, again: bool) -> Ints:
    """Return tested users × k popular items, without those each has met unless `again`."""
    count: Floats = held.train.per_item.astype(np.float32)
    top = np.full((held.history.n_users, k), -1, np.int64)
    for user in range(held.history.n_users):
        scores = count.copy()
        if not again:
            start, end = held.history.starts[user : user + 2]
            scores[held.history.item[start:end]] = 0
        chosen = best(scores, k)
        chosen = chosen[scores[chosen] > 0]
        top[user, : len(chosen)] = chosen
    return top
