"""The recommended ranker: taste, fading sequence, and the habit of coming back to the same items.

Everything fades with the time since the request, not with position: that keeps what is gained
within a session and loses nothing for users who come back much later.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from personalization.local.engine.cooccurrence import blocks
from personalization.local.engine.events import TRAINED_EVENTS, Events, Floats, Ints
from personalization.local.engine.holdout import hide_tails
from personalization.local.engine.linear import item_weights
from personalization.local.engine.measures import hits, ndcg
from personalization.local.engine.ranking import best
from personalization.local.engine.sequence import followers

REGULARISATION = 100.0
SERVED_EVENTS = 200
RECENT_EVENTS = 10
TASTE_FADES_S = 60.0
SEQUENCE_FADES_S = 3600.0
SEQUENCE_WEIGHT = 0.6
# Below this many events popularity fills in for a taste not yet known.
KNOWN_AFTER_EVENTS = 3

REPEAT_WEIGHTS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
VALIDATED_USERS = 1000


@dataclass(frozen=True)
class Blend:
    """What is learnt.

    weights     items × items, of `item_weights`
    followers   items × items, of `sequence.followers`
    popularity  f32 an item, mean 0 and deviation 1
    repeat      weight of items the user already met; None: they are never offered again
    fading      whether newer events count more
    """

    weights: sparse.csr_array
    followers: sparse.csr_array
    popularity: Floats
    repeat: float | None
    fading: bool = True

    def scores(self, history: Events, asked: Ints) -> Floats:
        """Return users × items; an item that must not be offered has -inf.

        asked  i64 a user, Unix seconds: when the recommendation is asked for
        """
        met = history
        history = history.newest(SERVED_EVENTS)
        age_s = np.maximum(asked[history.user] - history.time, 0)
        taste = faded(age_s, TASTE_FADES_S) if self.fading else np.ones(len(history), np.float32)
        weighted = history.matrix(taste)
        scores = standardised((weighted @ self.weights).toarray())
        if self.fading:
            recent = history.age_rank <= RECENT_EVENTS
            rank = history.age_rank[recent].astype(np.float32)
            pull = faded(age_s, SEQUENCE_FADES_S)[recent] / rank
            last = history.where(recent)
            freshness = np.zeros(history.n_users, np.float32)
            np.maximum.at(freshness, last.user, pull)
            follow = standardised((last.matrix(pull) @ self.followers).toarray())
            follow *= (SEQUENCE_WEIGHT * freshness)[:, None]
            scores += follow
        unknown = np.maximum(1 - history.per_user / KNOWN_AFTER_EVENTS, 0).astype(np.float32)
        rows = np.flatnonzero(unknown)
        scores[rows] += unknown[rows, None] * self.popularity
        if self.repeat is None:
            scores[met.user, met.item] = -np.inf
        else:
            self._favour_met(scores, weighted)
        return scores

    def _favour_met(self, scores: Floats, weighted: sparse.csr_array) -> None:
        user = np.repeat(np.arange(weighted.shape[0]), np.diff(weighted.indptr))
        most = np.zeros(weighted.shape[0], np.float32)
        np.maximum.at(most, user, weighted.data)
        scores[user, weighted.indices] += np.float32(self.repeat) * weighted.data / most[user]


def learn(
    events: Events, features: sparse.csr_array | None, *, fading: bool = True, seed: int = 0
) -> Blend:
    """Return the ranker learnt from `events`; how much habit counts is tried out on their tails."""
    if not events.has_repeats:
        return _learn(events, features, None, fading)
    blend = _learn(events, features, 0.0, fading)
    return replace(blend, repeat=_best_repeat(events, fading, seed))


def in_chunks(blend: Blend, history: Events, asked: Ints) -> Iterator[tuple[slice, Floats]]:
    """Yield (users, their scores), few enough at a time to stay in bounded memory."""
    for part in blocks(history.n_users, history.n_items):
        yield part, blend.scores(history.of(np.arange(part.start, part.stop)), asked[part])


def ranked(blend: Blend, history: Events, asked: Ints, k: int) -> Ints:
    """Return users × k item positions, best first, -1 where nothing more may be offered."""
    positions = np.full((history.n_users, k), -1, np.int64)
    for part, scores in in_chunks(blend, history, asked):
        for row, line in enumerate(scores, part.start):
            top = best(line, k)
            top = top[np.isfinite(line[top])]
            positions[row, : len(top)] = top
    return positions


def faded(age_s: NDArray[np.int64], scale_s: float) -> Floats:
    """Return (1 + age / scale) ^ -1/2."""
    return np.asarray((1 + age_s / scale_s) ** -0.5, np.float32)


def standardised(scores: Floats) -> Floats:
    """Return `scores` with mean 0 and deviation 1 in every row (0 where a row is constant)."""
    scores -= scores.mean(axis=1, keepdims=True)
    deviation = scores.std(axis=1, keepdims=True)
    deviation[deviation == 0] = 1
    scores /= deviation
    return scores


def _learn(
    events: Events, features: sparse.csr_array | None, repeat: float | None, fading: bool
) -> Blend:
    recent = events.newest(TRAINED_EVENTS)
    popularity = np.log1p(events.per_item.astype(np.float32))[None]
    return Blend(
        weights=item_weights(recent.matrix(), features, REGULARISATION),
        followers=followers(recent),
        popularity=standardised(popularity)[0],
        repeat=repeat,
        fading=fading,
    )


def _best_repeat(events: Events, fading: bool, seed: int) -> float:
    """Return the weight that ranks the hidden newest events of some users best."""
    users = np.flatnonzero(events.per_user >= 2)
    shuffled = np.random.default_rng(seed).permutation(len(users))
    held = hide_tails(events.of(users[np.sort(shuffled[:VALIDATED_USERS])]))
    blend = _learn(held.train, None, 0.0, fading)
    n_hidden = np.diff(held.hidden.indptr)

    def quality(weight: float) -> float:
        top = ranked(replace(blend, repeat=weight), held.history, held.asked, 10)
        return float(ndcg(hits(top, held.hidden), n_hidden, 10).mean())

    return max(REPEAT_WEIGHTS, key=quality)
