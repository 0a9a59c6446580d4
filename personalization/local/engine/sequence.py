"""What tends to follow what: the short memory beside the taste."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from personalization.local.engine.events import Events
from personalization.local.engine.ranking import prune_rows

WINDOW = 20
KEEP = 100


def followers(events: Events) -> sparse.csr_array:
    """Return items × items: how often the column's item came soon after the row's.

    Two items `d` events apart count 1/d; rows are divided by how often their item was met.
    """
    shape = (events.n_items, events.n_items)
    total = sparse.csr_array(shape, dtype=np.float32)
    for distance in range(1, WINDOW + 1):
        before, after = events.item[:-distance], events.item[distance:]
        pair = (events.user[distance:] == events.user[:-distance]) & (before != after)
        before, after = before[pair], after[pair]
        weight = np.full(len(before), 1 / distance, np.float32)
        total = total + sparse.csr_array((weight, (before, after)), shape=shape)
    often = np.maximum(events.per_item, 1).astype(np.float32)
    total.data /= np.repeat(often, np.diff(total.indptr))
    return prune_rows(total, KEEP)
