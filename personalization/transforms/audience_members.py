"""Who of a batch of users is in an audience, under which ids, and whom it does not reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from personalization.columns import CHANNEL, ENDPOINT_ID
from personalization.transforms.audience_options import AudienceOptions
from personalization.transforms.endpoint_buckets import hashes
from personalization.transforms.endpoint_index import ROW, EndpointIndex

# Given a channel (None: all) and a stretch of the batch's users: the audience's ids, and a mask
# that says which of the users it reaches.
Members = Callable[[str | None, int, int], tuple[pl.Series, pl.Series]]


def find_members(
    users: pl.Series,
    index: EndpointIndex,
    options: AudienceOptions,
    channels: Sequence[str | None],
) -> Members:
    """Join the users, which may repeat from stretch to stretch but not within, to their endpoints.

    User ids come in the users' order; endpoint ids too if `options.top` is set, since no import
    needs the order and it costs.
    """
    columns = told_by_an_endpoint(options)
    if options.address_by == "user":
        return _by_user(users, index, columns, channels)
    return _by_endpoint(users, index, columns, ranked=options.top is not None)


def told_by_an_endpoint(options: AudienceOptions) -> list[str]:
    """Return the columns that a matching endpoint must tell."""
    asked = {ENDPOINT_ID: options.address_by == "endpoint", CHANNEL: options.one_per_channel}
    return [name for name, needed in asked.items() if needed]


def distinct(ids: pl.Series) -> pl.Series:
    """Return the ids in order, each once.  Equal ids have equal hashes, and those sort fast."""
    ordered = np.sort(hashes(ids))
    if (ordered[1:] != ordered[:-1]).all():
        return ids
    return ids.unique(maintain_order=True)


def _by_user(
    users: pl.Series, index: EndpointIndex, columns: list[str], channels: Sequence[str | None]
) -> Members:
    reached = {channel: np.zeros(len(users), np.bool_) for channel in channels}
    for found in index.match(users, columns):
        for channel in channels:
            rows = found if channel is None else found.filter(pl.col(CHANNEL) == channel)
            reached[channel][rows[ROW].to_numpy()] = True

    def members(channel: str | None, start: int, stop: int) -> tuple[pl.Series, pl.Series]:
        mask = pl.Series(reached[channel][start:stop])
        return users.slice(start, stop - start).filter(mask), mask

    return members


def _by_endpoint(
    users: pl.Series, index: EndpointIndex, columns: list[str], *, ranked: bool
) -> Members:
    found = list(index.match(users, columns))
    rows = [part[ROW].to_numpy() for part in found]

    def members(channel: str | None, start: int, stop: int) -> tuple[pl.Series, pl.Series]:
        edges = [np.searchsorted(part, [start, stop]) for part in rows]
        mine = pl.concat([part[first:end] for part, (first, end) in zip(found, edges, strict=True)])
        if channel is not None:
            mine = mine.filter(pl.col(CHANNEL) == channel)
        if ranked:
            mine = mine.sort(ROW, maintain_order=True)
        reached = np.zeros(stop - start, np.bool_)
        reached[mine[ROW].to_numpy() - start] = True
        return distinct(mine[ENDPOINT_ID]), pl.Series(reached)

    return members
