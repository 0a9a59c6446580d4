"""What a destination holds, kept in S3: what it acknowledged, and of whom that is in doubt.

Work may have been away while others delivered to the same destination: then the state in S3 is not
the one that it was compared with, and what it told users may or may not have been overwritten.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl
from polars.exceptions import PolarsError

from personalization.columns import REMOVED, USER_ID
from personalization.delivery import Outbox, acknowledged
from personalization.errors import FatalError
from personalization.sync.state_store import fetch_state, store_state, stored_by, written_by
from personalization.sync.work import Desk, Work
from personalization.transforms.outbox import WrittenOutbox
from personalization.transforms.recommendation_state import doubt, promote, read_state

logger = logging.getLogger(__name__)

Answered = tuple[WrittenOutbox, Mapping[str, pl.Series]]

# What damaged files make readers raise.
_DAMAGE: Final = (FatalError, OSError, ValueError, KeyError, TypeError, PolarsError)


def goes_on(s3: Any, desk: Desk, work: Work) -> bool:
    """Whether work that was interrupted can be finished.

    Its files are whole, and nobody has told the destination anything since.
    """
    return all(
        _answered(desk, part) is not None
        and _is_ours(stored_by(s3, desk.stored_of(part)), work, part)
        for part in work.parts
    )


def keep(s3: Any, desk: Desk, work: Work, part: str, *, complete: bool) -> None:
    """Store in S3 what the destination holds now: what it acknowledged of the part's outbox.

    complete  every line was answered; otherwise nothing is stored if nothing was acknowledged
    Safe to repeat, and to be killed.
    """
    outbox = WrittenOutbox.read(desk.outbox(part))
    said = acknowledged(outbox.folder)
    if complete or any(taken.any() for taken in said.values()):
        _store(s3, desk, work, part, (outbox, said))


def settle(s3: Any, desk: Desk, work: Work) -> None:
    """Store what was acknowledged of work that will not be finished, and clear the desk.

    Who was sent something that nobody answered for counts as holding it, but not surely; so does
    everybody whom others may have told something since.
    """
    for part in work.parts:
        found = _answered(desk, part)
        if found is None or any(_begun(taken).any() for taken in found[1].values()):
            _store(s3, desk, work, part, found)
    desk.clear()


def _store(s3: Any, desk: Desk, work: Work, part: str, found: Answered | None) -> None:
    stored = desk.stored_of(part)
    folder = fetch_state(s3, stored, desk.states / part)
    by = work.run
    if found is None:
        logger.warning("%s: nobody knows who was told, so everybody is told again", part)
        doubt(folder, _everybody(folder))
        by = f"{work.run}, lost"
    elif not _is_ours(written_by(folder), work, part):
        logger.warning("%s: the state has changed since, so who was told is told again", part)
        outbox, said = found
        doubt(folder, _told(outbox, said), (*outbox.attributes, *outbox.retired))
        by = f"{work.run}, late"
    elif found[0].files or read_state(folder).fingerprint != found[0].fingerprint:
        promote(folder, [found])
    else:
        return
    store_state(s3, folder, stored, by)


def _is_ours(written: tuple[str, str], work: Work, part: str) -> bool:
    return written == work.basis.get(part) or work.run == written[1] != ""


def _answered(desk: Desk, part: str) -> Answered | None:
    """Return a part's outbox and what was answered; None if they cannot be read."""
    folder = desk.outbox(part)
    try:
        for file in (outbox := Outbox(folder)).files:
            outbox.count(file)
        return WrittenOutbox.read(folder), acknowledged(folder)
    except _DAMAGE as error:
        logger.warning("%s cannot be read: %s", folder, type(error).__name__)
        return None


def _begun(taken: pl.Series) -> pl.Series:
    return taken.fill_null(value=True)


def _told(outbox: WrittenOutbox, said: Mapping[str, pl.Series]) -> pl.DataFrame:
    parts = [pl.DataFrame(schema={USER_ID: pl.String, REMOVED: pl.Boolean})]
    for file, taken in said.items():
        rows = pl.read_parquet(outbox.users(file), columns=[USER_ID, REMOVED])
        parts.append(rows.filter(_begun(taken)))
    return pl.concat(parts)


def _everybody(folder: Path) -> pl.DataFrame:
    return read_state(folder).users.select(USER_ID, pl.lit(value=False).alias(REMOVED))
