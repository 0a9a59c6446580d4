"""Create, Describe, List and Delete, once for every kind of resource."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from botocore.model import ServiceModel

from personalization.local.pace import Pace
from personalization.local.personalize.kinds import KINDS, Kind, Quota
from personalization.local.personalize.listing import page
from personalization.local.personalize.progress import (
    ACTIVE,
    DELETING,
    IN_PROGRESS,
    PENDING,
    Progress,
    start,
)
from personalization.local.personalize.records import Record, Records, chosen, in_use
from personalization.local.personalize.tagging import as_tags
from personalization.local.wire import Context, Handler, ServiceError

BY_ARN_MEMBER = {kind.arn_member: kind for kind in KINDS.values()}


@dataclass(frozen=True)
class Call:
    """A Create on its way: the request, and the resources it names, found and ACTIVE."""

    context: Context
    parents: Mapping[str, Record]

    @property
    def params(self) -> dict[str, Any]:
        """What the caller passed."""
        return self.context.params


def _as_passed(call: Call) -> dict[str, Any]:
    return dict(call.params)


def _nothing_more(_: Record) -> dict[str, Any]:
    return {}


def _no_reason(_: Record) -> None:
    return None


@dataclass(frozen=True)
class Behaviour:
    """What sets one kind apart.

    prepare   checks the parameters and returns the record's attributes
    resource  returns the ARN's last part; the name, where it is None
    work      returns what is done in the background; nothing, where it is None
    more      returns what Describe shows beyond the record's own attributes
    keeps     returns why the resource cannot be deleted now, or None
    """

    prepare: Callable[[Call], dict[str, Any]] = _as_passed
    resource: Callable[[Call, dict[str, Any]], str] | None = None
    work: Callable[[Call, Record], Callable[[], Any]] | None = None
    more: Callable[[Record], dict[str, Any]] = _nothing_more
    keeps: Callable[[Record], str | None] = _no_reason


class Operations:
    """Makes handlers for kinds of resources."""

    def __init__(
        self, model: ServiceModel, records: Records, pace: Pace, executor: Executor
    ) -> None:
        self._model = model
        self._records = records
        self._pace = pace
        self._executor = executor

    def handlers(self, kind: Kind, behaviour: Behaviour | None) -> Iterator[tuple[str, Handler]]:
        """Yield the operations of a kind by name; without a behaviour there is no Create."""
        if behaviour is not None:
            yield f"Create{kind.name}", self._create(kind, behaviour)
        behaviour = behaviour or Behaviour()
        yield f"Describe{kind.name}", self._describe(kind, behaviour)
        yield f"List{kind.name}s", self._list(kind)
        if f"Delete{kind.name}" in self._model.operation_names:
            yield f"Delete{kind.name}", self._delete(kind, behaviour)

    def active(self, kind: Kind, arn: str, region: str) -> Record:
        """Return the record; raise ResourceInUseException while it is not ACTIVE."""
        record = self._records.find(kind, arn, region)
        if record.status != ACTIVE:
            raise in_use(f"Resource Arn {arn} is not ACTIVE but {record.status}.")
        return record

    def _create(self, kind: Kind, behaviour: Behaviour) -> Handler:
        shown = self._model.operation_model(f"Create{kind.name}").output_shape.members

        def create(context: Context) -> Mapping[str, Any]:
            tags = as_tags(context.params.pop("tags", []))
            with self._records.lock:
                parents = {
                    member: self.active(BY_ARN_MEMBER[member], arn, context.region)
                    for member, arn in context.params.items()
                    if member in kind.parents
                }
                call = Call(context, parents)
                attributes = behaviour.prepare(call)
                name = attributes.get(kind.name_member)
                resource = behaviour.resource(call, attributes) if behaviour.resource else name
                arn = (
                    f"arn:aws:personalize:{context.region}:{context.account}:{kind.path}/{resource}"
                )
                record = Record(kind, arn, attributes, tags=tags)
                if kind.has_status:
                    record.progress = Progress(self._pace)
                if self._records.peek(arn) is None and kind.quota:  # a taken name comes first
                    self._within(kind, kind.quota, record)
                self._records.add(record)
                if behaviour.work:
                    record.work = start(self._executor, arn, behaviour.work(call, record))
                    record.progress = Progress(self._pace, work=record.work)
            return chosen(shown, record.shown())

        return create

    def _describe(self, kind: Kind, behaviour: Behaviour) -> Handler:
        shown = self._model.operation_model(f"Describe{kind.name}").output_shape.members[
            kind.member
        ]

        def describe(context: Context) -> Mapping[str, Any]:
            record = self._records.find(kind, context.params[kind.arn_member], context.region)
            if record.progress:
                record.progress.look()
                record = self._records.find(kind, record.arn, context.region)  # it may be gone now
            for progress, _ in record.updates.values():
                progress.look()
            return {kind.member: chosen(shown.members, record.shown() | behaviour.more(record))}

        return describe

    def _list(self, kind: Kind) -> Handler:
        operation = self._model.operation_model(f"List{kind.name}s")
        result = next(name for name in operation.output_shape.members if name != "nextToken")
        shown = operation.output_shape.members[result].member.members

        def list_(context: Context) -> Mapping[str, Any]:
            where = {
                name: value
                for name, value in context.params.items()
                if name not in ("nextToken", "maxResults")
            }
            if kind.name == "SolutionVersion" and (arn := where.get("solutionArn")):
                # The one List that knows ResourceNotFoundException.
                self._records.find(KINDS["Solution"], arn, context.region)
            found = [
                record
                for record in self._records.all(kind, **where)
                if record.arn.split(":")[3] == context.region
            ]
            records, token = page(found, context, key=lambda record: record.number)
            return {
                result: [chosen(shown, record.shown()) for record in records],
                "nextToken": token,
            }

        return list_

    def _delete(self, kind: Kind, behaviour: Behaviour) -> Handler:
        def delete(context: Context) -> Mapping[str, Any]:
            with self._records.lock:
                record = self._records.find(kind, context.params[kind.arn_member], context.region)
                if not record.settled:
                    raise in_use(f"Resource Arn {record.arn} is in the state {record.status}.")
                if why := behaviour.keeps(record):
                    raise in_use(why)
                if record.progress is None:
                    record.progress = Progress(Pace(0), DELETING)
                else:
                    record.progress.divert(DELETING)
                    record.work = None
            return {}

        return delete

    def _within(self, kind: Kind, quota: Quota, record: Record) -> None:
        where = {quota.within: record.attributes[quota.within]} if quota.within else {}
        region = record.arn.split(":")[3]
        statuses = [
            each.status
            for each in self._records.all(kind, **where)
            if each.arn.split(":")[3] == region
        ]
        if quota.pending:
            count = sum(status in (PENDING, IN_PROGRESS) for status in statuses)
            said = f"More than {quota.limit} resources with PENDING or IN_PROGRESS status."
        else:
            count = len(statuses)
            words = "".join(f" {c.lower()}" if c.isupper() else c for c in kind.name).strip()
            said = (
                f"Cannot create a {words}. More than {quota.limit} resources in ACTIVE state. "
                "Please delete some and try again."
            )
        if count >= quota.limit:
            raise ServiceError("LimitExceededException", said)


def eight_hex() -> str:
    """Return a name of the sort that Personalize gives to solution versions: `e27b6a08`."""
    return uuid.uuid4().hex[:8]
