"""The schedules of a parameter file, kept as schedules of the deployment that runs `train`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterCreatedBy
from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.schedules import CronSchedule, RRuleSchedule
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound, PrefectException
from pydantic import ValidationError

from personalization.aws import S3Path
from personalization.config import ParameterFile, timetable
from personalization.errors import FatalError, RetryableError, shortened
from personalization.parameters import Scheduled, TrainParameters
from personalization.resources import Ledger, Resource
from personalization.resources.repeating import belongs, is_slug, is_there, schedules_of
from tasks.artifacts import show_table
from tasks.retrying import NETWORK
from tasks.suspending import current_flow_run
from tasks.telling import tell_schedules

FLOW: Final = "train"
DEPLOYMENT: Final = "train/train"
HOW_TO_DEPLOY: Final = "deploy with `prefect deploy --all`, then run `train` again"
# Runs among which lost parameters are looked for.
_LOOK_BACK: Final = 50
# What a scheduled run has in common with the run that made its schedule.
_HANDED_ON: Final = {"file", "credentials", "role_arn", "check_data", "waiting"}


@dataclass(frozen=True)
class Kept:
    """A schedule that stands in Prefect and was made from a parameter file.

    said  the parameters of its runs, as they are or were; empty if nobody knows them any more.
          Prefect 3.8 empties those of a schedule that is switched on or off without naming them,
          as its UI does.
    """

    raw: DeploymentSchedule
    deployment_id: UUID
    said: Mapping[str, Any]

    @property
    def slug(self) -> str:
        """What it is called."""
        return str(self.raw.slug)

    @property
    def is_whole(self) -> bool:
        """Whether its runs are given the parameters that they need."""
        return bool(self.said) and self.raw.parameters == self.said

    @property
    def parameters(self) -> TrainParameters | None:
        """The parameters of its runs, if they are known."""
        return _read(self.said)

    @property
    def cron(self) -> str:
        """When, as the parameter file says it; empty if that is not known."""
        it = self.parameters
        return it.scheduled.cron if it and it.scheduled else ""

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
    ours = (it for it in client.read_deployment_schedules(deployment_id) if is_slug(it.slug or ""))
    return tuple(Kept(it, deployment_id, _said(client, it)) for it in ours)


def _said(client: SyncPrefectClient, schedule: DeploymentSchedule) -> Mapping[str, Any]:
    """Return the parameters of a schedule's runs; if it has lost them, those of its last ones."""
    if _read(schedule.parameters):
        return schedule.parameters
    runs = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(created_by=FlowRunFilterCreatedBy(id_=[schedule.id])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=_LOOK_BACK,
    )
    given = ({"parameters": run.parameters.get("parameters")} for run in runs)
    return next((it for it in given if _read(it)), {})


def _read(said: Mapping[str, Any]) -> TrainParameters | None:
    try:
        found = TrainParameters.model_validate(said.get("parameters"))
    except ValidationError:
        return None
    return found if found.scheduled else None


def set_active(client: SyncPrefectClient, kept: Kept, *, active: bool) -> None:
    """Pause a schedule, or let it run again, with the parameters that its runs need."""
    said = needed(kept)
    if kept.raw.active != active or not kept.is_whole:
        client.update_deployment_schedule(
            kept.deployment_id, kept.raw.id, active=active, parameters=said
        )


def needed(kept: Kept) -> dict[str, Any]:
    """Return the parameters of the schedule's runs.  Raises FatalError if nobody knows them."""
    if kept.said:
        return dict(kept.said)
    raise FatalError(
        f"schedule {kept.slug} has lost its parameters, as it does where it is switched on or off "
        "in Prefect's UI; run `train` with its parameter file to restore them"
    )


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
            _row(
                *(it.slug, it.cron, str(timetable(it.cron))),
                _made_so(client, deployment, it, have.get(it.slug), parameters, there),
            )
            for it in wanted
        ]
        slugs = {it.slug for it in wanted}
        for it in have.values():
            of_this_file = it.parameters is None or it.parameters.file == parameters.file
            if of_this_file and it.slug not in slugs and belongs(it.slug, parameters.file, group):
                client.delete_deployment_schedule(deployment, it.raw.id)
                done = "removed: the parameter file has it no more"
                rows.append(_row(it.slug, it.cron, it.times, done))
    for row in rows:
        if not row["done"].startswith("kept"):
            logger.info("schedule %s %s", row["schedule"], row["done"])
    if rows:
        show_table(("schedules", group), rows, f"Schedules of dataset group {group}, in UTC.")
    made = sum(row["done"] == "created" for row in rows)
    removed = sum(row["done"].startswith("removed") for row in rows)
    tell_schedules(made, removed, parameters.credentials)
    return tuple(rows)


def remove_schedule(slug: str, deployment: UUID | None) -> bool:
    """Remove the schedule of that name; return whether it was there."""
    with prefect_errors(f"removing schedule {slug}"), get_client(sync_client=True) as client:
        deployment = deployment or _deployed(client)
        found = kept_schedules(client, deployment) if deployment else ()
        for it in found:
            if it.slug == slug:
                client.delete_deployment_schedule(it.deployment_id, it.raw.id)
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
            deployment, have.raw.id, active=True, schedule=times, parameters=said
        )
        return f"changed: it was {have.cron or have.times}"
    paused = "" if have.raw.active else ", paused by a person"
    if have.raw.parameters != said:
        client.update_deployment_schedule(deployment, have.raw.id, parameters=said)
        return f"changed: its parameters{paused}"
    return f"kept{paused}"


def _row(slug: str, cron: str, times: str, done: str) -> dict[str, str]:
    return {"schedule": slug, "when": cron, "in Prefect": times, "done": done}
