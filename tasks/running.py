"""How tasks of one flow run beside each other, and what a flow run is called."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from tasks.suspending import current_flow_run


def threads(count: int) -> TaskRunner[PrefectFuture[Any]]:
    """Return a runner of at most `count` tasks at a time; boto3 and polars let go of the GIL."""
    # Prefect types its runners by their futures, invariantly, and `flow` takes the base only.
    return cast("TaskRunner[PrefectFuture[Any]]", ThreadPoolTaskRunner(max_workers=count))


Given = Mapping[str, Any]


def named(what: Callable[[Given], str]) -> Callable[[], str]:
    """Return what names flow runs: for what they do, and the UTC time; who goes on keeps its name.

    what  makes it of the run's parameters, which are JSON if a deployment's run has just begun
    """

    def name() -> str:
        if (run := current_flow_run()).start_time:
            return run.name
        parameters = flow_run.parameters["parameters"]
        given = parameters if isinstance(parameters, dict) else parameters.model_dump()
        return f"{what(given)}-{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}"

    return name


@named
def train_run_name(given: Given) -> str:
    """Return `train-<folder of the parameter file>`, of a scheduled run `full-for-you`."""
    folder = "/".join(given["file"].split("/")[-2:-1])
    if scheduled := given.get("scheduled"):
        return f"{scheduled['kind']}-{scheduled.get('solution') or folder}"
    return f"train-{folder}"


@named
def batch_segment_run_name(given: Given) -> str:
    """Return `batch-segment-<solution>`."""
    return f"batch-segment-{given['solution']}"


@named
def batch_inference_run_name(given: Given) -> str:
    """Return `batch-inference-<solution>`."""
    return f"batch-inference-{given['solution']}"


@named
def dispatch_run_name(given: Given) -> str:
    """Return `dispatch-<folder of the file>`."""
    return f"dispatch-{given['file'].split('/')[-2]}"


@named
def postprocess_run_name(given: Given) -> str:
    """Return `postprocess-<folder of the output>`, which is the batch job's name."""
    folder, _, file = given["output"].rpartition("/")
    return f"postprocess-{(folder if file.endswith('.out') or not file else file).split('/')[-1]}"


@named
def import_run_name(given: Given) -> str:
    """Return `import-audience-<destination>`."""
    return f"import-audience-{given['destination']}"


@named
def sync_run_name(given: Given) -> str:
    """Return `connector-sync-<name of the job>`."""
    job = given["job"].removesuffix("config.json").rstrip("/")
    return f"connector-sync-{job.rpartition('/')[2]}"
