"""Runs of ours that came to a halt without anybody's doing: they crashed, or nobody resumes them.

A run that failed is a person's to repair, and one that was cancelled was a person's wish.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterEndTime,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.filters import EventFilter, EventOccurredFilter, EventResourceFilter
from prefect.events.schemas.automations import EventTrigger
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings
from prefect.states import Crashed

from personalization.errors import ConfigError, RetryableError, shortened
from personalization.parameters import SweepParameters
from personalization.routes import FLOWS
from personalization.sweeping import GIVEN_UP, Healed
from tasks.once import find_run
from tasks.retrying import NETWORK
from tasks.starting import attempt_of, start_again
from tasks.suspending import RESUME_EVERY_S, TAG, TIMER

# As many as the server returns at once.
_PAGE: Final = 200
# A run's heartbeats that may be lost before it counts as dead.
_HEARTBEATS: Final = 3
# The timer's periods after which it will not come any more.
_PERIODS: Final = 3
_OURS: Final = FlowRunFilterTags(all_=[TAG])


@dataclass(frozen=True)
class Casualty:
    """A run that nothing has followed: its id, and the name of its flow."""

    id: str
    flow: str


@task(task_run_name="end-dead", **NETWORK)
def end_dead(parameters: SweepParameters) -> tuple[Healed, ...]:
    """Let runs end as Crashed whose process is gone; return none, for none goes on.

    They hold the slots of their deployments.  One that has been Pending for too long died before
    it began, which nobody else notices: it has no heartbeat yet.  One that is Running without a
    sign of life is an automation's to find, which a server that is started again may have
    forgotten, or hear of a quarter of an hour late: events that follow one from before wait for
    it that long.  Source: prefect 3.8, server/events/ordering, `PRECEDING_EVENT_LOOKBACK`.
    """
    going = FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
    with _prefect("what is running") as client:
        for listed in _runs(client, tags=_OURS, state=FlowRunFilterState(type=going)):
            run = client.read_flow_run(listed.id)  # it may have begun, or ended, since
            if said := _how_dead(client, run, parameters):
                client.set_flow_run_state(run.id, Crashed(message=said))
                get_run_logger().info("%s has crashed: %s", run.name, said)
    return ()


@task(task_run_name="find-crashed", **NETWORK)
def find_crashed(parameters: SweepParameters) -> tuple[Casualty, ...]:
    """Return the runs that crashed and that are to be started again.

    Left out are runs for uploads, which are found by their uploads; those of schedules, which
    fire again; sweeps; and what another run of the deployment with the same parameters has
    followed, however that went.
    """
    now = dt.datetime.now(dt.UTC)
    since = now - dt.timedelta(days=parameters.look_back_days)
    with _prefect("what has crashed") as client:
        crashed = _runs(
            client,
            tags=_OURS,
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])),
            end_time=FlowRunFilterEndTime(after_=since),
        )
        flows = _flows(client, {it.deployment_id for it in crashed if it.deployment_id})
        mine = [it for it in crashed if _is_mine(it, flows)]
        last = _last_ones(client, mine, now)
    return tuple(Casualty(str(it.id), flows[it.deployment_id]) for it in mine if it.id in last)


@task(task_run_name="restart", **NETWORK)
def restart(crashed: tuple[Casualty, ...], parameters: SweepParameters) -> tuple[Healed, ...]:
    """Start the runs again, with the same parameters; return what was done.

    Each attempt has a name of its own, so that sweeps at the same time start it once.
    """
    runs = [(find_run(it.id), it.flow) for it in crashed]
    return tuple(
        _again(run, flow, parameters)
        for run, flow in runs
        if run and run.state_type == StateType.CRASHED  # nobody has just retried it
    )


@task(task_run_name="resume-forgotten", **NETWORK)
def resume_forgotten(parameters: SweepParameters) -> tuple[Healed, ...]:
    """Resume runs whose timer was lost, as it is with a server that is killed; return them.

    Without an automation for that, too: the run then waits in its process.  While a person has
    disabled it, nothing is resumed.
    """
    suspended = FlowRunFilterState(name=FlowRunFilterStateName(any_=["Suspended"]))
    done: list[Healed] = []
    with _prefect("what is suspended") as client:
        after_s = _forgotten_after_s(client, parameters)
        before = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=after_s)
        for run in _runs(client, tags=_OURS, state=suspended) if after_s >= 0 else ():
            if run.state is None or (at := run.state.timestamp) > before:
                continue
            # The timer, or another sweep, may have been quicker.
            if client.resume_flow_run(run.id).status.value != "ACCEPT":
                continue
            get_run_logger().info("%s was suspended and nobody resumed it; it goes on", run.name)
            flow = client.read_flow(run.flow_id).name
            why = "suspended, and nobody resumed it"
            done.append(Healed(run.name, at, why, flow, run.name, str(run.id)))
    return tuple(done)


def _how_dead(client: SyncPrefectClient, run: FlowRun, parameters: SweepParameters) -> str | None:
    """Return how it is known that a run's process is gone, None if it may be at work."""
    if run.state is None:
        return None
    age_s = (dt.datetime.now(dt.UTC) - run.state.timestamp).total_seconds()
    if run.state.is_pending() and age_s > parameters.stuck_after_s:
        return f"Pending for {age_s:.0f} s: its process died before it began"
    every_s = get_current_settings().flows.heartbeat_frequency
    if not run.state.is_running() or every_s is None:
        return None
    silent_s = max(parameters.stuck_after_s, _HEARTBEATS * every_s)
    if age_s <= silent_s or _heard_of(client, run, silent_s):
        return None
    return f"no sign of life for {silent_s:.0f} s: the process, or its machine, is gone"


