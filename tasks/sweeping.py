"""Find uploads that nobody works on, and start their runs."""

from __future__ import annotations

import datetime as dt
from typing import Final

import httpx
from prefect import get_run_logger, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import PrefectException

from blocks.aws import clients
from personalization import dispatching, sweeping
from personalization.errors import RetryableError, shortened
from personalization.parameters import SweepParameters
from personalization.resources import Account
from personalization.routes import FLOWS
from personalization.sweeping import GIVEN_UP, Healed, Lost, Overlooked
from tasks.artifacts import show_table
from tasks.once import NOT_YET, find_run
from tasks.retrying import NETWORK
from tasks.starting import start_run

_UNFINISHED: Final = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]
_PAGE: Final = 200


@task(task_run_name="look-through-{parameters.bucket}", **NETWORK)
def find_overlooked(parameters: SweepParameters) -> tuple[Overlooked, ...]:
    """Return the uploads that need a run, in the order of their keys."""
    s3, now = clients(parameters.credentials)("s3"), dt.datetime.now(dt.UTC)
    since = max(
        sweeping.beginning(s3, parameters.bucket, now),
        now - dt.timedelta(days=parameters.look_back_days),
    )
    until = now - dt.timedelta(seconds=parameters.grace_s)
    found = tuple(sweeping.overlooked(s3, parameters.bucket, since, until, is_lost))
    waiting = runs_to_come(parameters.stuck_after_s) if found else frozenset()
    return tuple(
        it
        for it in found
        if (it.route.flow, str(it.upload.path)) not in waiting
        and (not it.early or _can_begin(it, parameters))
    )


def _can_begin(it: Overlooked, parameters: SweepParameters) -> bool:
    """Whether a batch job's input that came before its solution was trained calls for its job."""
    client = clients(parameters.credentials)
    account, version = Account.of(client), it.identity.version
    return bool(
        dispatching.for_input(client("personalize"), account, it.upload.path, version).calls
    )


def is_lost(run: str) -> Lost | None:
    """Return how a run came to nothing, None if it did not, or if it failed."""
    found = find_run(run)
    if found is None:
        return "gone"
    match found.state_type:
        case StateType.CRASHED:
            return "crashed"
        case StateType.CANCELLED:
            return "cancelled"
        case StateType.COMPLETED if found.state_name == NOT_YET:
            return "early"
        case _:
            return None


def runs_to_come(stuck_after_s: float) -> frozenset[tuple[str, str]]:
    """Return flow and S3 URI of the uploads whose runs are queued or have just begun.

    One that has been Running for longer works on an upload that it has claimed, or is dead.
    """
    try:
        with get_client(sync_client=True) as client:
            return frozenset(
                (flow, f"s3://{upload['bucket']}/{upload['key']}")
                for flow in FLOWS
                for run in _unfinished(client, flow)
                if not has_died(run, stuck_after_s)
                if (upload := run.parameters.get("parameters", {}).get("upload"))
            )
    except (httpx.HTTPError, PrefectException) as error:
        raise RetryableError(f"Prefect does not say what is queued: {shortened(error)}") from error


def has_died(run: FlowRun, stuck_after_s: float) -> bool:
    """Whether a run without a claim cannot come to one: it took too long to its first act."""
    age = dt.datetime.now(dt.UTC) - run.state.timestamp if run.state else dt.timedelta()
    return run.state_type == StateType.RUNNING and age.total_seconds() > stuck_after_s


def _unfinished(client: SyncPrefectClient, flow: str) -> list[FlowRun]:
    deployment = DeploymentFilter(name=DeploymentFilterName(any_=[flow]))
    unfinished = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNFINISHED))
    )
    runs: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=unfinished,
            deployment_filter=deployment,
            limit=_PAGE,
            offset=len(runs),
        )
        runs += page
        if len(page) < _PAGE:
            return runs


@task(task_run_name="heal-{parameters.bucket}", **NETWORK)
def heal(found: tuple[Overlooked, ...], parameters: SweepParameters) -> tuple[Healed, ...]:
    """Start a run for each upload; return what was done.

    Each try has a name of its own, so that sweeps at the same time start it once.
    """
    return tuple(_healed(it, parameters) for it in found)


@task(task_run_name="show-{parameters.bucket}", **NETWORK)
def show(healed: tuple[Healed, ...], parameters: SweepParameters) -> tuple[str, ...]:
    """Leave what was done as a table; return the ids of the runs that go on with it."""
    rows = [it.row() for it in healed]
    said = f"Uploads to {parameters.bucket}, and runs, that nobody worked on."
    show_table(("swept", parameters.bucket), rows, said)
    return tuple(it.id for it in healed if it.id)


def _healed(it: Overlooked, parameters: SweepParameters) -> Healed:
    run, id_ = GIVEN_UP, ""
    if it.hopeless:
        get_run_logger().warning("%s is left: %s", it.upload.path, it.why)
    else:
        run, id_ = _tried(it, parameters)
    return Healed(str(it.upload.path), it.identity.modified, it.why, it.route.flow, run, id_)


def _tried(it: Overlooked, parameters: SweepParameters) -> tuple[str, str]:
    """Return name and id of the run that now is to work on the upload; if none is, why, and ""."""
    logger = get_run_logger()
    given = it.route.parameters(it.upload)["parameters"]
    if parameters.credentials:
        given["credentials"] = parameters.credentials
    # However many runs came too early, the first that does not is a try.
    most = max(parameters.most_attempts, it.attempts + it.early)
    for attempt in range(it.attempts + 1, most + 1):
        run = start_run(it.route.flow, given, f"{it.identity.digest} attempt {attempt}")
        if run.state_type == StateType.CANCELLED:
            logger.info("%s is left: run %s was cancelled", it.upload.path, run.name)
            return f"{run.name} was cancelled", ""
        # One that ended before it could claim the upload has used up its try.
        if not (run.state and run.state.is_final()) and not has_died(run, parameters.stuck_after_s):
            logger.info("%s: %s; it is run %s now", it.upload.path, it.why, run.name)
            return run.name, str(run.id)
    logger.warning(
        "%s is given up: %s, and all of its %d runs came to nothing; look at them, then upload it "
        "again",
        *(it.upload.path, it.why, most),
    )
    return GIVEN_UP, ""
