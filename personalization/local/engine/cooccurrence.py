"""Which items share users: the neighbours of each item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from scipy import sparse

from personalization.local.engine.events import Floats, Ints
from personalization.local.engine.ranking import strongest_in_rows

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

    In `tfidf` a user counts by log(items / (1 + his items)): who likes everything says little.
    """
    vectors = matrix.T.tocsr().astype(np.float32)
    if weighting == "tfidf":
        n_of_user = np.diff(matrix.indptr)
        rarity = np.log(max(matrix.shape[1], 2)) - np.log1p(n_of_user)
        vectors.data *= np.maximum(rarity, 0).astype(np.float32)[vectors.indices]
    return unit_rows(vectors)


def unit_rows(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return `matrix` with rows of Euclidean length 1, where they are not empty."""
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return (sparse.diags_array(scale.astype(np.float32)) @ matrix).tocsr().astype(np.float32)


def similarities(vectors: sparse.csr_array, rows: Ints) -> Iterator[tuple[Ints, Floats]]:
    """Yield (some of `rows`, their products with all items), dense; an item and itself give 0."""
    others = vectors.T.tocsr()
    for part in blocks(len(rows), vectors.shape[0]):
        chosen = rows[part]
        block: Floats = (vectors[chosen] @ others).toarray()
        block[np.arange(len(chosen)), chosen] = 0
        yield chosen, block


def neighbours(vectors: sparse.csr_array, k: int, rows: Ints | None = None) -> sparse.csr_array:
    """Return each item's `k` most similar items, as rows; `rows` picks some of the items."""
    chosen = np.arange(vectors.shape[0]) if rows is None else rows
    parts = [strongest_in_rows(block, k) for _, block in similarities(vectors, chosen)]
    if not parts:
        return sparse.csr_array((0, vectors.shape[0]), dtype=np.float32)
    return sparse.vstack(parts, format="csr")
