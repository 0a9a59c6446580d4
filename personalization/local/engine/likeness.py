"""What goes with an item: co-occurrence, metadata, and the popular where neither says anything."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from personalization.local.engine.cooccurrence import blocks, item_vectors
from personalization.local.engine.events import TRAINED_EVENTS, Events, Floats, Ints
from personalization.local.engine.holdout import Holdout
from personalization.local.engine.ranking import best

# How much of a likeness by metadata counts beside one by co-occurrence.
METADATA_WEIGHT = 0.1


@dataclass(frozen=True)
class Neighbourhood:
    """Items by likeness, then the popular ones.

    vectors     items × users
    popularity  f32 an item, its events over those of the most popular one
    """

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

        A negative position is an unknown item.  -inf: the item itself, and items never met that are
        not alike.
        """
        known = items >= 0
        scores = np.zeros((len(items), len(self.popularity)), np.float32)
        scores[known] = self.likeness(items[known])
        filler = np.where(self.popularity > 0, self.popularity - 2, -np.inf).astype(np.float32)
        scores = np.where(scores > 0, scores, filler)
        scores[np.flatnonzero(known), items[known]] = -np.inf
        return scores


@dataclass(frozen=True)
class Sims(Neighbourhood):
    """Shared users, over the popularity of the other item to the power of `discount`."""

    discount: float = 0.5
    fewest_shared: float = 3

    def likeness(self, items: Ints) -> Floats:
        shared: Floats = (self.vectors[items] @ self.transposed).toarray()
        n_users = np.maximum(np.diff(self.vectors.indptr), 1).astype(np.float32)
        shared[shared < self.fewest_shared] = 0
        return np.asarray(shared / n_users**self.discount, np.float32)


@dataclass(frozen=True)
class Similar(Neighbourhood):
    """TF-IDF likeness of users, and likeness of metadata where there is some."""

    features: sparse.csr_array | None = None

    def likeness(self, items: Ints) -> Floats:
        alike: Floats = (self.vectors[items] @ self.transposed).toarray()
        if self.features is not None:
            described = (self.features[items] @ self.features.T.tocsr()).toarray()
            alike += np.float32(METADATA_WEIGHT) * described
        return alike


def sims(events: Events, discount: float = 0.5, fewest_shared: float = 3) -> Sims:
    """Return counts of shared users."""
    vectors = events.newest(TRAINED_EVENTS).matrix().T.tocsr()
    return Sims(vectors, _relative_popularity(events), discount, fewest_shared)


def similar(events: Events, features: sparse.csr_array | None) -> Similar:
    """Return vectors of users, weighted by how choosy each is, beside those of metadata."""
    vectors = item_vectors(events.newest(TRAINED_EVENTS).matrix(), "tfidf")
    return Similar(vectors, _relative_popularity(events), features)


def _relative_popularity(events: Events) -> Floats:
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
