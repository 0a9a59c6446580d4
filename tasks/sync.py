"""Connector jobs, up to the outbox: read, fetched, prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from botocore.exceptions import ClientError
from prefect import get_run_logger, task
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from blocks.aws import clients
from blocks.destination import Destination
from blocks.settings import settings
from personalization.aws import NOT_THERE, aws_errors, error_code
from personalization.connectors import Connector, Rendering, TakesAttributes, build
from personalization.errors import ConfigError, Finding
from personalization.parameters import SyncParameters
from personalization.sync.inputs import Inputs, fetch_inputs
from personalization.sync.job import Job, load
from personalization.sync.layout import JobPath
from personalization.sync.prepare import (
    Shard,
    prepare_audiences,
    prepare_recommendations,
    refuse_what_cannot_be_meant,
    rendering_of,
)
from personalization.sync.shards import merged
from personalization.sync.work import RECOMMENDATIONS, Desk, Work, asked_of, job_home, settle
from personalization.transforms.recommendations import RecommendationReport
from tasks.artifacts import finding_rows, show_table
from tasks.retrying import NETWORK


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

    That is its config.json, the connectors that are asked for, and their destinations.
    """
    path = JobPath.parse(parameters.job)
    s3 = clients(parameters.credentials)("s3")
    with aws_errors(f"reading {path.config}"):
        try:
            text = s3.get_object(Bucket=path.config.bucket, Key=path.config.key)["Body"].read()
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                raise ConfigError(
                    f"there is no {path.config}; upload it, then run again"
                ) from error
            raise
    job = load(text, str(path.config), job_type=path.type)
    if parameters.full_refresh:
        anew = {
            name: it.model_copy(update={"full_refresh": True})
            for name, it in job.connectors.items()
        }
        job = job.model_copy(update={"connectors": anew})
    read = ReadJob(path, job, text, parameters.connectors or tuple(job.connectors))
    findings = _findings(read, parameters)
    if findings:
        show_table(
            ("findings", path.name), finding_rows(findings), f"What is wrong in {path.folder}"
        )
        raise ConfigError(f"{path.config} cannot be carried out", findings)
    get_run_logger().info("%s: %s", path.folder, ", ".join(read.connectors))
    return read


def _findings(read: ReadJob, parameters: SyncParameters) -> tuple[Finding, ...]:
    found = []
    known = ", ".join(read.job.connectors)
    for where, names in (
        ("connectors", read.connectors),
        ("destinations", tuple(parameters.destinations)),
    ):
        found += [
            Finding(where, f"the job has no connector {name!r}", f"there are: {known}")
            for name in names
            if name not in read.job.connectors
        ]
    for name in read.connectors:
        if name in read.job.connectors:
            try:
                connector_for(read, name, parameters)
            except ConfigError as error:
                source = str(read.path.config)
                found.append(Finding(f"connectors.{name}", str(error), source=source))
    return tuple(found)


def destination_name(name: str, parameters: SyncParameters) -> str:
    """Return the name of a connector's destination."""
    return parameters.destinations.get(name, name)


def connector_for(read: ReadJob, name: str, parameters: SyncParameters) -> TakesAttributes:
    """Return one of the job's connectors, which is a `Connector` too.

    Its settings are the job's and the saved block's.  The block's win: who may write to the bucket
    must not be able to send the block's key elsewhere.
    """
    given, kind = read.job.connectors[name], read.job.kind(name)
    make = clients(parameters.credentials)
    saved = destination_name(name, parameters)
    try:
        block = cast("Destination", Destination.load(saved))
    except ValueError as error:
        if name in parameters.destinations:
            raise ConfigError(f"there is no Destination block named {saved!r}") from error
        try:
            connector = build({**given.settings, "kind": kind}, make)
        except ConfigError as wrong:
            raise ConfigError(
                f"{wrong}; there is no Destination block named {saved!r} that says more"
            ) from wrong
    else:
        its = block.settings.get("kind")
        if given.kind is not None and its != given.kind:
            raise ConfigError(f"is of kind {given.kind!r}, and block {saved!r} of kind {its!r}")
        whole = {**given.settings, **block.settings}
        connector = build({**whole, **block.secrets.get_secret_value()}, make)
    if not isinstance(connector, TakesAttributes):
        raise ConfigError(f"a destination of kind {connector.kind!r} takes no attributes of users")
    return connector


def full_connector_for(read: ReadJob, name: str, parameters: SyncParameters) -> Connector[Any]:
    """Return the same as `connector_for`, by its other base."""
    return cast("Connector[Any]", connector_for(read, name, parameters))


@task(task_run_name="fetch-inputs", **NETWORK)
def fetch(read: ReadJob, credentials: str | None) -> Inputs:
    """Return copies of the newest inputs on this machine."""
    home = job_home(read.path, settings().work_dir) / "inputs"
    inputs = fetch_inputs(clients(credentials)("s3"), read.path, read.job, home)
    get_run_logger().info("%s: %d file(s) of output", inputs.run.folder, len(inputs.outputs))
    return inputs


