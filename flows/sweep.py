"""Find uploads and runs that nobody works on: an event was lost, a process or a timer died."""

from __future__ import annotations

from collections.abc import Callable

from prefect import flow

from personalization.parameters import SweepParameters
from personalization.sweeping import Healed
from tasks.halts import tell_halts
from tasks.healing import end_dead, find_crashed, restart, resume_forgotten
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

    A run that does not begin, or gives no sign of life, counts as crashed.  An upload without a
    run gets one, if it is not older than an hour before the first sweep of its bucket; a run that
    crashed is started again; one that is suspended without end is resumed.  What failed or was
    cancelled is left to a person.
    Who listens is told what died and what is given up.  What cannot be done holds nothing else up;
    then the run fails.  Safe to repeat, and to run twice at once.
    """
    healings: tuple[Callable[[], tuple[Healed, ...]], ...] = (
        lambda: end_dead(parameters),
        lambda: heal(find_overlooked(parameters), parameters),
        lambda: restart(find_crashed(parameters), parameters),
        lambda: resume_forgotten(parameters),
    )
    healed: list[Healed] = []
    errors: list[Exception] = []
    for healing in healings:
        try:
            healed += healing()
        except Exception as error:  # the task's own log tells each, the run's end the first
            errors.append(error)
    runs = show(tuple(healed), parameters)
    tell_halts(tuple(healed), parameters)
    if errors:
        raise errors[0]
    return runs
