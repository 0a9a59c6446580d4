from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_info

from personalization.errors import FatalError
from personalization.local.engine import linear
from personalization.local.engine.linear import item_weights


def random_matrix(users: int, items: int, seed: int = 0) -> sparse.csr_array:
    met = np.random.default_rng(seed).random((users, items)) < 0.3
    return sparse.csr_array(met.astype(np.float32))


def by_the_book(matrix: sparse.csr_array, regularisation: float) -> np.ndarray:
    """EASE: B = -P / diag(P) with P = (X'X + λ)^-1, diagonal 0; negative weights dropped."""
    dense = matrix.toarray().astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + regularisation * np.eye(dense.shape[1]))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.maximum(weights, 0)


@pytest.mark.parametrize(
    ("users", "items"),
    [pytest.param(60, 12, id="through-items"), pytest.param(12, 60, id="through-users")],
)
def test_the_weights_are_those_of_the_closed_form(users, items):
    matrix = random_matrix(users, items)

    weights = item_weights(matrix, None, 5.0).toarray()

    assert weights == pytest.approx(by_the_book(matrix, 5.0), abs=1e-5)


def test_only_the_strongest_weights_of_an_item_are_kept(monkeypatch):
    monkeypatch.setattr(linear, "KEEP", 3)
    matrix = random_matrix(60, 12)

    weights = item_weights(matrix, None, 5.0).toarray()

    full = by_the_book(matrix, 5.0)
    assert (np.count_nonzero(weights, axis=0) <= 3).all()
    assert weights.max(axis=0) == pytest.approx(full.max(axis=0), abs=1e-5)


def test_items_beyond_the_solve_are_scored_by_their_neighbours(monkeypatch):
    monkeypatch.setattr(linear, "LARGEST_SOLVE", 4)
    # Items 0 to 3 are popular; item 4 is met only together with item 0.
    met = np.zeros((30, 5), np.float32)
    met[:, :4] = np.random.default_rng(0).random((30, 4)) < 0.7
    met[:3, 0] = met[:3, 4] = 1
    met[:3, 1:4] = 0

    weights = item_weights(sparse.csr_array(met), None, 5.0).toarray()

    assert weights[:, 4].argmax() == 0
    assert weights[0, 4] > 0


def test_items_nobody_met_are_scored_by_what_they_resemble():
    matrix = random_matrix(60, 5)
    matrix = sparse.csr_array(np.hstack([matrix.toarray(), np.zeros((60, 1), np.float32)]))
    features = sparse.csr_array(
        np.array([[1, 0], [0, 1], [0, 1], [0, 1], [0, 1], [1, 0]], np.float32)
    )

    weights = item_weights(matrix, features, 5.0).toarray()

    assert np.flatnonzero(weights[:, 5]).tolist() == [0]
    assert not weights[5].any()


def test_a_solve_that_cannot_be_done_says_so():
    with pytest.raises(FatalError, match="the solve over 12 items failed: LAPACK says 1;"):
        item_weights(random_matrix(60, 12), None, -1000.0)


def test_blas_is_held_to_two_threads_and_then_let_go():
    def threads() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = threads()
    with linear._few_threads():
        during = threads()

    assert max(during) <= min(2, *before)
    assert threads() == before


def test_without_events_there_are_no_weights():
    assert item_weights(sparse.csr_array((3, 4), dtype=np.float32), None, 5.0).nnz == 0
