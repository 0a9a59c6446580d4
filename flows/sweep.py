"""Find uploads that nobody works on, because their event was lost or their run died."""

from __future__ import annotations

from prefect import flow

from personalization.parameters import SweepParameters
from tasks.sweeping import find_overlooked, heal
from tasks.telling import TOLD


# Only failures are told: it runs every quarter of an hour, mostly for nothing.
@flow(
    name="sweep",
    flow_run_name="sweep-{parameters.bucket}",
    on_failure=TOLD["on_failure"],
    on_crashed=TOLD["on_crashed"],
)
def sweep(parameters: SweepParameters) -> tuple[str, ...]:
    """Return the ids of the runs that uploads got which had none.

    The first sweep of a bucket starts nothing: it says since when uploads are looked after.  Safe
    to repeat, and to run twice at once.  An upload whose run failed is left to a person.
    """
    return heal(find_overlooked(parameters), parameters)
