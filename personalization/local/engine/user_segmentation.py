"""aws-item-attribute-affinity and aws-item-affinity: who will like something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from personalization.columns import ITEM_ID
from personalization.errors import ConfigError, FatalError
from personalization.expressions import matching, parse
from personalization.local.engine.base import Segmenter
from personalization.local.engine.events import Events, Floats, Ids, Ints
from personalization.local.engine.features import attribute_values, queryable
from personalization.local.engine.holdout import hide_newest_events
from personalization.local.engine.measures import segment_metrics
from personalization.local.engine.ranking import best
from personalization.local.engine.recipe import Recipe, Training
from personalization.local.engine.requirements import number
from personalization.local.engine.segments import (
    AttributeAffinity,
    ItemAffinity,
    attribute_affinity,
    item_affinity,
)

ATTRIBUTES = "itemAttributes"
ITEM = "itemId"
# Items asked about when an item-affinity model is measured, at most.
MEASURED_ITEMS = 500


@dataclass(frozen=True)
class AttributeSegmenter(Segmenter):
    """Users by their affinity to the items an expression means."""

    user_ids: Ids
    item_ids: Ids
    items: pl.DataFrame
    affinity: AttributeAffinity

    def segment(self, query: Mapping[str, str], k: int) -> pl.Series:
        """Return users for `{"itemAttributes": expression}`."""
        expression = _only(query, ATTRIBUTES)
        chosen = self.items.filter(matching(parse(expression), self.items))
        if chosen.is_empty():
            raise ConfigError(f"no item matches {expression}; values compare exactly")
        wanted = np.zeros(len(self.item_ids), np.float32)
        wanted[self.item_ids.positions(chosen[ITEM_ID])] = 1
        return self.user_ids.at(best(self.affinity.scores(wanted), k))


@dataclass(frozen=True)
class ItemSegmenter(Segmenter):
    """Users by their affinity to an item."""

    user_ids: Ids
    item_ids: Ids
    affinity: ItemAffinity

    def segment(self, query: Mapping[str, str], k: int) -> pl.Series:
        """Return users for `{"itemId": id}`; not those who met it, where nobody comes back."""
        item_id = _only(query, ITEM)
        position = int(self.item_ids.positions([item_id])[0])
        if position < 0 or not self.affinity.has_users(position):
            raise ConfigError(f"item {item_id!r} had no interactions when the model was trained")
        scores = self.affinity.scores(position)
        top = best(scores, k)
        return self.user_ids.at(top[np.isfinite(scores[top])])


class ItemAttributeAffinity(Recipe):
    """Three quarters what the model expects, one quarter what the user did, both as shares.

    activity_weight  0, 0 to 1: ours.  0 ranks by share; 1 by expected number of events; 0.25 keeps
                     most of the lift and beats activity at finding who will act at all
    """

    name: ClassVar[str] = "aws-item-attribute-affinity"
    recipe_type: ClassVar[str] = "USER_SEGMENTATION"
    hyperparameters: ClassVar[frozenset[str]] = frozenset({"hidden_dimension", "activity_weight"})

    def _check(self, training: Training) -> None:
        super()._check(training)
        _described(training)

    def _fit(self, training: Training) -> AttributeSegmenter:
        encoded = training.encoded
        affinity = self._learn(training, encoded.events)
        return AttributeSegmenter(encoded.users, encoded.items, _described(training), affinity)

    def _metrics(self, training: Training) -> dict[str, float]:
        train, hidden = hide_newest_events(training.encoded.events)
        model = self._learn(training, train)
        queries = attribute_values(_described(training), training.encoded.items)
        met = (hidden.matrix() @ queries).tocsc()
        asked = np.flatnonzero(np.diff(met.indptr))
        segments = [
            _top_percent(model.scores(queries[:, [query]].toarray().ravel())) for query in asked
        ]
        return segment_metrics(segments, _rows_of(met, asked), train.n_users)

    def _learn(self, training: Training, events: Events) -> AttributeAffinity:
        activity_weight = number(training.given, "activity_weight", 0, 0, 1)
        return attribute_affinity(events, training.features, activity_weight)


class ItemAffinityRecipe(Recipe):
    """Co-occurrence with what the user met, TF-IDF weighted, neither normalised nor faded."""

    name: ClassVar[str] = "aws-item-affinity"
    recipe_type: ClassVar[str] = "USER_SEGMENTATION"
    hyperparameters: ClassVar[frozenset[str]] = frozenset({"hidden_dimension"})

    def _fit(self, training: Training) -> ItemSegmenter:
        encoded = training.encoded
        affinity = item_affinity(encoded.events, again=encoded.events.has_repeats)
        return ItemSegmenter(encoded.users, encoded.items, affinity)

    def _metrics(self, training: Training) -> dict[str, float]:
        events = training.encoded.events
        train, hidden = hide_newest_events(events)
        model = item_affinity(train, again=events.has_repeats)
        met = hidden.matrix().tocsc()
        asked = np.flatnonzero((np.diff(met.indptr) > 0) & (train.per_item > 0))
        shuffled = np.random.default_rng(training.seed).permutation(len(asked))
        asked = asked[np.sort(shuffled[:MEASURED_ITEMS])]
        segments = [_top_percent(model.scores(int(item))) for item in asked]
        return segment_metrics(segments, _rows_of(met, asked), train.n_users)


def _described(training: Training) -> pl.DataFrame:
    items = training.data.items
    if items is None or not queryable(items):
        raise FatalError(
            f"{ItemAttributeAffinity.name} needs an Items dataset with a metadata column of text "
            "or numbers besides the reserved ones"
        )
    return items


def _only(query: Mapping[str, str], key: str) -> str:
    if key not in query or not isinstance(query[key], str):
        raise ConfigError(f"the query {dict(query)} has no text under {key!r}")
    return query[key]


def _top_percent(scores: Floats | NDArray[np.float64]) -> Ints:
    return best(scores, max(1, len(scores) // 100))


def _rows_of(matrix: sparse.csc_array, columns: Ints) -> list[Ints]:
    return [matrix.indices[matrix.indptr[c] : matrix.indptr[c + 1]] for c in columns]
