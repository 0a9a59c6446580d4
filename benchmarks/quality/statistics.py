"""Numbers that say how well one order of users agrees with another."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from personalization.local.engine.ranking import best

Numbers = NDArray[np.number[Any]]


def spearman(left: Numbers, right: Numbers) -> float:
    """Return the rank correlation; 0 where one side is constant."""
    a, b = rankdata(left), rankdata(right)
    spread = a.std() * b.std()
    return float(((a - a.mean()) * (b - b.mean())).mean() / spread) if spread > 0 else 0.0


def auc(scores: Numbers, positive: NDArray[np.bool_]) -> float:
    """Return the chance that a positive ranks above a negative, ties counting half."""
    n = int(positive.sum())
    if n in (0, len(positive)):
        return 0.5
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(positive) - n)))


def gained(scores: Numbers, gain: Numbers, k: int) -> float:
    """Return the discounted gain of the top `k` over the best possible one."""
    discount = 1 / np.log2(np.arange(2, min(k, len(gain)) + 2))
    ideal = float((gain[best(gain, k)] * discount).sum())
    return float((gain[best(scores, k)] * discount).sum()) / ideal if ideal > 0 else 0.0


def lift(scores: Numbers, value: Numbers, k: int) -> float:
    """Return the mean value of the top `k` over the mean of all."""
    return float(value[best(scores, k)].mean() / value.mean())
