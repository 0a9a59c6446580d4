"""What a delivery would send, without sending it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from personalization.columns import REMOVED
from personalization.connectors.base import TakesAttributes
from personalization.delivery.outbox import Outbox, too_long


@dataclass(frozen=True)
class Preview:
    """Counts, and the first requests' bodies as they would go out.  For people, not for logs.

    users     in the outbox
    removals  of them, those who are cleared
    requests  that carry them if all goes well
    too_long  users whose line no request can carry
    size      of all lines, in bytes
    payloads  bodies of the first requests
    """

    users: int
    removals: int
    requests: int
    too_long: int
    size: int
    payloads: tuple[bytes, ...]


def preview(connector: TakesAttributes, outbox: Outbox, *, payloads: int = 1) -> Preview:
    """Cut the outbox into requests and count them.  Calls no destination, writes nothing."""
    limits = connector.attribute_limits
    users = removals = requests = long = size = 0
    bodies: list[bytes] = []
    for file in outbox.files:
        table = outbox.users(file)
        users += table.height
        removals += int(table.select(pl.col(REMOVED).sum()).item())
    for batch in outbox.batches(limits):
        size += sum(map(len, batch.lines))
        if len(batch.lines) == 1 and too_long(batch.lines[0], limits):
            long += 1
            continue
        requests += 1
        if len(bodies) < payloads:
            bodies.append(connector.payload(batch.lines))
    return Preview(users, removals, requests, long, size, tuple(bodies))
