"""Rankings against what users did next, as Personalize measures it.

Source: Personalize developer guide, "Evaluating a solution version with metrics".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from personalization.local.engine.events import Ints

CUTOFFS = (5, 10, 25)
DEPTH = max(CUTOFFS)


def hits(ranked: Ints, relevant: sparse.csr_array) -> NDArray[np.bool_]:
    """Return which of `ranked` are relevant.

    ranked    cases × depth: item positions, best first, -1 where the ranking has ended
    relevant  cases × items, not zero where relevant
    """
    n_items = relevant.shape[1]
    rows = np.arange(ranked.shape[0], dtype=np.int64)[:, None]
    truth = np.repeat(rows.ravel(), np.diff(relevant.indptr)) * n_items + relevant.indices
    return np.isin(rows * n_items + ranked, truth) & (ranked >= 0)


def ndcg(hit: NDArray[np.bool_], n_relevant: Ints, k: int) -> NDArray[np.float64]:
    """Return each case's discounted gain in the first `k`, over the best possible one."""
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(n_relevant, k) - 1]
    first = hit[:, :k]
    return np.asarray((first * discount[: first.shape[1]]).sum(axis=1) / ideal)


def reciprocal_rank(hit: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return 1 / rank of each case's first hit, 0 without one."""
    return np.asarray(np.where(hit.any(axis=1), 1 / (1 + hit.argmax(axis=1)), 0.0))


def ranking_metrics(ranked: Ints, relevant: sparse.csr_array, catalogue: int) -> dict[str, float]:
    """Return GetSolutionMetrics' values for recommendations, means over the cases.

    ranked     as in `hits`, DEPTH deep; every case has at least one relevant item
    catalogue  number of items that could have been recommended
    """
    hit = hits(ranked, relevant)
    n_relevant = np.diff(relevant.indptr)
    values = {
        "coverage": len(np.unique(ranked[ranked >= 0])) / catalogue,
        "mean_reciprocal_rank_at_25": float(reciprocal_rank(hit[:, :DEPTH]).mean()),
    }
    for k in CUTOFFS:
        gains = ndcg(hit, n_relevant, k)
        values[f"normalized_discounted_cumulative_gain_at_{k}"] = float(gains.mean())
    for k in CUTOFFS:
        values[f"precision_at_{k}"] = float(hit[:, :k].sum(axis=1).mean() / k)
    return values


def segment_metrics(segments: list[Ints], actual: list[Ints], n_users: int) -> dict[str, float]:
    """Return GetSolutionMetrics' values for segments, means over the queries.

    segments  for each query, the top 1 % of users
    actual    for each query, the users who did interact (at least one)

    Hits are a mean count of users, as Personalize reports it, not a rate.  Where nothing was hidden
    there are no queries, and all is 0.
    """
    if not segments:
        return {"coverage": 0.0, "hits_at_1_percent": 0.0, "recall_at_1_percent": 0.0}
    caught = [len(np.intersect1d(s, a)) for s, a in zip(segments, actual, strict=True)]
    reached = np.unique(np.concatenate(segments))
    return {
        "coverage": len(reached) / n_users,
        "hits_at_1_percent": float(np.mean(caught)),
        "recall_at_1_percent": float(
            np.mean([c / len(a) for c, a in zip(caught, actual, strict=True)])
        ),
    }
