"""Where the tasks of a flow run: on threads of this process, or on a Dask cluster."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from personalization.errors import ConfigError
from tasks.running import threads


def shard_runner(dask: str | None, shards: int) -> TaskRunner[PrefectFuture[Any]]:
    """Return a runner for the shards.

    dask  None: threads; "local": a cluster on this machine, for as long as the runner is entered;
          else the address of a scheduler
    """
    at_once = min(shards, os.cpu_count() or 1)
    if dask is None:
        return threads(at_once)
    try:  # an extra: most need no cluster
        dask_runner = import_module("prefect_dask").DaskTaskRunner
    except ImportError as error:
        raise ConfigError(
            f"dask={dask!r} needs prefect-dask; install it: pip install 'personalize-flows[dask]'"
        ) from error
    runner = (
        dask_runner(
            cluster_kwargs={
                "n_workers": at_once,
                "threads_per_worker": 1,
                "host": "127.0.0.1",
                "dashboard_address": None,
            }
        )
        if dask == "local"
        else dask_runner(address=dask)
    )
    return cast("TaskRunner[PrefectFuture[Any]]", runner)
