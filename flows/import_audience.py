"""Import one audience file, or one endpoint table, into a destination."""

from __future__ import annotations

from prefect import flow

from personalization.connectors import ImportProgress
from personalization.parameters import ImportParameters
from tasks.audiences import audience_from_file
from tasks.imports import imports_ended, is_endpoint_table, register_endpoints, start_import
from tasks.once import once
from tasks.running import import_run_name
from tasks.telling import TOLD


@flow(name="import-audience", flow_run_name=import_run_name, **TOLD)
@once
def import_audience(parameters: ImportParameters) -> ImportProgress:
    """Return how the import ended.

    Reads the CSV and, if there is one, the lineage beside it; writes to the destination.  Safe to
    repeat: the same file is imported once.  Raises FatalError if the destination took nothing, and
    ConfigError if it is to register endpoints and knows none.
    """
    credentials = parameters.credentials
    audience = audience_from_file(parameters.file, parameters.audience, credentials)
    endpoints = parameters.register_endpoints
    if endpoints is None:
        endpoints = is_endpoint_table(parameters.file, credentials)
    start = register_endpoints if endpoints else start_import
    ended = imports_ended(
        parameters.destination,
        lambda: {audience.name: start(parameters.destination, audience, credentials)},
        parameters.waiting,
        credentials,
    )
    return ended[audience.name]