@dataclass(frozen=True)
class Target:
    """One connector of a job: its desk, how its lines are written, and what it is asked for."""

    name: str
    desk: Desk
    rendering: Rendering
    asked: str


def target_of(read: ReadJob, name: str, inputs: Inputs, parameters: SyncParameters) -> Target:
    """Return the target that a connector is.  A dry run has a desk of its own."""
    rendering = rendering_of(connector_for(read, name, parameters), read.job.connectors[name])
    work_dir = settings().work_dir
    if parameters.dry_run:
        work_dir /= "dry-run"
    destination = destination_name(name, parameters)
    kind = full_connector_for(read, name, parameters).kind
    asked = asked_of(read.text, inputs, parameters.full_refresh, kind, rendering)
    return Target(name, Desk(read.path, name, destination, work_dir), rendering, asked)


@task(task_run_name="take-up-{target.name}", **NETWORK)
def take_up(target: Target, credentials: str | None) -> Work | None:
    """Return the work that a killed run left, if it is what is asked for now.

    If it is not, what was acknowledged of it is kept, and the rest is made anew.
    """
    work = target.desk.in_hand()
    if work is None or work.asked == target.asked:
        if work:
            get_run_logger().info("%s goes on: it was not finished", work.run)
        return work
    settle(clients(credentials)("s3"), target.desk, work)
    get_run_logger().info("%s is out of date: what it delivered is kept", work.run)
    return None


def prepare(
    read: ReadJob,
    target: Target,
    inputs: Inputs,
    parameters: SyncParameters,
    runner: TaskRunner[PrefectFuture[Any]],
) -> Work:
    """Return complete outboxes of what the destination has to be told."""
    begin(target, parameters.credentials)
    if read.path.type == "user_segmentation":
        return prepare_segments(read, target, inputs, parameters)
    shards = [Shard(number, parameters.shards) for number in range(parameters.shards)]
    made = [
        runner.submit(
            prepare_shard,
            {
                "read": read,
                "target": target,
                "inputs": inputs,
                "shard": shard,
                "clear_anyway": parameters.clear_anyway,
            },
        )
        for shard in shards
    ]
    return put_together(read, target, [it.result() for it in made], parameters)


@task(task_run_name="begin-{target.name}", **NETWORK)
def begin(target: Target, credentials: str | None) -> None:
    """Bring what the destination holds."""
    target.desk.begin(clients(credentials)("s3"))


@task(task_run_name="prepare-{target.name}-{shard.name}", **NETWORK)
def prepare_shard(
    read: ReadJob, target: Target, inputs: Inputs, shard: Shard, clear_anyway: bool
) -> Path:
    """Return the folder of one shard's outbox.  Reads and writes files only."""
    folder = target.desk.home / "shards" / shard.name
    report = prepare_recommendations(
        read.path,
        read.job,
        target.name,
        target.rendering,
        inputs,
        state=target.desk.states / RECOMMENDATIONS,
        target=folder,
        faults=target.desk.faults,
        shard=shard,
        clear_anyway=clear_anyway,
    )
    _tell(target.name, report)
    return folder


@task(task_run_name="put-together-{target.name}", **NETWORK)
def put_together(
    read: ReadJob, target: Target, shards: Sequence[Path], parameters: SyncParameters
) -> Work:
    """Return the outbox that the shards make together, in hand, if it can be meant."""
    whole = merged(shards, target.desk.outbox(RECOMMENDATIONS))
    given = read.job.connectors[target.name]
    refuse_what_cannot_be_meant(whole.counts, given, clear_anyway=parameters.clear_anyway)
    return target.desk.take_in_hand(target.asked, (RECOMMENDATIONS,))


@task(task_run_name="prepare-{target.name}", **NETWORK)
def prepare_segments(
    read: ReadJob, target: Target, inputs: Inputs, parameters: SyncParameters
) -> Work:
    """Return an outbox for each audience, in hand."""
    desk = target.desk
    made = prepare_audiences(
        read.job,
        target.name,
        connector_for(read, target.name, parameters),
        inputs,
        states=desk.states,
        target=desk.outbox(),
        faults=desk.faults,
        clear_anyway=parameters.clear_anyway,
    )
    for name, report in made.reports.items():
        _tell(name, report)
    if any(made.faulty.values()):
        get_run_logger().warning(
            "%s: %d line(s) with an error of Personalize's, %d that are no answer",
            target.name,
            made.faulty["errors"],
            made.faulty["broken"],
        )
    return desk.take_in_hand(target.asked, tuple(made.reports), made.faulty)


def _tell(name: str, report: RecommendationReport) -> None:
    said = ", ".join(f"{what} {count}" for what, count in report.counts.items() if count)
    get_run_logger().info("%s: %s", name, said or "there is nobody")
