"""Dead letters of a connector job, sent again: what its state has to know of that.

A letter is as old as the run that wrote it.  Whoever was told something newer since is left out;
whoever is sent the letter counts as holding something, but not surely the latest, so that the job's
next run tells them what is true then, or clears them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from personalization.columns import HASH, REMOVED, USER_ID
from personalization.delivery import Outbox
from personalization.sync.layout import JobPath
from personalization.sync.state_store import fetch_state, store_state
from personalization.sync.work import Desk
from personalization.transforms.recommendation_state import STALE, doubt, read_state


@dataclass(frozen=True)
class Origin:
    """Which part of a job letters belong to.

    attributes  names that the lines may set
    """

    job: str
    connector: str
    destination: str
    part: str
    attributes: tuple[str, ...] = ()

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Origin | None:
        """Return it as letters say it; None if they are of no job."""
        if not said:
            return None
        names = tuple(said["attributes"])
        return cls(said["job"], said["connector"], said["destination"], said["part"], names)


class HeldByJob:
    """The state of the part that letters belong to, at the destination they are sent to."""

    def __init__(self, s3: Any, origin: Origin, destination: str, folder: Path) -> None:
        desk = Desk(JobPath.parse(origin.job), origin.connector, destination, folder)
        self._s3 = s3
        self._origin = origin
        self._stored = desk.stored_of(origin.part)
        self._folder = folder

    def told_since(self, users: Collection[str]) -> set[str]:
        """Return those of the users of whom it is known for sure what they hold."""
        held = read_state(fetch_state(self._s3, self._stored, self._folder)).users
        sure = held.filter(pl.col(HASH) != STALE, pl.col(USER_ID).is_in(list(users)))
        return set(sure[USER_ID])

    def distrust(self, outbox: Outbox, run: str) -> None:
        """Write down that all of the outbox are about to be told something old.  Safe to repeat."""
        folder = fetch_state(self._s3, self._stored, self._folder)
        tables = [outbox.users(file).select(USER_ID, REMOVED) for file in outbox.files]
        if tables:
            doubt(folder, pl.concat(tables), self._origin.attributes)
            store_state(self._s3, folder, self._stored, run)
