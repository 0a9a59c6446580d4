"""Runs by the calendar: one at a time, the newest that is due, and none for what is gone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from itertools import islice
from typing import Any, Final, TypeVar, cast
from uuid import UUID

from prefect import get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterCreatedBy,
    FlowRunFilterExpectedStartTime,
)
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import emit_event
from prefect.states import Completed

from blocks.aws import clients
from personalization import claims
from personalization.aws import S3Path, aws_errors
from personalization.config import check, occurrences
from personalization.parameters import Scheduled, TrainParameters
from personalization.resources.repeating import part_of
from tasks.artifacts import show_table
from tasks.declare import last_modified
from tasks.once import is_over
from tasks.retrying import NETWORK
from tasks.schedules import prefect_errors, remove_schedule
from tasks.suspending import current_flow_run

R = TypeVar("R")

FOLDER: Final = f"{claims.FOLDER}schedules/"
# Names of ends at which nothing was done.
SKIPPED, MISSED, REMOVED = "Skipped", "Missed", "Removed"
# Runs that a look back sees, and times of a schedule that a report lists.
_LOOK_BACK: Final = 200
_MOST_TIMES: Final = 100
# States in which a run of the calendar has not begun, or ended without having done anything.
_NEVER_BEGAN: Final = frozenset({"Scheduled", "Late", "AwaitingConcurrencySlot", MISSED})


def by_calendar(body: Callable[[TrainParameters], R]) -> Callable[[TrainParameters], R]:
    """Let a schedule's runs work one at a time, and only as long as the file has the schedule.

    Goes under `@flow`; does nothing for runs that are not scheduled.  A run ends as Completed,
    named `Skipped` while an earlier one still goes on; `Missed` if a newer one is due, as after an
    outage; `Removed`, with its schedule, when the parameter file has it no more.  Times at which
    nothing ran are reported by the next run that does.
    """

    @wraps(body)
    def in_turn(parameters: TrainParameters) -> R | State[Any]:
        scheduled, due = parameters.scheduled, Due.of(current_flow_run())
        if scheduled is None:
            return body(parameters)
        if not has_begun(parameters, due.run):
            if newer := newer_that_is_due(due):
                said = f"the run of {due.at:%Y-%m-%d %H:%M} UTC is passed over: {newer} is newer"
                return Completed(name=MISSED, message=f"{said}, and due")
            holder = take_turn(parameters, due.run)
            if holder != due.run:
                said = f"flow run {holder} of schedule {scheduled.slug} is still going on"
                return Completed(name=SKIPPED, message=said)
            report_missed(scheduled, due)
        if why := why_gone(parameters, due.deployment):
            return Completed(name=REMOVED, message=why)
        return body(parameters)

    # A run that is not scheduled returns what the body does; other states are Prefect's alone.
    return cast("Callable[[TrainParameters], R]", in_turn)


@dataclass(frozen=True)
class Due:
    """What a flow run says of its time.

    schedule  that made it; None for a run that a person started
    """

    run: str
    at: dt.datetime
    schedule: UUID | None
    deployment: UUID | None

    @classmethod
    def of(cls, run: FlowRun) -> Due:
        """Return it."""
        by = run.created_by
        schedule = by.id if by and by.type == "SCHEDULE" else None
        at = run.expected_start_time or dt.datetime.now(dt.UTC)
        return cls(str(run.id), at, schedule, run.deployment_id)


@task(task_run_name="look-for-turn-{parameters.scheduled.slug}", **NETWORK)
def has_begun(parameters: TrainParameters, run: str) -> bool:
    """Whether the run has had its turn and comes back to its work: resumed, or retried."""
    standing = claims.read(clients(parameters.credentials)("s3"), _turn(parameters))
    return standing is not None and standing.holder == run


@task(task_run_name="take-turn-{parameters.scheduled.slug}", **NETWORK)
def take_turn(parameters: TrainParameters, run: str) -> str:
    """Return whose turn it is: this run's, or that of an earlier one which still goes on."""
    assert parameters.scheduled
    about = {"schedule": parameters.scheduled.slug, "file": parameters.file}
    s3 = clients(parameters.credentials)("s3")
    return claims.claim(s3, _turn(parameters), run, is_over, about=about, recurring=True).holder


def _turn(parameters: TrainParameters) -> S3Path:
    assert parameters.scheduled
    bucket = S3Path.parse(parameters.file).bucket
    return S3Path(bucket, f"{FOLDER}{parameters.scheduled.slug}.json")


