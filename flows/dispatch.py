"""Start the flows that a batch job's input, or its output, calls for."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from personalization.parameters import DispatchParameters
from tasks.dispatching import (
    INPUT,
    calls_for_input,
    calls_for_output,
    find_job,
    job_ended,
    start_calls,
)
from tasks.once import NOT_YET, once
from tasks.running import dispatch_run_name
from tasks.suspending import this_run
from tasks.telling import TOLD


# Only failures are told: what it starts tells for itself.
@flow(
    name="dispatch",
    flow_run_name=dispatch_run_name,
    on_failure=TOLD["on_failure"],
    on_crashed=TOLD["on_crashed"],
)
@once
def dispatch(parameters: DispatchParameters) -> tuple[str, ...] | State[Any]:
    """Return the ids of the runs that were started.

    A `job_config.json` starts the batch flow of its solution's recipe.  An `.out` file starts, when
    its job is done, `postprocess` for users in segments, and `connector-sync` for every connector
    job that reads the folder; all parts of one output start them once.  Ends as Completed, named
    `NotYet`, if the solution is not trained yet, so that `sweep` starts it again when it is, and
    `Ignored`, if no job wrote the file or nobody reads it.
    """
    is_input = parameters.file.rpartition("/")[2] == INPUT
    if is_input:
        calls = calls_for_input(parameters)
    else:
        job = find_job(parameters)
        if job is None:
            said = f"no batch job writes to the folder of {parameters.file}"
            return Completed(name="Ignored", message=said)
        ended = job_ended(job, parameters.waiting, this_run(), parameters.credentials)
        calls = calls_for_output(ended, parameters)
    started = start_calls(calls, parameters)
    if started:
        return started
    return Completed(name=NOT_YET if is_input else "Ignored", message=calls.idle)
