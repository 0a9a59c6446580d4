"""What happens to resources, told as events to Prefect and to an EventBridge bus, and counted."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final
from uuid import UUID, uuid5

import httpx
from prefect.client.orchestration import get_client
from prefect.events import emit_event

from blocks.aws import clients
from blocks.settings import settings
from personalization.resources import Found, Resource
from personalization.resources.deciding import Decision
from personalization.resources.kinds import Kind
from personalization.telling import (
    Happening,
    Place,
    assessed,
    created,
    ended,
    made,
    measured,
    place_of,
    put_events,
    whole_place,
)
from personalization.telling.happening import CREATING, UPDATING
from tasks.telling import harmless, tell_counts

logger = logging.getLogger("personalization.telling")

# How the bus took an event that was not told at once: `personalize.bus.refused`.
REFUSED: Final = "refused"
TAKEN: Final = "told"


def tell_made(
    decision: Decision,
    resource: Resource,
    arn: str,
    arns: Mapping[str, str],
    credentials: str | None,
) -> None:
    """Tell that a resource was asked for, or is to be changed; nothing if it was kept."""
    if decision.action in ("keep", "wait"):
        return
    with harmless(f"what happens to {arn}"):
        members = {name: arns[key] for name, key in resource.references.items()}
        place = place_of(resource.kind, arn, members)
        place = whole_place(clients(credentials)("personalize"), place)
        status = UPDATING if decision.action == "update" else CREATING
        _tell(made(resource.kind, arn, status, place, _now()), credentials)
    if decision.action != "update":
        tell_counts([created(resource.kind)], credentials)


def tell_ended(kind: Kind, arn: str, found: Found | None, credentials: str | None) -> None:
    """Tell how a resource ended; nothing if that was told before, by whichever run."""
    with harmless(f"what happens to {arn}"):
        place = Place()
        if found:
            place = place_of(kind, arn, found.description)
            place = whole_place(clients(credentials)("personalize"), place)
        happening = ended(kind, arn, found, place, _now())
        _tell(happening, credentials, _told_before(happening))


def tell_measured(
    version: Found, rows: Sequence[Mapping[str, Any]], credentials: str | None
) -> None:
    """Tell how good a new version is: an event, and its offline metrics.

    rows  of the metrics table: metric, this version, previous version
    """
    metrics = {row["metric"]: row["this version"] for row in rows}
    previous = {row["metric"]: row["previous version"] for row in rows}
    place = place_of(version.kind, version.arn, version.description)
    emit_event(**assessed(version, metrics, previous, place).event())
    tell_counts(measured(place.solution, metrics), credentials)


def _tell(happening: Happening, credentials: str | None, told: Set[UUID] = frozenset()) -> None:
    """Tell the bus and Prefect, each unless it has been told.

    told  ids of those events about it that Prefect has
    What the bus has refused is an event, too, as is that it took it later: they are how a later run
    knows what is left to do.  A bus may get something twice, if a process ends between the two.
    """
    refused, taken = (_bus_event(happening, it) for it in (REFUSED, TAKEN))
    owed = happening.id not in told or (refused["id"] in told and taken["id"] not in told)
    said = None
    try:
        if owed and (bus := settings().event_bus):
            said = refused
            put_events(clients(credentials)("events"), bus, [happening])
            said = taken if told else None
    finally:
        if happening.id not in told:
            emit_event(**happening.event())
        if said and said["id"] not in told:
            emit_event(**said)


def _bus_event(happening: Happening, word: str) -> dict[str, Any]:
    """Return that the bus did not take a happening, or has taken it after all."""
    event = happening.event()
    return {
        "id": uuid5(happening.id, word),
        "occurred": happening.at,
        "event": f"personalize.bus.{word}",
        "resource": event["resource"],
        "related": event["related"],
        "payload": {"event": event["event"]},
    }


def _told_before(happening: Happening) -> frozenset[UUID]:
    """Return which events about it Prefect has: a run that goes on, or is repeated, sees all again.

    The server keeps an event of a known id once, but its triggers forget ids after half an hour,
    and the bus knows none.
    """
    around = dt.timedelta(seconds=1)
    ids = [happening.id, *(_bus_event(happening, it)["id"] for it in (REFUSED, TAKEN))]
    wanted = {
        "occurred": {
            "since": (happening.at - around).isoformat(),
            "until": (happening.at + around).isoformat(),
        },
        "id": {"id": [str(it) for it in ids]},
    }
    try:
        with get_client(sync_client=True) as client:
            answer = client.request("POST", "/events/filter", json={"filter": wanted, "limit": 3})
    except httpx.HTTPError as error:
        logger.info("could not ask whether %s was told before: %s", happening.arn, error)
        return frozenset()
    return frozenset(UUID(it["id"]) for it in answer.json()["events"])


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
