"""What the local Personalize remembers: one record per resource, found by ARN."""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from personalization.local.personalize.kinds import KINDS, Kind
from personalization.local.personalize.progress import ACTIVE, GONE, SETTLED, Progress
from personalization.local.wire import ServiceError


@dataclass(eq=False)
class Record:
    """One resource.

    attributes  what Describe shows, by the model's member names, beyond status and times
    progress    None for schemas, which have no status
    work        what goes on in the background; its result is what the resource is worth (a model)
    updates     under way or done: member of Describe's answer (`latestSolutionUpdate`) to its parts
    """

    kind: Kind
    arn: str
    attributes: dict[str, Any]
    progress: Progress | None = None
    work: Future[Any] | None = None
    number: int = 0
    created: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    tags: dict[str, str] = field(default_factory=dict)
    updates: dict[str, tuple[Progress, dict[str, Any]]] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """The state now; schemas are ACTIVE from the start."""
        return self.progress.state if self.progress else ACTIVE

    @property
    def settled(self) -> bool:
        """Whether nothing is going on with it."""
        return self.status in SETTLED

    def shown(self) -> dict[str, Any]:
        """Return all that a Describe or a List may show; their shapes choose."""
        since = self.progress.since if self.progress else self.created
        facts: dict[str, Any] = {
            **self.attributes,
            self.kind.arn_member: self.arn,
            "creationDateTime": self.created,
            "lastUpdatedDateTime": since,
        }
        if self.progress:
            facts["status"] = self.status
            facts["failureReason"] = self.progress.failure
        for member, (progress, parts) in self.updates.items():
            facts[member] = {
                **parts,
                "status": progress.state,
                "failureReason": progress.failure,
                "lastUpdatedDateTime": progress.since,
            }
        return facts


class Records:
    """All records of a server.  Safe to use from several threads."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # held by handlers from check to change
        self._records: dict[str, Record] = {}
        self._numbers = itertools.count(1)

    def add(self, record: Record) -> None:
        """Remember a record; raises ResourceAlreadyExistsException if its ARN is taken."""
        with self.lock:
            if self.peek(record.arn):
                raise already_exists(record.arn)
            record.number = next(self._numbers)
            self._records[record.arn] = record

    def peek(self, arn: str) -> Record | None:
        """Return the record, or None; records whose deletion is complete are forgotten here."""
        with self.lock:
            record = self._records.get(arn)
            if record is None or record.status != GONE:
                return record
            self._forget(record)
            return None

    def find(self, kind: Kind, arn: str, region: str) -> Record:
        """Return the record, or raise ResourceNotFoundException."""
        record = self.peek(arn)
        if record is None or record.kind is not kind or arn.split(":")[3] != region:
            raise ServiceError("ResourceNotFoundException", f"Resource Arn {arn} does not exist.")
        return record

    def all(self, kind: Kind, **where: Any) -> Iterator[Record]:
        """Yield the records of a kind whose attributes are as asked, oldest first."""
        with self.lock:
            arns = [arn for arn, record in self._records.items() if record.kind is kind]
            found = [record for arn in arns if (record := self.peek(arn))]
        for record in found:
            if all(record.attributes.get(name) == value for name, value in where.items()):
                yield record

    def _forget(self, record: Record) -> None:
        """Drop a record and what goes with it: a dataset's import jobs, a solution's versions."""
        del self._records[record.arn]
        goes_with = {"Dataset": "DatasetImportJob", "Solution": "SolutionVersion"}
        if kind := KINDS.get(goes_with.get(record.kind.name, "")):
            for each in list(self.all(kind, **{record.kind.arn_member: record.arn})):
                del self._records[each.arn]


def already_exists(arn: str) -> ServiceError:
    """Return the error for a name that is taken."""
    said = f"Another resource with Arn {arn} already exists. Please use another name."
    return ServiceError("ResourceAlreadyExistsException", said)


def in_use(why: str) -> ServiceError:
    """Return the error for what cannot be done in the present state of things."""
    return ServiceError("ResourceInUseException", why)


def invalid(why: str) -> ServiceError:
    """Return the error for parameters that make no sense."""
    return ServiceError("InvalidInputException", why)


def chosen(members: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return of the facts what a shape with these members shows."""
    return {name: facts[name] for name in members if facts.get(name) is not None}