def _heard_of(client: SyncPrefectClient, run: FlowRun, within_s: float) -> bool:
    """Whether anything has happened to a run lately; its heartbeats are events, too."""
    since = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=within_s)
    events = client.read_events(
        EventFilter(
            occurred=EventOccurredFilter(since=since),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        ),
        limit=1,
    )
    return bool(events.events)


def _again(run: FlowRun, flow: str, parameters: SweepParameters) -> Healed:
    logger, attempt = get_run_logger(), attempt_of(run).number
    next_one: FlowRun | None = None
    if attempt < parameters.most_attempts:
        try:
            next_one = start_again(run)
            logger.info(
                "%s crashed, attempt %d; it is run %s now", run.name, attempt, next_one.name
            )
        except ConfigError as error:
            logger.warning("%s crashed and is given up: %s", run.name, error)
    else:
        logger.warning(
            "%s is given up: all of its %d runs crashed; look at them, then start one by hand",
            *(run.name, attempt),
        )
    crashed_at = run.end_time or dt.datetime.now(dt.UTC)
    given_up = (GIVEN_UP, "")
    name, id_ = (next_one.name, str(next_one.id)) if next_one else given_up
    return Healed(run.name, crashed_at, f"run {run.id} crashed", flow, name, id_)


def _is_mine(run: FlowRun, flows: dict[UUID | None, str]) -> bool:
    flow = flows.get(run.deployment_id)
    if flow is None or flow == "sweep" or run.auto_scheduled or run.parent_task_run_id:
        return False
    given = run.parameters.get("parameters")
    has_upload = isinstance(given, dict) and bool(given.get("upload"))
    return not (flow in FLOWS and has_upload)


def _last_ones(client: SyncPrefectClient, crashed: list[FlowRun], now: dt.datetime) -> set[UUID]:
    """Return the ids of the last runs of each deployment with each of the parameters."""
    if not crashed:
        return set()
    first = min(it.expected_start_time or now for it in crashed)
    runs = _runs(
        client,
        deployment_id=FlowRunFilterDeploymentId(
            any_=sorted({it.deployment_id for it in crashed if it.deployment_id})
        ),
        # Those that are still to come may never be, or be a week away.
        expected_start_time=FlowRunFilterExpectedStartTime(after_=first, before_=now),
    )
    last: dict[tuple[UUID | None, str], UUID] = {}
    for it in sorted(runs, key=lambda it: it.created or now):
        last[it.deployment_id, json.dumps(it.parameters, sort_keys=True)] = it.id
    return set(last.values())


def _flows(client: SyncPrefectClient, deployments: Iterable[UUID]) -> dict[UUID | None, str]:
    """Return the name of each deployment's flow; those that are gone are left out."""
    wanted = sorted(deployments)
    found: dict[UUID | None, str] = {}
    for start in range(0, len(wanted), _PAGE):
        page = DeploymentFilterId(any_=wanted[start : start + _PAGE])
        for it in client.read_deployments(deployment_filter=DeploymentFilter(id=page)):
            found[it.id] = client.read_flow(it.flow_id).name
    return found


def _forgotten_after_s(client: SyncPrefectClient, parameters: SweepParameters) -> float:
    """Return after how many seconds a suspended run is forgotten; negative: never."""
    timers = client.read_automations_by_name(TIMER)
    enabled = [it for it in timers if it.enabled]
    if timers and not enabled:
        return -1.0
    if parameters.resume_after_s is not None:
        return parameters.resume_after_s
    periods = [it.trigger.within for it in enabled if isinstance(it.trigger, EventTrigger)]
    every_s = max((it.total_seconds() for it in periods), default=RESUME_EVERY_S)
    return _PERIODS * every_s


def _runs(client: SyncPrefectClient, **filters: Any) -> list[FlowRun]:
    runs: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(**filters), limit=_PAGE, offset=len(runs)
        )
        runs += page
        if len(page) < _PAGE:
            return runs


@contextmanager
def _prefect(what: str) -> Iterator[SyncPrefectClient]:
    try:
        with get_client(sync_client=True) as client:
            yield client
    except (httpx.HTTPError, PrefectException) as error:
        raise RetryableError(f"Prefect does not say {what}: {shortened(error)}") from error
