"""Recommendations on real behaviour, as Personalize splits it.

Ten folds of users; train on nine, show the oldest 90 % of each tenth user's events, ask for the
newest 10 %.  One fold alone is too noisy to compare anything by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.behaviour import Behaviour
from personalization.local.engine.blend import learn, ranked
from personalization.local.engine.cooccurrence import blocks
from personalization.local.engine.events import Floats, Ints
from personalization.local.engine.holdout import Holdout, hide_tails, hide_users
from personalization.local.engine.likeness import ranked_after_newest, similar, sims
from personalization.local.engine.measures import DEPTH, hits, ndcg, reciprocal_rank
from personalization.local.engine.popularity import ranked_by_popularity

FOLDS = 10
RERANKED = 50
RERANKED_TARGETS = 10
RETURNING_FROM = 0.8
RETURNING_EVENTS = 5


@dataclass(frozen=True)
class Outcome:
    """What each tested user got, and how much of the catalogue was shown."""

    ndcg_10: NDArray[np.float64]
    ndcg_25: NDArray[np.float64]
    reciprocal_rank: NDArray[np.float64]
    precision_10: NDArray[np.float64]
    coverage: float

    def better_than(self, other: Outcome) -> tuple[float, float]:
        """Return the mean difference of NDCG@10, user by user, and its standard error."""
        gap = self.ndcg_10 - other.ndcg_10
        return float(gap.mean()), float(gap.std() / np.sqrt(len(gap)))


def of_ranking(top: Ints, held: Holdout) -> Outcome:
    """Return the outcome of `top`, users × DEPTH."""
    hit = hits(top, held.hidden)
    n = np.diff(held.hidden.indptr)
    return Outcome(
        ndcg(hit, n, 10),
        ndcg(hit, n, 25),
        reciprocal_rank(hit),
        hit[:, :10].mean(axis=1),
        len(np.unique(top[top >= 0])) / held.hidden.shape[1],
    )


def in_folds(behaviour: Behaviour) -> dict[str, Outcome]:
    """Return popularity, the linear model alone and the whole blend, over all users."""
    events = behaviour.events
    fold_of = np.random.default_rng(42).permutation(events.n_users) % FOLDS
    fold_of[events.per_user < 2] = -1
    outcomes: dict[str, list[Outcome]] = {}
    for fold in range(FOLDS):
        held = hide_users(events, np.flatnonzero(fold_of == fold))
        for way, top in _ways(held, behaviour).items():
            outcomes.setdefault(way, []).append(of_ranking(top, held))
    return {way: _joined(parts) for way, parts in outcomes.items()}


def of_returning_users(behaviour: Behaviour) -> dict[str, Outcome]:
    """Return the same when the request comes much later: everything before a moment trains."""
    events = behaviour.events
    before = events.time < np.quantile(events.time, RETURNING_FROM)
    train, later = events.where(before), events.where(~before)
    users = np.flatnonzero((train.per_user >= RETURNING_EVENTS) & (later.per_user > 0))
    new = later.where(~events.is_repeat[~before]).of(users)
    some = np.flatnonzero(new.per_user > 0)
    new, history = new.of(some), train.of(users[some])
    held = Holdout(train, history, new.time[new.starts[:-1]], new.matrix())
    return {way: of_ranking(top, held) for way, top in _ways(held, behaviour).items()}


def _ways(held: Holdout, behaviour: Behaviour) -> dict[str, Ints]:
    blend = learn(held.train, behaviour.features)
    linear = replace(blend, fading=False)
    return {
        "popularity": ranked_by_popularity(held, DEPTH, again=blend.repeat is not None),
        "EASE": ranked(linear, held.history, held.asked, DEPTH),
        "fading blend": ranked(blend, held.history, held.asked, DEPTH),
    }


def _joined(parts: list[Outcome]) -> Outcome:
    return Outcome(
        np.concatenate([part.ndcg_10 for part in parts]),
        np.concatenate([part.ndcg_25 for part in parts]),
        np.concatenate([part.reciprocal_rank for part in parts]),
        np.concatenate([part.precision_10 for part in parts]),
        float(np.mean([part.coverage for part in parts])),
    )


def of_related_items(behaviour: Behaviour) -> dict[str, Outcome]:
    """Return how the items related to each user's newest one predict what he does next."""
    held = hide_tails(behaviour.events)
    top = {
        "popularity": ranked_by_popularity(held, DEPTH, again=False),
        "aws-sims": ranked_after_newest(sims(held.train), held, DEPTH, again=False),
        "aws-sims, min_cointeraction_count 0": ranked_after_newest(
            sims(held.train, fewest_shared=0), held, DEPTH, again=False
        ),
        "aws-similar-items": ranked_after_newest(
            similar(held.train, behaviour.features), held, DEPTH, again=False
        ),
    }
    return {way: of_ranking(each, held) for way, each in top.items()}


@dataclass(frozen=True)
class Reranked:
    """Means over the held-out items, each among popular items its user has not met."""

    mrr: float
    ndcg_10: float
    auc: float


def of_reranking(behaviour: Behaviour) -> dict[str, Reranked]:
    """Return where popularity and the blend put a held-out item among RERANKED."""
    held = hide_tails(behaviour.events)
    blend = learn(held.train, behaviour.features)
    count = held.train.per_item.astype(np.float32)
    rng = np.random.default_rng(0)
    ranks: dict[str, list[float]] = {"popularity": [], "fading blend": []}
    n_users = held.history.n_users
    for part in blocks(n_users, held.history.n_items):
        scores = blend.scores(held.history.of(np.arange(part.start, part.stop)), held.asked[part])
        for user, line in enumerate(scores, part.start):
            targets = held.hidden.indices[slice(*held.hidden.indptr[user : user + 2])]
            weights = count.astype(np.float64)
            weights[~np.isfinite(line)] = 0
            weights[targets] = 0
            for target in targets[:RERANKED_TARGETS]:
                drawn = rng.choice(
                    len(count), RERANKED - 1, replace=False, p=weights / weights.sum()
                )
                for way, by in (("popularity", count), ("fading blend", line)):
                    ranks[way].append(_middle_rank(by, int(target), drawn))
    return {way: _reranked(np.array(of)) for way, of in ranks.items()}


def _middle_rank(scores: Floats, target: int, others: Ints) -> float:
    above = (scores[others] > scores[target]).sum()
    return float(1 + above + (scores[others] == scores[target]).sum() / 2)


def _reranked(ranks: NDArray[np.float64]) -> Reranked:
    gain = np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0)
    auc = 1 - (ranks - 1) / (RERANKED - 1)
    return Reranked(float((1 / ranks).mean()), float(gain.mean()), float(auc.mean()))
