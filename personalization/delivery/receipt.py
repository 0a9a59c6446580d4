"""What a delivery came to, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """How far a delivery is, counting what earlier processes of the same run did.

    retries  requests of this process that have to be made again
    seconds  in this process
    """

    total: int
    accepted: int
    rejected: int
    requests: int
    retries: int
    seconds: float


@dataclass(frozen=True)
class Receipt:
    """What became of all users of one outbox.

    sent               users whose line was answered: accepted + rejected
    skipped_unchanged  users for whom nothing was in the outbox, as the caller counted them
    cleared            of the accepted, those whose line removed what was held
    seconds            in the process that finished
    requests           made in all processes of the run, save a few before each kill
    dead_letters       the file of the rejected; None if there are none
    """

    sent: int
    accepted: int
    rejected: int
    skipped_unchanged: int
    cleared: int
    seconds: float
    requests: int
    dead_letters: Path | None
