"""The best of many, with ties in a fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from personalization.local.engine.events import Floats, Ints

Numbers = NDArray[np.number[Any]]


def best(scores: Numbers, k: int) -> Ints:
    """Return the positions of the `k` largest scores, best first, ties by position."""
    k = min(k, len(scores))
    if k <= 0:
        return np.empty(0, np.int64)
    if k < len(scores):
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        above = np.flatnonzero(scores > threshold)
        level = np.flatnonzero(scores == threshold)[: k - len(above)]
        chosen = np.concatenate([above, level])
    else:
        chosen = np.arange(len(scores))
    return chosen[np.lexsort((chosen, -scores[chosen]))]


def strongest_in_rows(block: Floats, k: int) -> sparse.csr_array:
    """Return the `k` largest positive values of each row of a dense block."""
    n_rows, n_columns = block.shape
    k = min(k, n_columns)
    columns = np.argpartition(block, n_columns - k, axis=1)[:, n_columns - k :]
    columns.sort(axis=1)
    values = np.take_along_axis(block, columns, axis=1)
    positive = values > 0
    ends = np.concatenate([[0], np.cumsum(positive.sum(axis=1))])
    return sparse.csr_array(
        (values[positive], columns[positive].astype(np.int32), ends), shape=(n_rows, n_columns)
    )


def prune_rows(matrix: sparse.csr_array, k: int) -> sparse.csr_array:
    """Return `matrix` with the `k` largest positive values of each row."""
    keep = matrix.data > 0
    starts = matrix.indptr
    for row in np.flatnonzero(np.diff(starts) > k):
        values = matrix.data[starts[row] : starts[row + 1]]
        strongest = best(values, k)
        keep[starts[row] : starts[row + 1]] = False
        keep[starts[row] + strongest] = values[strongest] > 0
    ends = np.concatenate([[0], np.cumsum(keep)])[starts]
    return sparse.csr_array((matrix.data[keep], matrix.indices[keep], ends), shape=matrix.shape)
