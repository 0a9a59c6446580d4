"""Flow runs that outlast their process: suspended while AWS works, resumed by a timer.

A suspended run's process ends, and the slot of its deployment is free.  When it is resumed, its
flow begins again at the top, finds by name what it has asked for, and waits on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import uuid4

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.flow_runs import suspend_flow_run

from personalization.errors import shortened
from personalization.parameters import Waiting
from personalization.waiting import Stay
from tasks.starting import attempt_of

# Carried by every deployment of ours; automations know our runs by it.
TAG: Final = "personalize"
# The automation that resumes suspended runs.
TIMER: Final = "personalize/resume-suspended-runs"
# How often it does so, unless said otherwise.
RESUME_EVERY_S: Final = 300.0
# Time for a last look, so that the run itself can say what it waited for in vain.
_GRACE_S: Final = 3600.0

T = TypeVar("T")


@dataclass(frozen=True)
class ThisRun:
    """How the flow run has come to this process.

    started   when it was first running, in whichever process; a retry does not change it, and an
              attempt that follows a crashed run has started with the first of them
    tried     when the present try began: since it last failed, crashed or was cancelled, if ever
    resumed   whether it was suspended since
    deployed  whether it can be suspended: a subflow cannot, nor a run without a deployment
    tags      its tags
    """

    started: dt.datetime
    tried: dt.datetime
    resumed: bool = False
    deployed: bool = False
    tags: tuple[str, ...] = ()

    @property
    def began(self) -> dt.datetime:
        """When it started, in whole seconds: it goes into the names of jobs."""
        return self.started.replace(microsecond=0)

    def stay(self, waiting: Waiting) -> Stay:
        """Return how long to stay with a wait; without a deployment, to its end."""
        return Stay(self.tried, waiting.suspend_after_s) if self.deployed else Stay()


def this_run() -> ThisRun:
    """Return what Prefect knows of the flow run that is running here."""
    run = current_flow_run()
    started = run.start_time or dt.datetime.now(dt.UTC)
    if run.deployment_id is None or run.parent_task_run_id is not None:
        return ThisRun(started, started)
    with get_client(sync_client=True) as client:
        first = _first_started(client, run)
        states = sorted(client.read_flow_run_states(run.id), key=lambda it: it.timestamp)
    ends = [number for number, it in enumerate(states) if it.is_final()]
    attempt = states[ends[-1] + 1 :] if ends else states
    tried = next((it.timestamp for it in attempt if it.is_running()), started)
    resumed = any(it.is_paused() for it in attempt)
    return ThisRun(first or started, tried, resumed, True, tuple(run.tags))


def _first_started(client: SyncPrefectClient, run: FlowRun) -> dt.datetime | None:
    """Return when the first of the attempts was running, None if this is it, or it is gone."""
    attempt = attempt_of(run)
    if attempt.first == run.id:
        return None
    try:
        return client.read_flow_run(attempt.first).start_time
    except ObjectNotFound:
        return None


def current_flow_run() -> FlowRun:
    """Return the flow run that is running here, as it was when this process took it up."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        raise RuntimeError("no flow is running here")
    return context.flow_run


def outlast(
    wait: Callable[[Stay], T],
    unfinished: Callable[[T], Sequence[str]],
    waiting: Waiting,
    run: ThisRun,
) -> T:
    """Return what `wait` saw in the end; a deployed run is suspended while that takes long.

    wait        waits, no longer than it is told to stay, and returns what it saw
    unfinished  the names of what has to be waited for still
    Must be called by the flow itself.  Whatever comes before it is done again when the run is
    resumed.
    """
    seen = wait(run.stay(waiting))
    if going := unfinished(seen):
        _suspend(going, waiting, run)
        seen = wait(Stay(run.tried))
    return seen


def _suspend(going: Iterable[str], waiting: Waiting, run: ThisRun) -> None:
    """Leave this process.  Comes back only where nobody would resume the run."""
    logger, names = get_run_logger(), shortened(", ".join(going))
    if TAG not in run.tags:
        logger.warning(
            "waiting on for %s: only runs with the tag %r are resumed; add it to the deployment",
            *(names, TAG),
        )
        return
    if not _timer_is_set():
        logger.warning(
            "waiting on for %s: no automation %r is there and enabled to resume this run; "
            "`personalize automations apply` makes it",
            *(names, TIMER),
        )
        return
    logger.info("suspended until it is time to look at %s again", names)
    left_s = max(waiting.give_up_after_s - Stay(run.tried).waited_s, 0.0)
    suspend_flow_run(timeout=int(left_s + _GRACE_S), key=str(uuid4()))


def _timer_is_set() -> bool:
    try:
        with get_client(sync_client=True) as client:
            return any(it.enabled for it in client.read_automations_by_name(TIMER))
    except (httpx.HTTPError, PrefectHTTPStatusError) as error:
        get_run_logger().warning("the automations cannot be read: %s", shortened(error))
        return False
