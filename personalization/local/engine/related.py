"""aws-sims and aws-similar-items: what goes with an item."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy import sparse

from personalization.local.engine.base import Ranked, RelatedItems
from personalization.local.engine.blend import TRAINED_EVENTS, has_repeats
from personalization.local.engine.cooccurrence import blocks, item_vectors
from personalization.local.engine.events import Events, Floats, Ids, Ints
from personalization.local.engine.holdout import Holdout, hide_users, user_folds
from personalization.local.engine.measures import DEPTH, ranking_metrics
from personalization.local.engine.ranking import best
from personalization.local.engine.recipe import Recipe, Training
from personalization.local.engine.requirements import number

# How much of a likeness by metadata counts beside one by co-occurrence.
METADATA_WEIGHT = 0.1


@dataclass(frozen=True)
class Neighbourhood(RelatedItems):
    """Items by likeness, then the popular ones.

    vectors     items × users
    popularity  f32 an item, its events over those of the most popular one
    """

    ids: Ids
    vectors: sparse.csr_array
    popularity: Floats

    @cached_property
    def transposed(self) -> sparse.csr_array:
        """Users × items: `vectors` the other way round."""
        return self.vectors.T.tocsr()

    @abstractmethod
    def likeness(self, items: Ints) -> Floats:
        """Return items × all items: positive where they are alike."""

    def scores(self, items: Ints) -> Floats:
        """Return items × all items: likeness where there is any, else popularity under zero.

        A negative position is an unknown item.  -inf: the item itself, and items never met.
        """
        known = items >= 0
        scores = np.zeros((len(items), len(self.popularity)), np.float32)
        scores[known] = self.likeness(items[known])
        filler = np.where(self.popularity > 0, self.popularity - 2, -np.inf).astype(np.float32)
        scores = np.where(scores > 0, scores, filler)
        scores[np.flatnonzero(known), items[known]] = -np.inf
        return scores

    def related(self, item_ids: Sequence[str], k: int) -> Iterator[Ranked]:
        """Yield items without scores: the alike first, then the popular."""
        items = self.ids.positions(item_ids)
        for part in blocks(len(items), len(self.popularity)):
            for line in self.scores(items[part]):
                top = best(line, k)
                yield Ranked(self.ids.at(top[np.isfinite(line[top])]).to_list())


@dataclass(frozen=True)
class Sims(Neighbourhood):
    """Shared users, over the popularity of the other item to the power of `discount`."""

    discount: float
    fewest_shared: float

    def likeness(self, items: Ints) -> Floats:
        shared: Floats = (self.vectors[items] @ self.transposed).toarray()
        n_users = np.maximum(np.diff(self.vectors.indptr), 1).astype(np.float32)
        shared[shared < self.fewest_shared] = 0
        return np.asarray(shared / n_users**self.discount, np.float32)


@dataclass(frozen=True)
class Similar(Neighbourhood):
    """TF-IDF likeness of users, and likeness of metadata where there is some."""

    features: sparse.csr_array | None

    def likeness(self, items: Ints) -> Floats:
        alike: Floats = (self.vectors[items] @ self.transposed).toarray()
        if self.features is not None:
            described = (self.features[items] @ self.features.T.tocsr()).toarray()
            alike += np.float32(METADATA_WEIGHT) * described
        return alike


class RelatedRecipe(Recipe):
    """Learns a neighbourhood; a subclass says which."""

    recipe_type: ClassVar[str] = "RELATED_ITEMS"

    @abstractmethod
    def neighbourhood(self, training: Training, events: Events) -> Neighbourhood:
        """Return the model of `events`, which may be a part of `training`'s."""

    def _fit(self, training: Training) -> Neighbourhood:
        return self.neighbourhood(training, training.encoded.events)

    def _metrics(self, training: Training) -> dict[str, float]:
        events = training.encoded.events
        held = hide_users(events, user_folds(events, training.seed)[0])
        model = self.neighbourhood(training, held.train)
        top = ranked_after_newest(model, held, DEPTH, again=has_repeats(events))
        return ranking_metrics(top, held.hidden, events.n_items)


class SimsRecipe(RelatedRecipe):
    """Co-occurrence.

    popularity_discount_factor  0.5, 0 to 1: 0 favours popular items, 1 ignores popularity
    min_cointeraction_count     3, 0 to 10: pairs with fewer shared users are no pairs
    """

    name: ClassVar[str] = "aws-sims"
    hyperparameters: ClassVar[frozenset[str]] = frozenset(
        {"popularity_discount_factor", "min_cointeraction_count"}
    )

    def neighbourhood(self, training: Training, events: Events) -> Neighbourhood:
        """Return counts of shared users."""
        return Sims(
            training.encoded.items,
            events.newest(TRAINED_EVENTS).matrix().T.tocsr(),
            relative_popularity(events),
            discount=number(training.given, "popularity_discount_factor", 0.5, 0, 1),
            fewest_shared=number(training.given, "min_cointeraction_count", 3, 0, 10),
        )


class SimilarItemsRecipe(RelatedRecipe):
    """Co-occurrence and metadata; items nobody has met are found by metadata alone."""

    name: ClassVar[str] = "aws-similar-items"
    hyperparameters: ClassVar[frozenset[str]] = frozenset(
        {"item_id_hidden_dim", "item_metadata_hidden_dim"}
    )

    def neighbourhood(self, training: Training, events: Events) -> Neighbourhood:
        """Return vectors of users, weighted by how choosy each is, and of metadata."""
        return Similar(
            training.encoded.items,
            item_vectors(events.newest(TRAINED_EVENTS).matrix(), "tfidf"),
            relative_popularity(events),
            features=training.features,
        )


def relative_popularity(events: Events) -> Floats:
    """Return f32 an item: its events over those of the most popular one."""
    return np.asarray(events.per_item / max(events.per_item.max(), 1), np.float32)


def ranked_after_newest(model: Neighbourhood, held: Holdout, k: int, *, again: bool) -> Ints:
    """Return tested users × k items related to each one's newest item, -1 past the end.

    Items a user has met are left out unless `again`.
    """
    history = held.history
    newest = history.item[history.starts[1:] - 1]
    top = np.full((history.n_users, k), -1, np.int64)
    for part in blocks(history.n_users, history.n_items):
        for user, line in enumerate(model.scores(newest[part]), part.start):
            if not again:
                line[history.item[history.starts[user] : history.starts[user + 1]]] = -np.inf
            chosen = best(line, k)
            chosen = chosen[np.isfinite(line[chosen])]
            top[user, : len(chosen)] = chosen
    return top
