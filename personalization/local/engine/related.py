"""aws-sims and aws-similar-items: what goes with an item."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from personalization.local.engine.base import Ranked, RelatedItems
from personalization.local.engine.cooccurrence import blocks
from personalization.local.engine.events import Events, Ids
from personalization.local.engine.holdout import hide_users, user_folds
from personalization.local.engine.likeness import Neighbourhood, ranked_after_newest, similar, sims
from personalization.local.engine.measures import DEPTH, ranking_metrics
from personalization.local.engine.ranking import best
from personalization.local.engine.recipe import Recipe, Training
from personalization.local.engine.requirements import number


@dataclass(frozen=True)
class Related(RelatedItems):
    """A neighbourhood and the ids of its items."""

    ids: Ids
    neighbourhood: Neighbourhood

    def related(self, item_ids: Sequence[str], k: int) -> Iterator[Ranked]:
        """Yield items without scores: the alike first, then the popular."""
        items = self.ids.positions(item_ids)
        for part in blocks(len(items), len(self.ids)):
            for line in self.neighbourhood.scores(items[part]):
                top = best(line, k)
                yield Ranked(self.ids.at(top[np.isfinite(line[top])]).to_list())


class RelatedRecipe(Recipe):
    """Learns a neighbourhood; a subclass says which."""

    recipe_type: ClassVar[str] = "RELATED_ITEMS"

    @abstractmethod
    def neighbourhood(self, training: Training, events: Events) -> Neighbourhood:
        """Return the model of `events`, which may be a part of `training`'s."""

    def _fit(self, training: Training) -> Related:
        encoded = training.encoded
        return Related(encoded.items, self.neighbourhood(training, encoded.events))

    def _metrics(self, training: Training) -> dict[str, float]:
        events = training.encoded.events
        held = hide_users(events, user_folds(events, training.seed)[0])
        model = self.neighbourhood(training, held.train)
        top = ranked_after_newest(model, held, DEPTH, again=events.has_repeats)
        return ranking_metrics(top, held.hidden, events.n_items)


class SimsRecipe(RelatedRecipe):
    """Co-occurrence.

    popularity_discount_factor  0.5, 0 to 1: 0 favours popular items, 1 ignores popularity
    min_cointeraction_count     3, 0 to 10: pairs with fewer shared users are no pairs
    Source: Personalize developer guide, "SIMS recipe".
    """

    name: ClassVar[str] = "aws-sims"
    hyperparameters: ClassVar[frozenset[str]] = frozenset(
        {"popularity_discount_factor", "min_cointeraction_count"}
    )

    def neighbourhood(self, training: Training, events: Events) -> Neighbourhood:
        """Return counts of shared users."""
        discount = number(training.given, "popularity_discount_factor", 0.5, 0, 1)
        return sims(events, discount, number(training.given, "min_cointeraction_count", 3, 0, 10))


class SimilarItemsRecipe(RelatedRecipe):
    """Co-occurrence and metadata; items nobody has met are found by metadata alone."""

    name: ClassVar[str] = "aws-similar-items"
    hyperparameters: ClassVar[frozenset[str]] = frozenset(
        {"item_id_hidden_dim", "item_metadata_hidden_dim"}
    )

    def neighbourhood(self, training: Training, events: Events) -> Neighbourhood:
        """Return vectors of users and of metadata."""
        return similar(events, training.features)
