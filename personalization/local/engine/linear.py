"""The item-to-item model: EASE, kept as its strongest positive weights.

EASE (Steck 2019) predicts each item from all others by ridge regression, in closed form.  The
100 largest positive weights an item keep 98–99 % of its quality at 1 % of its size, and make the
segment formula exact (positive masses add up).
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_info, threadpool_limits

from personalization.errors import FatalError
from personalization.local.engine.cooccurrence import blocks, item_vectors, neighbours
from personalization.local.engine.events import Ints
from personalization.local.engine.ranking import strongest_in_rows

KEEP = 100
# How many popular items a new one is compared with.
MODELS = 10_000
# OpenBLAS's Cholesky crashes the process at n = 29,858 with two threads and is sound at 24,000.
LARGEST_SOLVE = 20_000
BLAS_THREADS = 2
# The solve takes n³ steps; n is held so that this grows no faster than the events.  The rest are
# scored by co-occurrence, which costs little: on MovieLens latest-small a solve of the 1,000 most
# popular of 9,724 films keeps 98 % of NDCG@10 and 99 % of a segment's lift.
SOLVE_STEPS_PER_EVENT = 2e5


def item_weights(
    matrix: sparse.csr_array, features: sparse.csr_array | None, regularisation: float
) -> sparse.csr_array:
    """Return items × items: how much liking the row's item speaks for the column's item.

    matrix          users × items, ones
    features        items × values of unit length, or None: with it, items nobody has met get a
                    column
    regularisation  how many users' worth of doubt

    Items in too few events for the solve get their co-occurrence neighbours, and items nobody has
    met those that resemble them; both are scaled to the solved columns of the rarest items.
    """
    matrix = matrix[np.diff(matrix.indptr) > 0]
    n_items = matrix.shape[1]
    popularity = np.bincount(matrix.indices, minlength=n_items)
    by_popularity = np.lexsort((np.arange(n_items), -popularity))
    met = by_popularity[: np.count_nonzero(popularity)]
    if not len(met):
        return sparse.csr_array((n_items, n_items), dtype=np.float32)
    budget = min(LARGEST_SOLVE, int((SOLVE_STEPS_PER_EVENT * matrix.nnz) ** (1 / 3)))
    through_users = matrix.shape[0] <= min(budget // 2, len(met))
    n_solved = min(len(met), LARGEST_SOLVE if through_users else budget)
    solved, tail = np.sort(met[:n_solved]), np.sort(met[n_solved:])

    solve = _solve_through_users if through_users else _solve_through_items
    with _few_threads():
        columns = [_widened(solve(matrix[:, solved], regularisation), solved, n_items)]
    typical = _typical_sum(columns[0], popularity[solved])
    if len(tail):
        alike = neighbours(item_vectors(matrix, "cosine"), KEEP, tail)
        columns.append(_with_sum(alike, typical))
    cold = by_popularity[len(met) :]
    if len(cold) and features is not None:
        columns.append(_with_sum(_lookalikes(features, cold, met[:MODELS]), typical))
    else:
        cold = cold[:0]
    return _as_columns(columns, np.concatenate([solved, tail, cold]))


def _solve_through_items(matrix: sparse.csr_array, regularisation: float) -> sparse.csr_array:
    """Return each item's strongest weights as rows; one items × items buffer, used in place."""
    n = matrix.shape[1]
    inverse = np.empty((n, n), np.float32, order="F")
    transposed = matrix.T.tocsr()
    by_item = matrix.tocsc()
    for part in blocks(n, n):
        inverse[:, part] = (transposed @ by_item[:, part]).toarray()
    inverse[np.arange(n), np.arange(n)] += regularisation
    inverse, failed = lapack.spotrf(inverse, lower=1, clean=0, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.spotri(inverse, lower=1, overwrite_c=1)
    if failed:
        raise FatalError(
            f"the solve over {n} items failed: LAPACK says {failed}; "
            "is the regularisation positive?"
        )

    diagonal = inverse.diagonal().copy()
    kept = []
    for part in blocks(n, n):
        rows = np.empty((part.stop - part.start, n), np.float32)  # only the lower half is filled
        rows[:, : part.start] = inverse[part, : part.start]
        rows[:, part.stop :] = inverse[part.stop :, part].T
        corner = np.tril(inverse[part, part])
        rows[:, part] = corner + np.tril(corner, -1).T
        rows /= -diagonal[part, None]
        rows[np.arange(len(rows)), np.arange(part.start, part.stop)] = 0
        kept.append(strongest_in_rows(rows, KEEP))
    return sparse.vstack(kept, format="csr")


def _solve_through_users(matrix: sparse.csr_array, regularisation: float) -> sparse.csr_array:
    """Return the same weights by inverting users × users (Woodbury), for when those are fewer."""
    n_users, n = matrix.shape
    gram = (matrix @ matrix.T.tocsr()).toarray().astype(np.float64)
    gram[np.arange(n_users), np.arange(n_users)] += regularisation
    kernel = np.linalg.inv(gram).astype(np.float32)
    transposed = matrix.T.tocsr()
    by_item = matrix.tocsc()
    kept = []
    for part in blocks(n, n):
        width = np.arange(part.stop - part.start)
        explained = (transposed @ (kernel @ by_item[:, part].toarray())).T
        own = explained[width, part.start + width].copy()
        explained[width, part.start + width] = 0
        kept.append(strongest_in_rows(explained / (1 - own)[:, None], KEEP))
    return sparse.vstack(kept, format="csr")


def _lookalikes(features: sparse.csr_array, rows: Ints, among: Ints) -> sparse.csr_array:
    """Return, for each of `rows`, the items of `among` whose features are most alike."""
    transposed = features[among].T.tocsr()
    kept = [
        strongest_in_rows((features[rows[part]] @ transposed).toarray(), KEEP)
        for part in blocks(len(rows), len(among))
    ]
    return _widened(sparse.vstack(kept, format="csr"), among, features.shape[0])


def _few_threads() -> threadpool_limits:
    """Return a guard under which BLAS uses no more threads than now, and BLAS_THREADS at most."""
    now = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return threadpool_limits(min([BLAS_THREADS, *now]), user_api="blas")


def _typical_sum(rows: sparse.csr_array, popularity: Ints) -> float:
    """Return what the weights of the rarest tenth of solved items sum to, on average."""
    rarest = np.argsort(popularity, kind="stable")[: max(1, len(popularity) // 10)]
    return float(rows[rarest].sum() / len(rarest))


def _with_sum(rows: sparse.csr_array, total: float) -> sparse.csr_array:
    """Return `rows` scaled so that they sum to `total` on average."""
    mean = float(rows.sum()) / rows.shape[0]
    return rows * np.float32(total / mean if mean > 0 else 0)


def _widened(rows: sparse.csr_array, columns: Ints, n_items: int) -> sparse.csr_array:
    return sparse.csr_array(
        (rows.data, columns[rows.indices].astype(np.int32), rows.indptr),
        shape=(rows.shape[0], n_items),
    )


def _as_columns(parts: list[sparse.csr_array], targets: Ints) -> sparse.csr_array:
    """Return items × items whose column `targets[i]` is row i of the stacked `parts`."""
    stacked = sparse.vstack(parts, format="csr")
    n_items = stacked.shape[1]
    row_of = np.full(n_items, -1)
    row_of[targets] = np.arange(len(targets))
    empty = sparse.csr_array((1, n_items), dtype=np.float32)
    padded = sparse.vstack([stacked, empty], format="csr")
    return padded[row_of].T.tocsr().astype(np.float32)
