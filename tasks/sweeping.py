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
from personalization import sweeping
from personalization.errors import RetryableError, shortened
from personalization.parameters import SweepParameters
from personalization.routes import FLOWS
from personalization.sweeping import Healed, Lost, Overlooked
from tasks.artifacts import show_table
from tasks.once import find_run
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
    waiting = runs_to_come() if found else frozenset()
    return tuple(it for it in found if (it.route.flow, str(it.upload.path)) not in waiting)


def is_lost(run: str) -> Lost | None:
    """Return how a run came to nothing without anybody's doing, None if it did not."""
    found = find_run(run)
    if found is None:
        return "gone"
    return "crashed" if found.state_type == StateType.CRASHED else None


def runs_to_come() -> frozenset[tuple[str, str]]:
    """Return flow and S3 URI of the uploads whose runs are queued or under way."""
    try:
        with get_client(sync_client=True) as client:
            return frozenset(
                (flow, f"s3://{upload['bucket']}/{upload['key']}")
                for flow in FLOWS
                for run in _unfinished(client, flow)
                if (upload := run.parameters.get("parameters", {}).get("upload"))
            )
    except (httpx.HTTPError, PrefectException) as error:
        raise RetryableError(f"Prefect does not say what is queued: {shortened(error)}") from error


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
    return tuple(_healed(it, _tried(it, parameters)) for it in found)


@task(task_run_name="show-{parameters.bucket}", **NETWORK)
def show(healed: tuple[Healed, ...], parameters: SweepParameters) -> tuple[str, ...]:
    """Leave what was done as a table; return the ids of the runs that go on with it."""
    rows = [it.row() for it in healed]
    said = f"Uploads to {parameters.bucket}, and runs, that nobody worked on."
    show_table(("swept", parameters.bucket), rows, said)
    return tuple(it.id for it in healed if it.id)


def _tried(it: Overlooked, parameters: SweepParameters) -> FlowRun | None:
    """Return the run that now is to work on the upload, None if it has had all of its runs."""
    given = it.route.parameters(it.upload)["parameters"]
    if parameters.credentials:
        given["credentials"] = parameters.credentials
    for attempt in range(it.attempts + 1, parameters.most_attempts + 1):
        run = start_run(it.route.flow, given, f"{it.identity.digest} attempt {attempt}")
        # One that crashed before it could claim the upload has used up its try.
        if run.state_type != StateType.CRASHED:
            get_run_logger().info("%s: %s; it is run %s now", it.upload.path, it.why, run.name)
            return run
    get_run_logger().warning(
        "%s is given up: %s, and all of its %d runs came to nothing; look at them, then upload it "
        "again",
        *(it.upload.path, it.why, parameters.most_attempts),
    )
    return None


def _healed(it: Overlooked, run: FlowRun | None) -> Healed:
    name, id_ = (run.name, str(run.id)) if run else ("given up", "")
    return Healed(str(it.upload.path), it.identity.modified, it.why, it.route.flow, name, id_)
