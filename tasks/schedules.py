"""The schedules of a parameter file, kept as schedules of the deployment that runs `train`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, RRuleSchedule
from prefect.exceptions import ObjectNotFound, PrefectException
from pydantic import ValidationError

from personalization.aws import S3Path
from personalization.config import ParameterFile, timetable
from personalization.errors import FatalError, RetryableError, shortened
from personalization.parameters import Scheduled, TrainParameters
from personalization.resources import Ledger, Resource
from personalization.resources.repeating import is_there, schedules_of
from tasks.artifacts import show_table
from tasks.retrying import NETWORK
from tasks.suspending import current_flow_run
from tasks.telling import tell_schedules

FLOW: Final = "train"
DEPLOYMENT: Final = "train/train"
HOW_TO_DEPLOY: Final = "deploy with `prefect deploy --all`, then run `train` again"
# What a scheduled run has in common with the run that made its schedule.
_HANDED_ON: Final = {"file", "credentials", "role_arn", "check_data", "waiting"}


@dataclass(frozen=True)
class Kept:
    """A schedule that stands in Prefect."""

    id: UUID
    deployment_id: UUID
    parameters: TrainParameters
    scheduled: Scheduled
    active: bool
    changed_at: dt.datetime | None
    raw: DeploymentSchedule

    @property
    def slug(self) -> str:
        """What it is called."""
        return self.scheduled.slug

    @property
    def times(self) -> str:
        """When, in Prefect's words."""
        it = self.raw.schedule
        return str(getattr(it, "cron", None) or getattr(it, "rrule", it))


@contextmanager
def prefect_errors(doing: str) -> Iterator[None]:
    """Raise what Prefect's client raises as ours: what is refused is fatal, else it is later."""
    try:
        yield
    except httpx.HTTPStatusError as error:
        if error.response.is_client_error:
            said = shortened(error.response.text)
            raise FatalError(f"Prefect refused {doing}: {said}") from error
        raise RetryableError(f"{doing} failed: {shortened(error)}") from error
    except (httpx.HTTPError, PrefectException) as error:
        raise RetryableError(f"{doing} failed: {shortened(error)}") from error


def kept_schedules(client: SyncPrefectClient, deployment_id: UUID) -> tuple[Kept, ...]:
    """Return the deployment's schedules that were made from parameter files, and no others."""
    found = (_kept(it, deployment_id) for it in client.read_deployment_schedules(deployment_id))
    return tuple(it for it in found if it)


def _kept(raw: DeploymentSchedule, deployment_id: UUID) -> Kept | None:
    try:
        parameters = TrainParameters.model_validate(raw.parameters.get("parameters"))
    except ValidationError:
        return None
    if parameters.scheduled is None or parameters.scheduled.slug != raw.slug:
        return None
    active, changed_at = raw.active, raw.updated or raw.created
    return Kept(raw.id, deployment_id, parameters, parameters.scheduled, active, changed_at, raw)


def as_prefect(cron: str) -> CronSchedule | RRuleSchedule:
    """Return when an AWS cron runs, as Prefect takes it."""
    times = timetable(cron)
    if times.cron:
        return CronSchedule(cron=times.cron, timezone="UTC")
    return RRuleSchedule(rrule=times.rrule, timezone="UTC")


def keep_schedules(
    parameters: TrainParameters,
    file: ParameterFile,
    resources: Sequence[Resource],
    ledger: Ledger,
) -> None:
    """Make Prefect's schedules what the file says; note in the ledger if that could not be done.

    resources  all that the file declares
    A scheduled run leaves them alone: it knows of one only.
    """
    if parameters.scheduled is not None:
        return
    wanted = schedules_of(file, S3Path.parse(parameters.file).bucket)
    there = frozenset(it.slug for it in wanted if is_there(it, resources, ledger.arns))
    group = file.dataset_group.service_config["name"]
    deployment = current_flow_run().deployment_id
    matched = match_schedules.submit(group, parameters, wanted, there, deployment)
    ledger.told("schedules", matched.result(raise_on_failure=False), ())


