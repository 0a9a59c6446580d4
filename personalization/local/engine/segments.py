"""How a segment ranks users: by how much of their next attention an attribute or an item gets.

A propensity a user, not a volume: by default a busy user is not a better one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from personalization.local.engine.cooccurrence import item_vectors
from personalization.local.engine.events import TRAINED_EVENTS, Events, Floats
from personalization.local.engine.linear import item_weights
from personalization.local.engine.ranking import best

MODEL_SHARE = 0.75
# How many events' worth of the average a user starts with, in the model's share and in history's.
MODEL_PRIOR = 2.0
HISTORY_PRIOR = 5.0
# Stronger than for recommendations: a share sums over many items, so their noise costs more.
REGULARISATION = 400.0
ITEM_NEIGHBOURS = 300


@dataclass(frozen=True)
class AttributeAffinity:
    """Scores all users for any set of items with two sparse products.

    attention  users × items: a user's events, each weighing rank^-1/2 from the newest on
    weights    items × items, of `linear.item_weights`
    activity   f64 a user: what the score is multiplied by
    """

    attention: sparse.csr_array
    weights: sparse.csr_array
    total_mass: Floats
    total_attention: Floats
    activity: NDArray[np.float64]

    def scores(self, matching: Floats) -> NDArray[np.float64]:
        """Return f64 a user; `matching` is 1 for the items meant and 0 for all others."""
        mass = self.attention @ (self.weights @ matching)
        told = self.total_mass > 0
        share = np.divide(mass, self.total_mass, out=np.zeros_like(mass), where=told)
        average = float(share[told].mean()) if told.any() else 0.0
        attention = self.total_attention
        share[~told] = average
        model = (share * attention + MODEL_PRIOR * average) / (attention + MODEL_PRIOR)

        seen = self.attention @ matching
        base = float(seen.sum() / max(attention.sum(), 1e-9))
        history = (seen + HISTORY_PRIOR * base) / (attention + HISTORY_PRIOR)
        return np.asarray((MODEL_SHARE * model + (1 - MODEL_SHARE) * history) * self.activity)


@dataclass(frozen=True)
class ItemAffinity:
    """Scores all users for an item by how much of what they met goes with it: volume included.

    met      users × items, ones
    vectors  items × users, of `cooccurrence.item_vectors`
    again    whether users come back to items; where not, who has met the item is no candidate
    """

    met: sparse.csr_array
    vectors: sparse.csr_array
    again: bool

    def has_users(self, item: int) -> bool:
        """Return whether anybody met the item."""
        return bool(self.vectors.indptr[item] < self.vectors.indptr[item + 1])

    def scores(self, item: int) -> Floats:
        """Return f32 a user, -inf for those who are no candidates."""
        alike: Floats = self.vectors @ self.vectors[[item]].toarray().ravel()
        neighbours = best(alike, ITEM_NEIGHBOURS)
        kept = np.zeros_like(alike)
        kept[neighbours] = alike[neighbours]
        scores: Floats = self.met @ kept
        if not self.again:
            scores[self.vectors.indices[slice(*self.vectors.indptr[item : item + 2])]] = -np.inf
        return scores


def attribute_affinity(
    events: Events, features: sparse.csr_array | None, activity_weight: float
) -> AttributeAffinity:
    """Return the model of `events`; scores are multiplied by each user's events^activity_weight."""
    recent = events.newest(TRAINED_EVENTS)
    attention = recent.matrix(np.asarray(recent.age_rank**-0.5, np.float32))
    weights = item_weights(recent.matrix(), features, REGULARISATION)
    everything = np.ones(events.n_items, np.float32)
    return AttributeAffinity(
        attention=attention,
        weights=weights,
        total_mass=attention @ (weights @ everything),
        total_attention=attention @ everything,
        activity=events.per_user.astype(np.float64) ** activity_weight,
    )


def item_affinity(events: Events, *, again: bool) -> ItemAffinity:
    """Return the model of `events`."""
    met = events.matrix()
    return ItemAffinity(met, item_vectors(met, "tfidf"), again)
