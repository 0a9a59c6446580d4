"""Segments on real behaviour: the oldest 80 % of every user's events against the newest 20 %.

Two questions that pull apart: who will act at all (raw: P@50, AUC) and whose attention is on this
(lift: shares).  Activity answers the first and is useless for the second.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.behaviour import Behaviour
from benchmarks.quality.statistics import Numbers, auc, gained, lift, spearman
from personalization.local.engine.holdout import hide_newest_events
from personalization.local.engine.ranking import best
from personalization.local.engine.segments import attribute_affinity, item_affinity

TOP = 50
FEWEST_TRAINED_EVENTS = 3


@dataclass(frozen=True)
class AttributeRow:
    """Means over the attributes."""

    precision: float
    auc: float
    rank_correlation: float
    gained: float
    lift: float


@dataclass(frozen=True)
class ItemRow:
    """Means over the items."""

    hits_1: float
    recall_1: float
    recall_5: float
    auc: float


def attribute_segments(behaviour: Behaviour) -> dict[str, AttributeRow]:
    """Return how four ways of ranking all users do."""
    train, hidden = hide_newest_events(behaviour.events)
    carries = behaviour.carries
    ones = np.ones(len(train), np.float32)
    trained = (train.matrix(ones) @ carries).toarray()
    acted = (hidden.matrix(np.ones(len(hidden), np.float32)) @ carries).toarray()
    by_share = attribute_affinity(train, behaviour.features, 0.0)
    by_volume = attribute_affinity(train, behaviour.features, 0.25)
    columns = [carries[:, [a]].toarray().ravel() for a in range(carries.shape[1])]
    ways = {
        "activity": np.repeat(train.per_user[:, None], len(columns), axis=1),
        "history share": trained / np.maximum(train.per_user, 1)[:, None],
        "recommended, activity_weight 0": np.stack([by_share.scores(c) for c in columns], 1),
        "recommended, activity_weight 0.25": np.stack([by_volume.scores(c) for c in columns], 1),
    }
    asked = np.flatnonzero(acted.sum(axis=0) > 0)
    return {
        way: _mean_attribute([_attribute(s[:, a], acted[:, a], hidden.per_user) for a in asked])
        for way, s in ways.items()
    }


def _attribute(scores: Numbers, acted: Numbers, n_hidden: Numbers) -> AttributeRow:
    seen = n_hidden > 0
    share = acted[seen] / n_hidden[seen]
    return AttributeRow(
        precision=float((acted[best(scores, TOP)] > 0).mean()),
        auc=auc(scores, acted > 0),
        rank_correlation=spearman(scores[seen], share),
        gained=gained(scores[seen], share, 100),
        lift=lift(scores[seen], share, TOP),
    )


def _mean_attribute(rows: list[AttributeRow]) -> AttributeRow:
    names = AttributeRow.__dataclass_fields__
    return AttributeRow(**{n: float(np.mean([getattr(r, n) for r in rows])) for n in names})


def item_segments(behaviour: Behaviour) -> dict[str, ItemRow]:
    """Return how activity and the recipe rank the users who have not met an item yet."""
    train, hidden = hide_newest_events(behaviour.events)
    model = item_affinity(train, again=False)
    acted = hidden.matrix().tocsc()
    asked = np.flatnonzero((np.diff(acted.indptr) > 0) & (train.per_item >= FEWEST_TRAINED_EVENTS))
    activity: list[ItemRow] = []
    recipe: list[ItemRow] = []
    for item in asked:
        scores = model.scores(int(item))
        relevant = np.zeros(train.n_users, bool)
        relevant[acted.indices[acted.indptr[item] : acted.indptr[item + 1]]] = True
        new = np.flatnonzero(np.isfinite(scores))
        if relevant[new].any():
            activity.append(_item(train.per_user[new], relevant[new], train.n_users))
            recipe.append(_item(scores[new], relevant[new], train.n_users))
    return {"activity": _mean_item(activity), "TF-IDF neighbours": _mean_item(recipe)}


def _item(scores: Numbers, relevant: NDArray[np.bool_], n_users: int) -> ItemRow:
    top_1, top_5 = (relevant[best(scores, n_users * percent // 100)].sum() for percent in (1, 5))
    n = relevant.sum()
    return ItemRow(float(top_1), float(top_1 / n), float(top_5 / n), auc(scores, relevant))


def _mean_item(rows: list[ItemRow]) -> ItemRow:
    names = ItemRow.__dataclass_fields__
    return ItemRow(**{n: float(np.mean([getattr(r, n) for r in rows])) for n in names})
