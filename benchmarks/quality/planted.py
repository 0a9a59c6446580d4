"""Segments against the truth, in worlds where it is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.quality.statistics import Numbers, lift, spearman
from benchmarks.worlds import Doubles, World
from personalization.local.engine.events import encode
from personalization.local.engine.features import item_features
from personalization.local.engine.ranking import best
from personalization.local.engine.segments import HISTORY_PRIOR, attribute_affinity

BUSY_FROM = 100


@dataclass(frozen=True)
class TruthRow:
    """Means over the genres.

    rank_correlation  with the true share, over all users; `busy`: over those with 100 events
    overlap           of the top 1 % with the true top 1 %
    lift              true share of the top 5 % over that of all
    of_oracle         that lift over the best possible
    """

    rank_correlation: float
    busy: float
    overlap: float
    lift: float
    of_oracle: float


def against_truth(world: World) -> dict[str, TruthRow]:
    """Return how activity, the plain smoothed share and the recipe see `world`."""
    encoded = encode(world.data, 0)
    events = encoded.events
    carries = world.carries.astype(np.float32)
    counted = events.matrix(np.ones(len(events), np.float32)) @ carries
    base = counted.sum(axis=0) / len(events)
    n = events.per_user[:, None]
    model = attribute_affinity(events, item_features(world.data.items, encoded.items), 0.0)
    ways = {
        "activity": np.repeat(n, carries.shape[1], axis=1),
        "history share, smoothed": (counted + HISTORY_PRIOR * base) / (n + HISTORY_PRIOR),
        "recommended": np.stack([model.scores(genre) for genre in carries.T.copy()], 1),
    }
    return {way: _row(scores, world.truth, events.per_user) for way, scores in ways.items()}


def _row(scores: Numbers, truth: Doubles, n_events: Numbers) -> TruthRow:
    one, five = len(truth) // 100, len(truth) // 20
    busy = n_events >= BUSY_FROM
    genres = list(zip(scores.T, truth.T, strict=True))
    lifted = float(np.mean([lift(s, t, five) for s, t in genres]))
    shared = [len(np.intersect1d(best(s, one), best(t, one))) / one for s, t in genres]
    return TruthRow(
        rank_correlation=float(np.mean([spearman(s, t) for s, t in genres])),
        busy=float(np.mean([spearman(s[busy], t[busy]) for s, t in genres])),
        overlap=float(np.mean(shared)),
        lift=lifted,
        of_oracle=lifted / float(np.mean([lift(t, t, five) for _, t in genres])),
    )