@task(task_run_name="look-for-newer-runs", **NETWORK)
def newer_that_is_due(due: Due) -> str:
    """Return the name of the newest run of the same schedule that is due after this one, if any."""
    if due.schedule is None:
        return ""
    found = _runs(due.schedule, after=due.at, before=dt.datetime.now(dt.UTC))
    newer = (it for it in found if it.expected_start_time and it.expected_start_time > due.at)
    return next((it.name for it in newer if it.state_name != "Cancelled"), "")


@task(task_run_name="report-missed-{scheduled.slug}", **NETWORK)
def report_missed(scheduled: Scheduled, due: Due) -> tuple[dt.datetime, ...]:
    """Return, and report, the times since the last run at which the schedule did not run.

    Left as a warning, a table, and the event `personalize.schedule.missed`.  Times before the
    schedule was made, changed or resumed do not count.
    """
    if due.schedule is None or due.deployment is None:
        return ()
    with prefect_errors("reading schedules"), get_client(sync_client=True) as client:
        standing = {it.id: it for it in client.read_deployment_schedules(due.deployment)}
    if (kept := standing.get(due.schedule)) is None:
        return ()
    changed_at = kept.updated or kept.created or due.at
    began = {
        it.expected_start_time: it.state_name
        for it in _runs(due.schedule, before=due.at)
        if str(it.id) != due.run and it.expected_start_time and it.state_name not in _NEVER_BEGAN
    }
    since = max([changed_at, *(at for at, state in began.items() if state != SKIPPED)])
    missed = tuple(at for at in _between(scheduled.cron, since, due.at) if at not in began)
    if missed:
        _tell(scheduled.slug, due.at, missed)
    return missed


def _between(cron: str, since: dt.datetime, until: dt.datetime) -> Sequence[dt.datetime]:
    times = islice(occurrences(cron, since), 100_000)
    return [at for at in times if at < until]


def _tell(slug: str, due: dt.datetime, missed: Sequence[dt.datetime]) -> None:
    times = [f"{at:%Y-%m-%dT%H:%MZ}" for at in missed[-_MOST_TIMES:]]
    shown = ", ".join(times[-3:])
    get_run_logger().warning(
        "schedule %s did not run at %d time(s), last at %s: no server or worker was there, or all "
        "were busy",
        *(slug, len(missed), shown),
    )
    rows = [{"schedule": slug, "missed": at} for at in times]
    show_table(("missed", slug), rows, f"{len(missed)} time(s) at which {slug} did not run.")
    emit_event(
        "personalize.schedule.missed",
        resource={
            "prefect.resource.id": f"personalize.schedule.{slug}",
            "prefect.resource.name": slug,
        },
        payload={
            "schedule": slug,
            "count": len(missed),
            "times": times,
            "next": f"{due:%Y-%m-%dT%H:%MZ}",
        },
    )


@task(task_run_name="still-scheduled-{parameters.scheduled.slug}", **NETWORK)
def why_gone(parameters: TrainParameters, deployment: UUID | None) -> str:
    """Return why there is nothing to repeat any more, having removed the schedule; else nothing.

    A parameter file that is there and cannot be used is left to the flow to complain about.
    """
    scheduled, path = parameters.scheduled, S3Path.parse(parameters.file)
    assert scheduled
    if last_modified(path, parameters.credentials) is None:
        why = f"{path} is gone"
    else:
        with aws_errors(f"reading {path}"):
            text = (
                clients(parameters.credentials)("s3")
                .get_object(Bucket=path.bucket, Key=path.key)["Body"]
                .read()
            )
        file = check(text, str(path)).file
        if file is None or part_of(file, scheduled, path.bucket):
            return ""
        why = f"{path} has it no more"
    removed = remove_schedule(scheduled.slug, deployment)
    said = f"{why}, so schedule {scheduled.slug} {'was removed' if removed else 'is over'}"
    get_run_logger().warning("%s", said)
    return said


def _runs(
    schedule: UUID, *, before: dt.datetime, after: dt.datetime | None = None
) -> list[FlowRun]:
    """Return runs of the schedule that were due in that time, newest first."""
    wanted = FlowRunFilter(
        created_by=FlowRunFilterCreatedBy(id_=[schedule]),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=before, after_=after),
    )
    with prefect_errors("reading flow runs"), get_client(sync_client=True) as client:
        return client.read_flow_runs(
            flow_run_filter=wanted,
            sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=_LOOK_BACK,
        )
