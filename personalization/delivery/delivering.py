"""One delivery from outside: an outbox in, a receipt out."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from personalization.columns import REMOVED
from personalization.connectors.base import Connector, TakesAttributes
from personalization.delivery import dead_letters
from personalization.delivery.journal import ACCEPTED, OPEN, REJECTED, Journal, written_down
from personalization.delivery.machine import Machine
from personalization.delivery.outbox import Outbox
from personalization.delivery.pacing import TokenBucket, shared_bucket
from personalization.delivery.patience import Patience
from personalization.delivery.receipt import Progress, Receipt
from personalization.errors import ConfigError

logger = logging.getLogger(__name__)


def deliver(
    connector: Connector[Any],
    folder: Path,
    *,
    run: str,
    in_flight: int | None = None,
    bucket: TokenBucket | None = None,
    patience: Patience | None = None,
    skipped_unchanged: int = 0,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[Progress], None] = lambda _: None,
    origin: Mapping[str, Any] | None = None,
) -> Receipt:
    """Deliver the outbox in the folder; return when every line of it was answered.

    run        names the run; a repeat under this name goes on where the last one ended
    in_flight  batches sent and not yet answered, and so the most that a kill sends twice; the
               connector's own limit if it is not given, and never more
    bucket     one that others take from too; without it, this process's for this destination
    stop       asked ten times a second; once it says so, nothing more is begun
    progress   told once a second
    origin     what its dead letters say of where they belong; plain JSON
    Raises RetryableError (take it up later), FatalError or ConfigError; what was rejected until
    then is in the dead letters all the same.
    """
    if not isinstance(connector, TakesAttributes):
        raise ConfigError(f"connector {connector.kind!r} takes no attributes of users")
    limits = connector.attribute_limits
    # A secret's repr is stars, so that name tells destinations apart and nothing else.
    destination = f"{connector.kind} {connector.config!r}"
    outbox = Outbox(folder)
    began = time.monotonic()
    journal = Journal(outbox, run, connector.kind)
    try:
        machine = Machine(
            connector,
            outbox,
            journal,
            run=run,
            bucket=bucket or shared_bucket(destination, limits.per_second),
            in_flight=min(in_flight or limits.in_flight, limits.in_flight),
            patience=patience or Patience(),
            stop=stop,
            progress=progress,
        )
        try:
            asyncio.run(machine.deliver())
        finally:
            letters = dead_letters.write(outbox, connector.kind, origin)
        receipt = _receipt(outbox, journal, skipped_unchanged, time.monotonic() - began, letters)
    finally:
        journal.close()
    logger.info(
        "%s accepted %d of %d users (%d cleared) in %d requests, %.1f s",
        connector.kind,
        receipt.accepted,
        receipt.sent,
        receipt.cleared,
        receipt.requests,
        receipt.seconds,
    )
    return receipt


def acknowledged(folder: Path) -> dict[str, pl.Series]:
    """Return, for each file of an outbox, whether the destination took each line.

    True: taken; false: refused, or never sent; null: sent, and no answer came, so nobody knows.
    All false where the outbox was never delivered.  For what may be kept as the destination's
    state; ask when no delivery of it is running.
    """
    answers, begun = written_down(Outbox(folder))
    return {
        file: pl.select(
            pl.when(_are(found, OPEN) & _are(begun[file], 1))
            .then(None)
            .otherwise(_are(found, ACCEPTED))
        ).to_series()
        for file, found in answers.items()
    }


def _receipt(
    outbox: Outbox, journal: Journal, unchanged: int, seconds: float, letters: Path | None
) -> Receipt:
    accepted, rejected = journal.count(ACCEPTED), journal.count(REJECTED)
    cleared = sum(
        int((_are(found, ACCEPTED) & outbox.users(file)[REMOVED]).sum())
        for file, found in journal.answers.items()
    )
    return Receipt(
        sent=accepted + rejected,
        accepted=accepted,
        rejected=rejected,
        skipped_unchanged=unchanged,
        cleared=cleared,
        seconds=seconds,
        requests=journal.requests,
        dead_letters=letters,
    )


def _are(found: bytearray, answer: int) -> pl.Series:
    return pl.Series(np.frombuffer(found, dtype=np.uint8) == answer, dtype=pl.Boolean)
