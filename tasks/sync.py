"""Connector jobs, up to the outbox: fetched, prepared."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from prefect import get_run_logger, task
from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner

from blocks.aws import clients
from blocks.settings import settings
from personalization.connectors import Connector, Rendering
from personalization.parameters import SyncParameters
from personalization.sync.inputs import Inputs, fetch_inputs
from personalization.sync.keeping import goes_on, settle
from personalization.sync.outputs import refuse_other_kinds
from personalization.sync.overlaps import claim
from personalization.sync.prepare import (
    Shard,
    prepare_audiences,
    prepare_recommendations,
    refuse_what_cannot_be_meant,
    rendering_of,
)
from personalization.sync.shards import merged
from personalization.sync.work import RECOMMENDATIONS, Desk, Work, asked_of, job_home
from personalization.transforms.recommendations import RecommendationReport
from tasks.reading import ReadJob, connector_for, destination_name
from tasks.retrying import NETWORK


@task(task_run_name="fetch-inputs", **NETWORK)
def fetch(read: ReadJob, credentials: str | None) -> Inputs:
    """Return copies of the newest inputs on this machine, if their output is of the job's kind."""
    home = job_home(read.path, settings().work_dir) / "inputs"
    inputs = fetch_inputs(clients(credentials)("s3"), read.path, read.job, home)
    get_run_logger().info("%s: %d file(s) of output", inputs.run.folder, len(inputs.outputs))
    refuse_other_kinds(inputs.outputs, read.path.type, str(inputs.run.folder))
    return inputs


@dataclass(frozen=True)
class Target:
    """One connector of a job: its desk, how its lines are written, and what it is asked for."""

    name: str
    desk: Desk
    rendering: Rendering
    asked: str

    @contextmanager
    def left_clean(self) -> Iterator[None]:
        """Remove all that a dry run has on disk, whatever becomes of it."""
        try:
            yield
        finally:
            shutil.rmtree(self.desk.work_dir, ignore_errors=True)


def target_of(read: ReadJob, name: str, inputs: Inputs, parameters: SyncParameters) -> Target:
    """Return the target that a connector is.  A dry run has a desk of its own."""
    connector = connector_for(read, name, parameters)
    rendering = rendering_of(connector, read.job.connectors[name])
    work_dir = settings().work_dir
    if parameters.dry_run:
        work_dir = work_dir / "dry-run" / uuid.uuid4().hex  # no other run's, so none has to wait
    destination = destination_name(name, parameters)
    kind = cast("Connector[Any]", connector).kind
    asked = asked_of(read.text, inputs, parameters.full_refresh, kind, rendering)
    return Target(name, Desk(read.path, name, destination, work_dir), rendering, asked)


@task(task_run_name="take-up-{target.name}", **NETWORK)
def take_up(target: Target, credentials: str | None) -> Work | None:
    """Return the work that a killed run left, if it is what is asked for now, and still whole.

    If it is not, what was acknowledged of it is kept, and the rest is made anew.
    """
    work, s3 = target.desk.in_hand(), clients(credentials)("s3")
    if work is None:
        return None
    if work.asked == target.asked and goes_on(s3, target.desk, work):
        get_run_logger().info("%s goes on: it was not finished", work.run)
        return work
    settle(s3, target.desk, work)
    get_run_logger().info("%s is out of date: what it delivered is kept", work.run or "lost work")
    return None


def prepare(
    read: ReadJob,
    target: Target,
    inputs: Inputs,
    parameters: SyncParameters,
    runner: TaskRunner[PrefectFuture[Any]],
) -> Work:
    """Return complete outboxes of what the destination has to be told."""
    place = None if parameters.dry_run else connector_for(read, target.name, parameters).whole
    begin(target, place, parameters.credentials)
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
def begin(target: Target, place: str | None, credentials: str | None) -> None:
    """Bring what the destination holds; claim the place if no other job may write there."""
    s3 = clients(credentials)("s3")
    if place:
        claim(s3, target.desk.path, target.name, place)
    target.desk.begin(s3)


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
