"""What Personalize has: found by name, or through its parent, and described."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from personalization.aws import NOT_THERE, aws_errors, error_code, translated
from personalization.resources.account import Account
from personalization.resources.desired import Resource
from personalization.resources.kinds import (
    BROKEN,
    DATASET,
    DATASET_IMPORT_JOB,
    ON_THE_WAY,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
    Kind,
)


@dataclass(frozen=True)
class Found:
    """A resource that exists, as its Describe… operation tells it."""

    kind: Kind
    arn: str
    description: Mapping[str, Any]

    @property
    def status(self) -> str:
        """Personalize's status; a schema has none and is ACTIVE from the start."""
        return "ACTIVE" if self.kind == SCHEMA else str(self.description.get("status", ""))

    @property
    def latest_update(self) -> Mapping[str, Any]:
        """The record of the latest update, with a status and times of its own; empty if none."""
        title = self.kind.name[0].upper() + self.kind.name[1:]
        update: Mapping[str, Any] = self.description.get(f"latest{title}Update", {})
        return update

    @property
    def update_status(self) -> str:
        """The status of the latest update, empty if there was none."""
        return str(self.latest_update.get("status", ""))

    @property
    def on_the_way(self) -> bool:
        """Whether waiting for it makes sense, for its creation or for its latest update."""
        return self.status in ON_THE_WAY or self.update_status in ON_THE_WAY

    @property
    def broken(self) -> bool:
        """Whether it will never become ACTIVE."""
        return self.status in BROKEN

    @property
    def why(self) -> str:
        """Why it failed, in Personalize's words, or a plain statement that it did not say."""
        said = self.description.get("failureReason") or self.latest_update.get("failureReason")
        return str(said or "Personalize gave no failureReason")

    @property
    def created_at(self) -> dt.datetime:
        """When it was asked for, UTC."""
        created: dt.datetime = self.description["creationDateTime"]
        return created.astimezone(dt.UTC)

    @property
    def asked_at(self) -> dt.datetime:
        """When what is on the way, or was last done to it, was asked for, UTC."""
        updated: dt.datetime | None = self.latest_update.get("creationDateTime")
        return updated.astimezone(dt.UTC) if updated else self.created_at

    def failed_since(self, moment: dt.datetime | None) -> bool:
        """Whether what was last asked of it was asked since that moment, and has failed."""
        failed = self.broken or self.update_status in BROKEN
        return failed and moment is not None and self.asked_at >= moment

    @property
    def seconds(self) -> float:
        """From creation to the last change of status."""
        ended: dt.datetime = self.description["lastUpdatedDateTime"]
        return (ended.astimezone(dt.UTC) - self.created_at).total_seconds()


def look(personalize: Any, kind: Kind, arn: str) -> Found | None:
    """Describe the resource; None if there is no such ARN."""
    try:
        answer = getattr(personalize, kind.method("describe"))(**{kind.arn_member: arn})
    except ClientError as error:
        if error_code(error) in NOT_THERE:
            return None
        raise translated(error, f"describing {arn}") from error
    return Found(kind, arn, answer[kind.name])


def find(
    personalize: Any,
    account: Account,
    resource: Resource,
    arns: Mapping[str, str],
    since: dt.datetime | None = None,
) -> Found | None:
    """Return the resource that stands for `resource` today, or None.

    arns   key → ARN of what it refers to; without the parent's ARN there can be no child
    since  what failed since then is not passed over for something older
    Jobs and versions have names or ARNs that nobody can know beforehand: for them it is the
    parent's newest one that has the same settings and has not failed, or the newest that failed.
    """
    if not resource.kind.listed:
        return look(personalize, resource.kind, account.arn(resource.kind, resource.name))
    parent_key = resource.references.get(resource.kind.parent)
    parent = arns.get(parent_key) if parent_key else None
    if not parent:
        return None
    failed: Found | None = None
    for arn in _newest_first(personalize, resource.kind, parent):
        found = look(personalize, resource.kind, arn)
        if not found or not _stands_for(resource, found):
            continue
        if not found.broken or found.failed_since(since):
            return found
        failed = failed or found
    return failed


def newest_version(personalize: Any, solution_arn: str, *, other_than: str = "") -> Found | None:
    """Return the newest ACTIVE version of the solution, passing over the one named, or None."""
    for arn in _newest_first(personalize, SOLUTION_VERSION, solution_arn):
        found = look(personalize, SOLUTION_VERSION, arn) if arn != other_than else None
        if found and found.status == "ACTIVE":
            return found
    return None


def imported_before(personalize: Any, account: Account, dataset: str) -> bool:
    """Whether data was ever imported into the dataset (`group/INTERACTIONS`)."""
    arn = account.arn(DATASET, dataset)
    jobs = (
        look(personalize, DATASET_IMPORT_JOB, job)
        for job in _newest_first(personalize, DATASET_IMPORT_JOB, arn)
    )
    return any(job.status == "ACTIVE" for job in jobs if job)


def active_version(personalize: Any, account: Account, solution: str) -> Found | None:
    """Return the newest ACTIVE version of the solution of that name, or None."""
    return newest_version(personalize, account.arn(SOLUTION, solution))


def _newest_first(personalize: Any, kind: Kind, parent: str) -> Iterator[str]:
    """Yield ARNs of the parent's children, newest first."""
    with aws_errors(f"listing every {kind.title} of {parent}"):
        try:
            summaries = _summaries(personalize, kind, **{kind.parent: parent})
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                return
            raise
    yield from (str(summary[kind.arn_member]) for summary in summaries)


def every(personalize: Any, kind: Kind) -> list[Mapping[str, Any]]:
    """Return the summaries of all that there are of the kind, whosever they are, newest first."""
    with aws_errors(f"listing every {kind.title}"):
        return _summaries(personalize, kind)


def _summaries(personalize: Any, kind: Kind, **of: str) -> list[Mapping[str, Any]]:
    pages = personalize.get_paginator(kind.paginator).paginate(**of)
    summaries = [summary for page in pages for summary in page[kind.listed_under]]
    # By creation time and then ARN: of two in the same moment it is always the same one.
    summaries.sort(key=lambda it: (it["creationDateTime"], it[kind.arn_member]), reverse=True)
    return summaries


# What a batch job gets that does not say.
# Source: Personalize developer guide, "Creating a batch segment job" (numResults).
_SERVICE_CHOOSES: Final = {"numResults": 25, "filterArn": None}


def _stands_for(resource: Resource, found: Found) -> bool:
    """Whether an existing job could be the one that `resource` asks for.

    Any import of the dataset is a candidate (which one is newest decides whether its data is
    current); a batch job must have the same settings and read the same input.
    """
    if resource.kind in (DATASET_IMPORT_JOB, SOLUTION_VERSION):
        return True
    ignored = {"jobName", "jobOutput", "roleArn", "tags"}
    wanted = {k: v for k, v in resource.parameters.items() if k not in ignored}
    held = {**_SERVICE_CHOOSES, **found.description}
    return not differences({**_SERVICE_CHOOSES, **wanted}, held)


def differences(wanted: Mapping[str, Any], actual: Mapping[str, Any], path: str = "") -> list[str]:
    """Return the paths at which `actual` does not hold what is wanted.

    Keys that are not wanted do not count: the service adds defaults of its own.
    """
    paths: list[str] = []
    for key, value in wanted.items():
        place = f"{path}.{key}" if path else key
        held = actual.get(key)
        if isinstance(value, Mapping) and isinstance(held, Mapping):
            paths += differences(value, held, place)
        elif held != value and not (held is None and value in (False, {}, [])):
            paths.append(place)
    return paths
