"""One run for one upload, however often it is told."""

from __future__ import annotations

import datetime as dt
import inspect
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.runtime import flow_run
from prefect.states import Completed

from blocks.aws import clients
from personalization import claims
from personalization.arrivals import still_arriving
from personalization.claims import Claim
from personalization.errors import RetryableError, shortened
from personalization.parameters import FlowParameters, FolderParameters, Upload
from tasks.retrying import NETWORK
from tasks.uploads import work_on

P = TypeVar("P", bound=FlowParameters)
R = TypeVar("R")

# How a run ends that came too early: its claim stays open, for a later one to do the work.
NOT_YET: Final = "NotYet"
# A folder that is not quiet after so long is worked on as it is.
_LONGEST_ARRIVAL_S: Final = 900.0


def once(body: Callable[[P], R]) -> Callable[[P], R]:
    """Let only one flow run work on an upload.  Goes under `@flow`.

    Without an upload it does nothing.  Else the run claims the upload first.  If another run has
    it, or has done it, this one ends as Completed, named `Duplicate`; if the object has been
    deleted since, named `Gone`.  A claim whose run failed or crashed is taken over, that of a run
    which a person cancelled is not; a run that is retried or resumed goes on with its own.  What
    reads a whole folder waits until the folder has arrived.  Success is written into the claim; a
    suspended run, and one that came too early, has not succeeded yet.
    """

    @wraps(body)
    def claimed(parameters: P) -> R | State[Any]:
        upload, credentials, run = parameters.upload, parameters.credentials, str(flow_run.id)
        if upload is None:
            return body(parameters)
        standing = claim_upload(upload, str(flow_run.flow_name), run, credentials)
        if standing is None:
            said = f"{upload.path} was deleted before the run began; there is nothing to do"
            return Completed(name="Gone", message=said)
        if standing.holder != run:
            return Completed(name="Duplicate", message=_whose(standing, upload))
        if isinstance(parameters, FolderParameters) and parameters.settle_s:
            wait_until_quiet(parameters, credentials)
        with work_on(upload, credentials):
            ended = body(parameters)
        if not isinstance(ended, State) or (ended.is_completed() and ended.name != NOT_YET):
            # What was done is not undone by a claim that could not be written: that the run has
            # succeeded stands in Prefect, too.
            complete_claim(standing, credentials, return_state=True)
        return ended

    # Prefect reads annotations where the function stands that it is given: here, where the flow's
    # models have no names.
    claimed.__signature__ = inspect.signature(body, eval_str=True)  # type: ignore[attr-defined]
    # A run without an upload returns what the body does; the other states are Prefect's alone.
    return cast("Callable[[P], R]", claimed)


@task(task_run_name="claim-{upload.key}", **NETWORK)
def claim_upload(upload: Upload, flow: str, run: str, credentials: str | None) -> Claim | None:
    """Return who has the upload now, which may be this run; None if it has been deleted."""
    s3 = clients(credentials)("s3")
    identity = claims.identify(s3, upload)
    if identity is None:
        return None
    about = {"bucket": upload.bucket, "key": upload.key, "version": identity.version, "flow": flow}
    standing = claims.claim(s3, identity.claim_path(flow), run, is_over, about=about)
    if standing.holder == run:
        get_run_logger().info("%s is claimed, attempt %d", upload.path, standing.attempt)
    return standing


@task(task_run_name="complete-claim", **NETWORK)
def complete_claim(mine: Claim, credentials: str | None) -> None:
    """Write into the claim that the work is done."""
    if not claims.complete(clients(credentials)("s3"), mine):
        get_run_logger().warning("%s was taken over while this run worked on", mine.path)


@task(task_run_name="arrive", **NETWORK)
def wait_until_quiet(parameters: FolderParameters, credentials: str | None) -> None:
    """Wait until all of the folder is likely to be there, a quarter of an hour at most."""
    s3, told = clients(credentials)("s3"), ""
    end = time.monotonic() + _LONGEST_ARRIVAL_S
    while True:
        now = dt.datetime.now(dt.UTC)
        arriving = still_arriving(s3, parameters.places, parameters.settle_s, now)
        if arriving is None:
            return
        if time.monotonic() >= end:
            minutes = _LONGEST_ARRIVAL_S / 60
            get_run_logger().warning("%s, after %g minutes: going on", arriving.what, minutes)
            return
        if told != arriving.what:
            told = arriving.what
            get_run_logger().info("waiting: %s", told)
        time.sleep(arriving.again_in_s)


def is_over(run: str) -> claims.State:
    """Return how the flow run of that id is doing, as claims see it."""
    found = find_run(run)
    if found is None:
        return "gone"
    match found.state_type:
        case StateType.COMPLETED:
            return "failed" if found.state_name == NOT_YET else "succeeded"
        case StateType.FAILED | StateType.CRASHED:
            return "failed"
        case StateType.CANCELLED:
            return "cancelled"
        case _:
            return "going"


def find_run(run: str) -> FlowRun | None:
    """Return the flow run of that id; None if the server does not know it."""
    try:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(UUID(run))
    except (ObjectNotFound, ValueError):
        return None
    except (httpx.HTTPError, PrefectException) as error:
        raise RetryableError(f"Prefect does not say how {run} does: {shortened(error)}") from error


def _whose(standing: Claim, upload: Upload) -> str:
    if standing.cancelled:
        return (
            f"flow run {standing.holder}, which had this version of {upload.path}, was cancelled; "
            "to do it all the same, retry that run, upload it again, or start a run without "
            "`upload`"
        )
    did = "has done" if standing.completed else "works on"
    return (
        f"flow run {standing.holder} {did} this version of {upload.path}; to do it again, upload "
        "it again, or start a run without `upload`"
    )