@task(task_run_name="schedules-{group}", **NETWORK)
def match_schedules(
    group: str,
    parameters: TrainParameters,
    wanted: Sequence[Scheduled],
    there: frozenset[str],
    deployment: UUID | None,
) -> tuple[Mapping[str, str], ...]:
    """Create, change and remove schedules until they are what is wanted; return what was done.

    there       slugs of those whose work was done once: a schedule begins when that is so
    deployment  whose schedules they are; without one, `train/train`'s, if it is there
    What was paused by a person stays paused until its times change.  Schedules of other parameter
    files are not touched, unless they have a name that this file wants.
    """
    logger = get_run_logger()
    with prefect_errors("keeping schedules"), get_client(sync_client=True) as client:
        deployment = deployment or _deployed(client)
        if deployment is None:
            if wanted:
                logger.warning(
                    "%d schedule(s) are not kept: there is no deployment %s; %s",
                    *(len(wanted), DEPLOYMENT, HOW_TO_DEPLOY),
                )
            return ()
        have = {it.slug: it for it in kept_schedules(client, deployment)}
        rows = [
            _row(it, _made_so(client, deployment, it, have.get(it.slug), parameters, there))
            for it in wanted
        ]
        slugs = {it.slug for it in wanted}
        for it in have.values():
            if it.parameters.file == parameters.file and it.slug not in slugs:
                client.delete_deployment_schedule(deployment, it.id)
                rows.append(_row(it.scheduled, "removed: the parameter file has it no more"))
    for row in rows:
        if not row["done"].startswith("kept"):
            logger.info("schedule %s %s", row["schedule"], row["done"])
    if rows:
        show_table(("schedules", group), rows, f"Schedules of dataset group {group}, in UTC.")
    done = [row["done"].partition(":")[0] for row in rows]
    tell_schedules(done.count("created"), done.count("removed"), parameters.credentials)
    return tuple(rows)


def remove_schedule(slug: str, deployment: UUID | None) -> bool:
    """Remove the schedule of that name; return whether it was there."""
    with prefect_errors(f"removing schedule {slug}"), get_client(sync_client=True) as client:
        deployment = deployment or _deployed(client)
        found = kept_schedules(client, deployment) if deployment else ()
        for it in found:
            if it.slug == slug:
                client.delete_deployment_schedule(it.deployment_id, it.id)
                return True
    return False


def _deployed(client: SyncPrefectClient) -> UUID | None:
    try:
        return client.read_deployment_by_name(DEPLOYMENT).id
    except ObjectNotFound:
        return None


def _made_so(
    client: SyncPrefectClient,
    deployment: UUID,
    wanted: Scheduled,
    have: Kept | None,
    parameters: TrainParameters,
    there: frozenset[str],
) -> str:
    """Make one schedule what it should be; return what was done."""
    times = as_prefect(wanted.cron)
    handed_on = parameters.model_dump(mode="json", include=_HANDED_ON, exclude_defaults=True)
    said = {"parameters": {**handed_on, "scheduled": wanted.model_dump(exclude_defaults=True)}}
    if have is None:
        if wanted.slug not in there:
            return "not made yet: what it repeats has not been done once"
        made = DeploymentScheduleCreate(schedule=times, parameters=said, slug=wanted.slug)
        client.create_deployment_schedules(deployment, [made])
        return "created"
    if have.raw.schedule != times:
        client.update_deployment_schedule(
            deployment, have.id, active=True, schedule=times, parameters=said
        )
        return f"changed: it was {have.scheduled.cron}"
    paused = "" if have.active else ", paused by a person"
    if have.raw.parameters != said:
        client.update_deployment_schedule(deployment, have.id, parameters=said)
        return f"changed: its parameters{paused}"
    return f"kept{paused}"


def _row(scheduled: Scheduled, done: str) -> dict[str, str]:
    times = timetable(scheduled.cron)
    return {
        "schedule": scheduled.slug,
        "what": scheduled.kind,
        "solution": scheduled.solution or "",
        "when": scheduled.cron,
        "in Prefect": str(times),
        "done": done,
    }
