"""What happens to a resource, as Prefect and EventBridge are told of it.

Prefect      event `personalize.<kind>.<word>`, such as `personalize.solution-version.active`
EventBridge  `Personalize <Kind> State Change`, with the source, the detail types and the members
             of AWS's solution "Maintaining Personalized Experiences with ML", so that its rules
             match unchanged; failures, their reasons and where the resource belongs are added

Source: AWS solution SO0170, notifiers (names of the members, statuses, whole seconds).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid5

from personalization.errors import shortened
from personalization.resources.actual import Found
from personalization.resources.kinds import BROKEN, Kind
from personalization.telling.place import Place

SOURCE: Final = "solutions.aws.personalize"

CREATING: Final = "CREATING"
UPDATING: Final = "UPDATING"
ACTIVE: Final = "ACTIVE"
UPDATE_FAILED: Final = "UPDATE FAILED"
GONE: Final = "GONE"
MEASURED: Final = "MEASURED"

# The last word of Prefect's event; whatever else a resource may end as is called by its status.
_WORDS: Final = {"CREATE FAILED": "failed", UPDATE_FAILED: "failed", "CREATE STOPPED": "stopped"}
# Events that happen to the same resource at the same time with the same status are one.
_OURS: Final = UUID("6f2dc1a5-6a1c-5c0e-9f4b-0d3f1a4a7c11")


@dataclass(frozen=True)
class Happening:
    """One change of a resource.

    at         UTC: when it was asked for, or when Personalize says that it ended
    duration_s seconds from creation (or the start of the update) to the end; None if it goes on
    more       what only Prefect is told
    """

    kind: Kind
    arn: str
    status: str
    at: dt.datetime
    place: Place
    duration_s: int | None = None
    failure_reason: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def word(self) -> str:
        """What happened, as an event's name ends: `creating`, `active`, `failed`."""
        return _WORDS.get(self.status, self.status.lower().replace(" ", "-"))

    @property
    def id(self) -> UUID:
        """The same for the same change, whoever sees it and however often."""
        return uuid5(_OURS, f"{self.arn}|{self.status}|{self.at.isoformat()}")

    def event(self) -> dict[str, Any]:
        """Return what Prefect's `emit_event` takes.

        In the payload every key is present, null where nothing is known: a trigger's template that
        names a missing one fails without a word.
        """
        slug = self.kind.title.lower().replace(" ", "-")
        group, solution = _name(self.place.dataset_group), _name(self.place.solution)
        labels = {
            "prefect.resource.id": self.arn,
            "prefect.resource.name": f"{self.kind.title} {_name(self.arn)}",
            "personalize.status": self.status,
            "personalize.dataset-group": group,
            "personalize.solution": solution,
        }
        roles = {"dataset-group": self.place.dataset_group, "solution": self.place.solution}
        return {
            "id": self.id,
            "occurred": self.at,
            "event": f"personalize.{slug}.{self.word}",
            "resource": {key: value for key, value in labels.items() if value},
            "related": [
                {
                    "prefect.resource.id": arn,
                    "prefect.resource.role": role,
                    "prefect.resource.name": _name(arn),
                }
                for role, arn in roles.items()
                if arn and arn != self.arn
            ],
            "payload": {
                "arn": self.arn,
                "status": self.status,
                "duration_s": self.duration_s,
                "dataset_group": group or None,
                "solution": solution or None,
                "failure_reason": self.failure_reason or None,
                **self.more,
            },
        }

    def entry(self, bus: str) -> dict[str, Any]:
        """Return it as an entry of PutEvents for the bus of that name or ARN."""
        detail: Mapping[str, Any] = {
            "Arn": self.arn,
            "Status": self.status,
            "Duration": self.duration_s,
            "FailureReason": self.failure_reason,
            "DatasetGroupArn": self.place.dataset_group,
            "SolutionArn": self.place.solution,
        }
        return {
            "Source": SOURCE,
            "DetailType": f"Personalize {self.kind.title} State Change",
            "Resources": [self.arn],
            "Time": self.at,
            "Detail": json.dumps({key: value for key, value in detail.items() if value}),
            "EventBusName": bus,
        }


def made(kind: Kind, arn: str, status: str, place: Place, now: dt.datetime) -> Happening:
    """Return that a resource was asked for (CREATING) or is to be changed (UPDATING)."""
    return Happening(kind, arn, status, now, place)


def ended(kind: Kind, arn: str, found: Found | None, place: Place, now: dt.datetime) -> Happening:
    """Return how a resource ended that was waited for; one that is gone ended now."""
    if found is None:
        return Happening(kind, arn, GONE, now, place, failure_reason="it vanished")
    # An update has times and a status of its own, and cannot begin before the creation has ended.
    record = found.latest_update or found.description
    at = record["lastUpdatedDateTime"].astimezone(dt.UTC)
    seconds = int((record["lastUpdatedDateTime"] - record["creationDateTime"]).total_seconds())
    status = found.status
    if found.update_status == "CREATE FAILED":
        status = UPDATE_FAILED
    failed = status in BROKEN or status == UPDATE_FAILED
    reason = shortened(found.why, 2000) if failed else ""
    return Happening(kind, arn, status, at, place, seconds, reason)


def assessed(
    version: Found, metrics: Mapping[str, float], previous: Mapping[str, float | None], place: Place
) -> Happening:
    """Return how good a new solution version is, and how good the one before it was."""
    at = version.description["lastUpdatedDateTime"].astimezone(dt.UTC)
    more = {"metrics": dict(metrics), "previous_metrics": dict(previous)}
    return Happening(version.kind, version.arn, MEASURED, at, place, more=more)


def _name(arn: str) -> str:
    """Return the end of an ARN: `films`, `films/INTERACTIONS`, `films/4a7f0c1e`."""
    return arn.partition("/")[2]
