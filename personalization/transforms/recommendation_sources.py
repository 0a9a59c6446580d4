"""Where users and their lists come from: part by part, so that memory is that of a few parts.

A part gives the same rows whenever it is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, TypeVar

import polars as pl

from personalization.columns import IDS, USER_ID
from personalization.transforms.recommendation_lines import (
    PIECE_BYTES,
    Fault,
    ListReader,
    Piece,
    pieces,
)
from personalization.transforms.uniform_lines import OWNER

_PART_USERS: Final = 50_000

P = TypeVar("P")


def _nobody() -> pl.Series:
    return pl.Series(USER_ID, [], pl.String)


@dataclass(frozen=True)
class UserLists:
    """Some users and their lists.

    rows    user_id str, ids str ("" for an empty list); of two rows for the same user, in this
            part or a later one, the last counts
    failed  user_id str: who might have had a list, were it not for a fault
    """

    rows: pl.DataFrame
    faults: tuple[Fault, ...] = ()
    failed: pl.Series = field(default_factory=_nobody)


class UserSource(Protocol[P]):
    """Gives users and their lists.  Its methods are called from several threads."""

    @property
    def parts(self) -> Sequence[P]:
        """What there is to read, in order."""

    @property
    def counts(self) -> dict[str, int]:
        """What was counted before any part was read, by name."""

    def read(self, part: P) -> UserLists:
        """Return a part."""


@dataclass(frozen=True)
class RecommendedToUsers:
    """The output of batch inference jobs that ask by user: user-personalization, ranking."""

    files: list[Path]
    cap: int | None = None
    piece_bytes: int = PIECE_BYTES
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def parts(self) -> Sequence[Piece]:
        return list(pieces(self.files, self.piece_bytes))

    def read(self, part: Piece) -> UserLists:
        lists = ListReader("userId", self.cap).read(part)
        failed = [fault.owner for fault in lists.faults if fault.owner]
        return UserLists(
            lists.rows.rename({OWNER: USER_ID}),
            lists.faults,
            pl.Series(USER_ID, failed, pl.String),
        )


@dataclass(frozen=True)
class AudienceMembers:
    """The users of one segment; being in it is the whole list."""

    users: pl.Series
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def parts(self) -> Sequence[int]:
        return range(0, len(self.users), _PART_USERS)

    def read(self, part: int) -> UserLists:
        users = self.users.slice(part, _PART_USERS).rename(USER_ID).to_frame()
        return UserLists(users.with_columns(pl.lit("member").alias(IDS)))
