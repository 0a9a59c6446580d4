"""Start the flows that a batch job's input or output calls for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun
from prefect.runtime import flow_run

from blocks.aws import clients
from personalization import claims, dispatching, postprocess_file
from personalization.aws import S3Path
from personalization.dispatching import Call, Calls
from personalization.errors import FatalError
from personalization.objects import content
from personalization.parameters import DispatchParameters, Upload, Waiting
from personalization.resources import Account, Found, look
from personalization.resources.batch import output_folder
from personalization.resources.kinds import BATCH_SEGMENT_JOB
from personalization.waiting import Stay, looks
from tasks.artifacts import show_table
from tasks.retrying import NETWORK
from tasks.starting import start_again, start_run
from tasks.suspending import ThisRun, outlast
from tasks.uploads import checked

INPUT: Final = "job_config.json"
# What its event is called: `personalize.postprocess-settings.rejected`.
POSTPROCESS_SETTINGS: Final = "postprocess-settings"


@task(task_run_name="input-{parameters.file}", **NETWORK)
def calls_for_input(parameters: DispatchParameters) -> Calls:
    """Return the batch job that the input of a solution calls for."""
    client, path = clients(parameters.credentials), S3Path.parse(parameters.file)
    upload = parameters.upload or Upload(bucket=path.bucket, key=path.key)
    identity = claims.identify(client("s3"), upload)
    if identity is None:
        return Calls(idle=f"{path} is not there")
    return dispatching.for_input(client("personalize"), Account.of(client), path, identity.version)


@task(task_run_name="job-of-{parameters.file}", **NETWORK)
def find_job(parameters: DispatchParameters) -> Found | None:
    """Return the batch job that writes to where the `.out` file lies, None if none does."""
    client = clients(parameters.credentials)
    path = S3Path.parse(parameters.file)
    return dispatching.job_of(client("personalize"), Account.of(client), path)


def job_ended(job: Found, waiting: Waiting, run: ThisRun, credentials: str | None) -> Found:
    """Return the job as it ended; a deployed run is suspended while that takes long.

    Personalize writes its output before it calls a job ACTIVE.  Raises FatalError if it failed.
    """

    def unfinished(seen: Found | None) -> list[str]:
        return [job.arn] if seen and seen.on_the_way else []

    def wait(stay: Stay) -> Found | None:
        return wait_for_job(job, waiting, credentials, stay)

    ended = outlast(wait, unfinished, waiting, run)
    if ended is None or ended.status != "ACTIVE":
        said = f"is {ended.status}: {ended.why}" if ended else "is gone"
        raise FatalError(f"{job.arn} {said}; what it wrote may be incomplete, and is left alone")
    return ended


@task(task_run_name="wait-{job.arn}", cache_policy=NO_CACHE)
def wait_for_job(job: Found, waiting: Waiting, credentials: str | None, stay: Stay) -> Found | None:
    """Return the job when it has ended, or when it is time to leave."""
    view = partial(look, clients(credentials)("personalize"), job.kind, job.arn)
    seen: dict[str, Found | None] = {job.arn: job}

    def leave(_going: Mapping[str, Found | None]) -> bool:
        return stay.is_over([job.created_at])

    def is_settled(found: Found | None) -> bool:
        return found is None or not found.on_the_way

    for seen in looks({job.arn: view}, is_settled, waiting, waited_s=stay.waited_s, leave=leave):
        get_run_logger().debug("%s: %s", job.arn, seen)
    return seen.get(job.arn)


@task(task_run_name="output-{job.arn}", **NETWORK)
def calls_for_output(job: Found, parameters: DispatchParameters) -> Calls:
    """Return what is made of the output of a finished job."""
    s3 = clients(parameters.credentials)("s3")
    settings: dict[str, Any] = {}
    if job.kind == BATCH_SEGMENT_JOB:
        settings = _postprocess_settings(s3, output_folder(job), parameters.credentials)
    calls = dispatching.for_output(s3, job, settings)
    for finding in calls.findings:
        get_run_logger().warning("a connector job cannot be read: %s", finding)
    return calls


def _postprocess_settings(s3: Any, folder: S3Path, credentials: str | None) -> dict[str, Any]:
    for path in postprocess_file.places(folder):
        written = content(s3, path)
        if written is None:
            continue
        with checked(POSTPROCESS_SETTINGS, path, credentials, written.head):
            found = postprocess_file.load(written.data, str(path))
        get_run_logger().info("audiences are made as %s says", path)
        return found.model_dump(mode="json", exclude_unset=True)
    return {}


def _put_at(parameters: DispatchParameters) -> dt.datetime | None:
    """Return when the uploaded file was put there, at the latest; None if it is gone."""
    if parameters.upload is None:
        return None
    identity = claims.identify(clients(parameters.credentials)("s3"), parameters.upload)
    # S3 tells whole seconds, and leaves out the rest.
    return identity.modified + dt.timedelta(seconds=1) if identity else None


def _came_to_nothing(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final() and not run.state.is_completed()


def _log(call: Call, run: FlowRun, ended: str | None, file: str) -> None:
    logger = get_run_logger()
    if ended is None:
        logger.info("%s is run %s: %s", call.flow, run.name, call.why)
    elif _came_to_nothing(run):
        said = "%s was begun before, and run %s has ended as %s: retry it, or put %s again"
        logger.warning(said, call.flow, run.name, ended, file)
    else:
        logger.info("nothing new for %s: run %s has done it", call.flow, run.name)


@task(task_run_name="start", **NETWORK)
def start_calls(calls: Calls, parameters: DispatchParameters) -> tuple[str, ...]:
    """Start what is called for; return the ids of the runs, and leave them as a table.

    What was started before is not started again, unless it came to nothing and the file was put
    again since.
    """
    # By hand the same may be asked for again; an upload asks once.
    again = "" if parameters.upload else f" {flow_run.id}"
    put_at = _put_at(parameters)
    rows: list[dict[str, Any]] = []
    for call in calls.calls:
        given = dict(call.parameters)
        if parameters.credentials:
            given["credentials"] = parameters.credentials
        run = start_run(call.flow, given, f"{call.once}{again}")
        while put_at and _came_to_nothing(run) and run.end_time and run.end_time < put_at:
            run = start_again(run, given)
        ended = run.state_name if run.state and run.state.is_final() else None
        _log(call, run, ended, parameters.file)
        row = {"flow": call.flow, "run": run.name, "id": str(run.id), "ended": ended}
        rows.append({**row, "why": call.why, **given})
    show_table(
        ("dispatched", S3Path.parse(parameters.file).parent.name),
        rows,
        f"What {parameters.file} has started.",
    )
    return tuple(str(row["id"]) for row in rows)
