from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from personalization.local.engine.ranking import best, prune_rows, strongest_in_rows


@pytest.mark.parametrize(
    ("scores", "k", "expected"),
    [
        pytest.param([1, 3, 2], 2, [1, 2], id="best-first"),
        pytest.param([5, 7, 5, 7, 5], 4, [1, 3, 0, 2], id="ties-by-position"),
        pytest.param([5, 5, 5], 2, [0, 1], id="ties-at-the-edge"),
        pytest.param([1, 2], 5, [1, 0], id="more-than-there-are"),
        pytest.param([1, 2], 0, [], id="none"),
    ],
)
def test_the_best_come_first_and_ties_stay_in_order(scores, k, expected):
    assert best(np.array(scores, np.float32), k).tolist() == expected


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(1, 45))
def test_the_best_are_those_of_a_stable_sort(scores, k):
    expected = sorted(range(len(scores)), key=lambda at: (-scores[at], at))[:k]

    assert best(np.array(scores), k).tolist() == expected


def test_only_positive_values_are_strong():
    kept = strongest_in_rows(np.array([[3, 1, 2, -1], [-1, 0, -2, 5]], np.float32), 2)

    assert kept.toarray().tolist() == [[3, 0, 2, 0], [0, 0, 0, 5]]


def test_pruning_keeps_the_largest_positive_values_of_each_row():
    matrix = sparse.csr_array(np.array([[3, 1, 2, 1], [0, -1, 4, 0]], np.float32))

    assert prune_rows(matrix, 2).toarray().tolist() == [[3, 0, 2, 0], [0, 0, 4, 0]]
