"""Connector jobs as they are written: read, and everything wrong with them said at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

from prefect import get_run_logger, task

from blocks.aws import clients
from blocks.destination import Destination
from personalization.connectors import (
    Connector,
    Rendering,
    TakesAttributes,
    build_for_job,
    unproven,
)
from personalization.errors import ConfigError, Finding
from personalization.objects import content
from personalization.parameters import SyncParameters
from personalization.sync.foreseen import clashing_names, missing_inputs
from personalization.sync.job import CheckedJob, ConnectorSettings, Job, check
from personalization.sync.layout import JobPath
from personalization.sync.overlaps import overlapping
from personalization.sync.prepare import rendering_of
from personalization.sync.report import SyncReport
from tasks.artifacts import artifact_key, finding_rows, show_table
from tasks.retrying import NETWORK
from tasks.uploads import CONNECTOR_JOB, checked


@dataclass(frozen=True)
class ReadJob:
    """A job as it stood in S3 when it was read."""

    path: JobPath
    job: Job
    text: bytes
    connectors: tuple[str, ...]


@task(task_run_name="read-{parameters.job}", **NETWORK)
def read_job(parameters: SyncParameters) -> ReadJob:
    """Return the checked job; raises ConfigError with everything that is wrong with it.

    That is its config.json, the connectors that are asked for, their destinations, and what is
    missing among its inputs.  It is told beside the config.json, too.  What is only doubtful is
    logged.
    """
    path = JobPath.parse(parameters.job)
    written = content(clients(parameters.credentials)("s3"), path.config)
    if written is None:
        raise ConfigError(f"there is no {path.config}; upload it, then run again")
    with checked(CONNECTOR_JOB, path.config, parameters.credentials, written.head):
        read = _understood(path, written.data, parameters)
    get_run_logger().info("%s: %s", path.folder, ", ".join(read.connectors))
    return read


def _understood(path: JobPath, text: bytes, parameters: SyncParameters) -> ReadJob:
    s3 = clients(parameters.credentials)("s3")
    said = check(text, str(path.config), job_type=path.type)
    findings = (*said.findings, *_findings(said, path, parameters))
    findings += tuple(missing_inputs(s3, path, said))
    for doubt in findings:
        if doubt.severity == "warning":
            get_run_logger().warning("%s", doubt)
    if said.job is None or any(it.severity == "error" for it in findings):
        raise ConfigError(f"{path.config} cannot be carried out", findings)
    if findings:
        show_table(("findings", path.name), finding_rows(findings), f"Doubts about {path.folder}")
    job = _asked_anew(said.job) if parameters.full_refresh else said.job
    return ReadJob(path, job, text, parameters.connectors or tuple(job.connectors))


def check_connectors(
    read: ReadJob, parameters: SyncParameters, report: SyncReport
) -> tuple[str, ...]:
    """Return the connectors whose destinations stood the check; note why others did not.

    Raises FatalError with what was noted if there is none.
    """
    for name in read.connectors:
        with report.outcome(name):
            check_connector(read, name, parameters)
    names = tuple(name for name in read.connectors if name not in report.failures)
    if not names:
        report.close(str(read.path.folder))
    return names


@task(task_run_name="check-{name}", **NETWORK)
def check_connector(read: ReadJob, name: str, parameters: SyncParameters) -> None:
    """Prove that a destination can be reached, and its key, without changing anything.

    Raises FatalError for what is proven wrong.  That the key may not make the read is a warning.
    """
    if said := unproven(full_connector_for(read, name, parameters)):
        get_run_logger().warning(
            "%s: its check needs a permission that its key has not got; delivering may need no "
            "more than it has: %s",
            name,
            said,
        )


def destination_name(name: str, parameters: SyncParameters) -> str:
    """Return the name of a connector's destination."""
    return parameters.destinations.get(name, name)


def connector_for(read: ReadJob, name: str, parameters: SyncParameters) -> TakesAttributes:
    """Return one of the job's connectors, which is a `Connector` too."""
    return _connector(name, read.job.connectors[name], parameters)


def full_connector_for(read: ReadJob, name: str, parameters: SyncParameters) -> Connector[Any]:
    """Return the same as `connector_for`, by its other base."""
    return cast("Connector[Any]", connector_for(read, name, parameters))


def _asked_anew(job: Job) -> Job:
    anew = {
        name: it.model_copy(update={"full_refresh": True}) for name, it in job.connectors.items()
    }
    return job.model_copy(update={"connectors": anew})


def _connector(name: str, given: ConnectorSettings, parameters: SyncParameters) -> TakesAttributes:
    make, kind = clients(parameters.credentials), given.kind or name
    # Blocks have no underscores in their names.
    block_name = parameters.destinations.get(name, artifact_key(name))
    try:
        block = cast("Destination", Destination.load(block_name))
    except ValueError as error:
        if name in parameters.destinations:
            raise ConfigError(
                f"there is no Destination block named {block_name!r}; save one (letters, digits "
                "and dashes), or leave the connector out of destinations"
            ) from error
        try:
            connector = build_for_job(kind, given.settings, None, make)
        except ConfigError as wrong:
            raise ConfigError(
                f"{wrong.headline}; there is no Destination block named {block_name!r} that says "
                "more",
                wrong.findings,
            ) from wrong
    else:
        its = block.settings.get("kind")
        if given.kind is not None and its != given.kind:
            raise ConfigError(
                f"is of kind {given.kind!r}, and block {block_name!r} of kind {its!r}"
            )
        connector = build_for_job(kind, given.settings, block.whole, make)
    if not isinstance(connector, TakesAttributes):
        raise ConfigError(f"a destination of kind {connector.kind!r} takes no attributes of users")
    return connector


def _findings(checked: CheckedJob, path: JobPath, parameters: SyncParameters) -> Iterator[Finding]:
    known = checked.connectors
    names = parameters.connectors or tuple(known)
    for where, asked in (("connectors", names), ("destinations", tuple(parameters.destinations))):
        yield from (
            Finding(where, f"the job has no connector {it!r}", f"there are: {', '.join(known)}")
            for it in asked
            if it not in known
        )
    usable: dict[str, tuple[TakesAttributes, Rendering]] = {}
    for name in names:
        if name in known:
            built, wrong = _of_connector(name, known[name], path, parameters)
            if built:
                usable[name] = built
            for it in wrong:
                where = ".".join(part for part in (f"connectors.{name}", it.where) if part)
                yield replace(it, where=where, source=str(path.config))
    yield from overlapping(path, usable)


def _of_connector(
    name: str, given: ConnectorSettings, path: JobPath, parameters: SyncParameters
) -> tuple[tuple[TakesAttributes, Rendering] | None, tuple[Finding, ...]]:
    """Return a connector's destination, if it can be built, and how its lines are written.

    With it, what is wrong with it, and with the names it would set.
    """
    built = None
    try:
        connector = _connector(name, given, parameters)
        built = connector, rendering_of(connector, given)
        if path.type == "user_segmentation":
            connector.membership("an audience")
            return built, ()
    except ConfigError as error:
        return built, error.findings or (Finding("", str(error)),)
    return built, clashing_names(built[1], given)
