"""Happenings onto an EventBridge bus."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from personalization.aws import LATER, aws_errors
from personalization.errors import FatalError, shortened
from personalization.telling.happening import Happening

logger = logging.getLogger(__name__)

# Source: botocore, events 2015-10-07, shape `PutEventsRequestEntryList`.
MOST_ENTRIES: Final = 10
# Seconds before entries that the bus did not take this time are put again.
_PAUSES_S: Final = (0.5, 2.0)


def put_events(
    events: Any,
    bus: str,
    happenings: Sequence[Happening],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Put them onto the bus of that name or ARN.

    PutEvents answers 200 even if it took nothing: what it did not take is put again where that may
    help.  Raises FatalError for what the bus does not take at all.
    """
    entries = [it.entry(bus) for it in happenings]
    for start in range(0, len(entries), MOST_ENTRIES):
        _put(events, bus, entries[start : start + MOST_ENTRIES], sleep)


def _put(
    events: Any, bus: str, entries: list[dict[str, Any]], sleep: Callable[[float], None]
) -> None:
    for pause in (*_PAUSES_S, None):
        with aws_errors(f"putting events onto {bus}"):
            answer = events.put_events(Entries=entries)
        if not answer["FailedEntryCount"]:
            return
        refused = [
            (entry, said)
            for entry, said in zip(entries, answer["Entries"], strict=True)
            if said.get("ErrorCode")
        ]
        passing = all(said["ErrorCode"] in LATER for _, said in refused)
        if pause is None or not passing:
            break
        logger.info("%s did not take %d event(s) this time", bus, len(refused))
        entries = [entry for entry, _ in refused]
        sleep(pause)
    reasons = sorted({f"{said['ErrorCode']}: {said.get('ErrorMessage')}" for _, said in refused})
    raise FatalError(f"{bus} did not take {len(refused)} event(s): {shortened('; '.join(reasons))}")
