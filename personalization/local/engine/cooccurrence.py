"""Which items share users: the neighbours of each item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy import sparse

from personalization.local.engine.events import Ints
from personalization.local.engine.ranking import prune_rows

# Dense cells worked on at a time: 64 MB of f32, whatever the number of items.
BLOCK_CELLS = 2**24


def blocks(n: int, width: int) -> Iterator[slice]:
    """Yield slices that cover 0..n so that each, times `width`, stays within BLOCK_CELLS."""
    step = max(1, BLOCK_CELLS // max(1, width))
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def item_vectors(
    matrix: sparse.csr_array, weighting: Literal["cosine", "tfidf"]
) -> sparse.csr_array:
    """Return items × users of unit length, from users × items of ones.

    In `tfidf` a user counts by log(items / (1 + his items)): who met everything tells nothing.
    """
    vectors = matrix.T.tocsr().astype(np.float32)
    if weighting == "tfidf":
        n_of_user = np.diff(matrix.indptr)
        rarity = np.log(max(matrix.shape[1], 2)) - np.log1p(n_of_user)
        vectors.data *= np.maximum(rarity, 1e-6).astype(np.float32)[vectors.indices]
    return unit_rows(vectors)


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return `matrix` with rows of Euclidean length 1, where they are not empty."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return (sparse.diags_array(scale.astype(np.float32)) @ matrix).tocsr().astype(np.float32)


def neighbours(vectors: sparse.csr_array, k: int, rows: Ints) -> sparse.csr_array:
    """Return the `k` items most similar to each of `rows`, which is not its own neighbour.

    The work is that of the items' users' other items: little where items are rare.
    """
    others = vectors.T.tocsr()
    n_of_user = np.diff(others.indptr)
    work = np.asarray((vectors[rows] != 0) @ n_of_user).cumsum()
    part_of = (work // BLOCK_CELLS).astype(np.int64)
    kept = []
    for part in np.split(rows, np.flatnonzero(np.diff(part_of)) + 1):
        alike = (vectors[part] @ others).tocsr()
        itself = alike.indices == np.repeat(part, np.diff(alike.indptr))
        alike.data[itself] = 0
        kept.append(prune_rows(alike, k))
    return sparse.vstack(kept, format="csr")
