"""aws-user-personalization and its second version: what each user will like next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from personalization.local.engine.base import Ranked, Recommender
from personalization.local.engine.blend import Blend, in_chunks, learn, ranked
from personalization.local.engine.events import Encoded, Events
from personalization.local.engine.holdout import hide_users, user_folds
from personalization.local.engine.measures import DEPTH, ranking_metrics
from personalization.local.engine.ranking import best
from personalization.local.engine.recipe import Recipe, Training
from personalization.local.engine.requirements import flag


@dataclass(frozen=True)
class Personalization(Recommender):
    """The blend, asked at the time of the newest event of all."""

    encoded: Encoded
    blend: Blend
    now_s: int

    def recommend(self, user_ids: Sequence[str], k: int) -> Iterator[Ranked]:
        """Yield items with scores; over the whole catalogue a user's scores sum to 1."""
        history = self.encoded.events.of(self.encoded.users.positions(user_ids))
        asked = np.full(history.n_users, self.now_s)
        for _, scores in in_chunks(self.blend, history, asked):
            for line in scores:
                top = best(line, k)
                top = top[np.isfinite(line[top])]
                shares = np.exp(line - line.max())
                shares /= shares.sum()
                yield Ranked(self.encoded.items.at(top).to_list(), shares[top].tolist())


class UserPersonalization(Recipe):
    """Taste, fading sequence and habit.

    `recency_mask` False turns the fading and the sequence off; the sizes of Personalize's network
    have no counterpart here.
    """

    name: ClassVar[str] = "aws-user-personalization"
    recipe_type: ClassVar[str] = "USER_PERSONALIZATION"
    gives_scores: ClassVar[bool] = True
    hyperparameters: ClassVar[frozenset[str]] = frozenset(
        {"hidden_dimension", "bptt", "recency_mask"}
    )
    recency: ClassVar[str] = "recency_mask"

    def _fit(self, training: Training) -> Personalization:
        encoded = training.encoded
        blend = self._learn(training, encoded.events)
        return Personalization(encoded, blend, int(encoded.events.time.max()))

    def _metrics(self, training: Training) -> dict[str, float]:
        events = training.encoded.events
        held = hide_users(events, user_folds(events, training.seed)[0])
        top = ranked(self._learn(training, held.train), held.history, held.asked, DEPTH)
        return ranking_metrics(top, held.hidden, events.n_items)

    def _learn(self, training: Training, events: Events) -> Blend:
        fading = flag(training.given, self.recency, True)
        return learn(events, training.features, fading=fading, seed=training.seed)


class UserPersonalizationV2(UserPersonalization):
    """The same; here the switch is called `apply_recency_bias`."""

    name: ClassVar[str] = "aws-user-personalization-v2"
    hyperparameters: ClassVar[frozenset[str]] = frozenset({"apply_recency_bias"})
    recency: ClassVar[str] = "apply_recency_bias"
