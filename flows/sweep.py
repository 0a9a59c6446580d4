"""Find uploads and runs that nobody works on: an event was lost, a process or a timer died."""

from __future__ import annotations

from prefect import flow

from personalization.parameters import SweepParameters
from tasks.healing import find_crashed, restart, resume_forgotten
from tasks.sweeping import find_overlooked, heal, show
from tasks.telling import TOLD


# Only failures are told: it runs every quarter of an hour, mostly for nothing.
@flow(
    name="sweep",
    flow_run_name="sweep-{parameters.bucket}",
    on_failure=TOLD["on_failure"],
    on_crashed=TOLD["on_crashed"],
)
def sweep(parameters: SweepParameters) -> tuple[str, ...]:
    """Return the ids of the runs that now do what nobody did.

    An upload without a run gets one, if it is not older than an hour before the first sweep of its
    bucket; a run that crashed is started again; one that is suspended without end is resumed.
    What failed or was cancelled is left to a person.  Safe to repeat, and to run twice at once.
    """
    healed = (
        *heal(find_overlooked(parameters), parameters),
        *restart(find_crashed(parameters), parameters),
        *resume_forgotten(parameters),
    )
    return show(healed, parameters)
