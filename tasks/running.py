"""How tasks of one flow run beside each other, and what a flow run is called."""

from __future__ import annotations

from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.reconcile import now
from tasks.suspending import current_flow_run


def threads(count: int) -> TaskRunner[PrefectFuture[Any]]:
    """Return a runner of at most `count` tasks at a time; boto3 and polars let go of the GIL."""
    # Prefect types its runners by their futures, invariantly, and `flow` takes the base only.
    return cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=count))


def train_run_name() -> str:
    """Return `train-<folder of the parameter file>-<UTC time>`; a resumed run keeps its name.

    That of a scheduled run begins with what it repeats: `full-for-you-<UTC time>`.
    """
    if (run := current_flow_run()).start_time:
        return run.name
    parameters = flow_run.parameters["parameters"]
    # A deployment's run is named before its parameters have become a model.
    given = parameters if isinstance(parameters, dict) else parameters.model_dump()
    scheduled, folder = given.get("scheduled"), "/".join(given["file"].split("/")[-2:-1])
    what = f"train-{folder}"
    if scheduled:
        what = f"{scheduled['kind']}-{scheduled.get('solution') or folder}"
    return f"{what}-{now():%Y%m%d-%H%M%S}"


def dispatch_run_name() -> str:
    """Return `dispatch-<folder of the file>-<UTC time>`; a run that goes on keeps its name."""
    if (run := current_flow_run()).start_time:
        return run.name
    parameters = flow_run.parameters["parameters"]
    file = parameters["file"] if isinstance(parameters, dict) else parameters.file
    return f"dispatch-{file.split('/')[-2]}-{now():%Y%m%d-%H%M%S}"


def sync_run_name() -> str:
    """Return `connector-sync-<name of the job>-<UTC time>`; a retried run keeps its name."""
    if (run := current_flow_run()).start_time:
        return run.name
    parameters = flow_run.parameters["parameters"]
    job = parameters["job"] if isinstance(parameters, dict) else parameters.job
    name = job.removesuffix("config.json").rstrip("/").rpartition("/")[2]
    return f"connector-sync-{name}-{now():%Y%m%d-%H%M%S}"
