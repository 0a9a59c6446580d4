"""Turn what a batch segment job wrote into audiences, one a query."""

from __future__ import annotations

from prefect import flow

from personalization.parameters import PostprocessParameters
from personalization.segments import PostprocessReport
from tasks.audiences import find_segment_output, make_audiences
from tasks.imports import check_destination, imports_ended, start_imports
from tasks.once import once
from tasks.running import postprocess_run_name, threads
from tasks.telling import TOLD


# Two imports at a time: what the strictest destination allows an account.
@flow(
    name="postprocess",
    flow_run_name=postprocess_run_name,
    task_runner=threads(2),
    **TOLD,
)
@once
def postprocess(parameters: PostprocessParameters) -> PostprocessReport:
    """Return the audiences that were written and, if a destination was named, how imports ended.

    Reads the `.out` files and the endpoint table; writes one CSV with the header `Id` an audience,
    its lineage beside it, and the rejected lines and unmapped users as files of their own.  Safe to
    repeat: names are made of the query and of when the job finished, so a repeat overwrites.
    Raises FatalError if too many lines give no audience, or, when all imports have ended, if the
    destination took nothing of an audience.
    """
    credentials, destination = parameters.credentials, parameters.destination
    if destination:
        check_destination(destination, parameters.options.address_by, credentials)
    output = find_segment_output(parameters.output, credentials)
    report = make_audiences(output, parameters)
    if destination and (importable := report.importable):
        ended = imports_ended(
            destination,
            lambda: start_imports(destination, importable, credentials),
            parameters.waiting,
            credentials,
        )
        report = report.imported(ended)
    return report
