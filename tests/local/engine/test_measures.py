from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from personalization.local.engine.measures import (
    hits,
    ndcg,
    ranking_metrics,
    reciprocal_rank,
    segment_metrics,
)


def relevant(*rows: list[int], items: int = 10) -> sparse.csr_array:
    dense = np.zeros((len(rows), items), np.float32)
    for row, chosen in enumerate(rows):
        dense[row, chosen] = 1
    return sparse.csr_array(dense)


def test_a_hit_is_a_recommended_item_that_was_met():
    found = hits(np.array([[0, 4, 1], [4, -1, -1]]), relevant([1, 4], [0]))

    assert found.tolist() == [[False, True, True], [False, False, False]]


def test_ndcg_is_that_of_the_developer_guide():
    # Five recommendations, the second and the fifth are relevant:
    # (1/log2(3) + 1/log2(6)) / (1/log2(2) + 1/log2(3)) = 0.6241
    hit = np.array([[False, True, False, False, True]])

    assert ndcg(hit, np.array([2]), 5)[0] == pytest.approx(0.6241, abs=5e-5)


def test_the_ideal_is_no_longer_than_the_list():
    hit = np.array([[True, True]])

    assert ndcg(hit, np.array([7]), 2)[0] == 1


def test_the_reciprocal_rank_counts_the_first_hit_only():
    hit = np.array([[False, False, True, True], [False] * 4])

    assert reciprocal_rank(hit).tolist() == [pytest.approx(1 / 3), 0]


def test_metrics_are_means_over_users_under_personalizes_names():
    ranked = np.array([[3, 1, 2, 5, 6], [3, 7, -1, -1, -1]])

    metrics = ranking_metrics(ranked, relevant([1, 6], [3]), catalogue=10)

    assert metrics == {
        "coverage": 0.6,
        "mean_reciprocal_rank_at_25": (1 / 2 + 1) / 2,
        "normalized_discounted_cumulative_gain_at_5": pytest.approx((0.6241 + 1) / 2, abs=5e-5),
        "normalized_discounted_cumulative_gain_at_10": pytest.approx((0.6241 + 1) / 2, abs=5e-5),
        "normalized_discounted_cumulative_gain_at_25": pytest.approx((0.6241 + 1) / 2, abs=5e-5),
        "precision_at_5": pytest.approx(0.3),
        "precision_at_10": pytest.approx(0.15),
        "precision_at_25": pytest.approx(0.06),
    }


def test_segment_hits_are_a_count_and_recall_a_share():
    metrics = segment_metrics(
        segments=[np.array([0, 1]), np.array([0, 2])],
        actual=[np.array([0, 1, 5, 6]), np.array([3])],
        n_users=200,
    )

    assert metrics == {
        "coverage": 3 / 200,
        "hits_at_1_percent": 1.0,
        "recall_at_1_percent": 0.25,
    }


def test_where_nothing_was_hidden_segments_measure_nothing():
    assert set(segment_metrics([], [], 100).values()) == {0.0}
