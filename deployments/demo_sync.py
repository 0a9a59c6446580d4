"""The demo's second half: what each user will like, as attributes of their profile in Braze."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from blocks.destination import Destination
from deployments.stages import Stages
from flows.batch_inference import batch_inference
from flows.connector_sync import connector_sync
from flows.train import train
from personalization.aws import S3Path
from personalization.columns import AWS_ITEM_ID, AWS_USER_ID
from personalization.objects import upload
from personalization.parameters import BatchParameters, SyncParameters, TrainParameters, Waiting
from personalization.sync.layout import JobPath
from personalization.sync.report import SyncReport

SOLUTION = "for-you"
# Opens the local Braze, and nothing else.
_KEY = "local"
# What the CRM knew of somebody before.
_USER, _KNOWN = "1", {"plan": "family", "newsletter": True}


@dataclass(frozen=True)
class Synced:
    """What Braze held of one user before and after, and what two runs came to."""

    before: dict[str, Any]
    after: dict[str, Any]
    first: SyncReport
    second: SyncReport
    second_s: float

    def show(self, console: Console) -> None:
        """Print the profile, before and after."""
        table = Table(
            title=f"User {_USER} in Braze",
            title_justify="left",
            title_style="bold",
            header_style="dim",
            box=SIMPLE_HEAD,
            padding=(0, 1),
        )
        for column in ("attribute", "before", "after"):
            table.add_column(column, overflow="fold")
        for name in sorted({*self.before, *self.after}):
            values = (self.before.get(name), self.after.get(name))
            table.add_row(
                name,
                *(
                    "" if it is None else escape(json.dumps(it, ensure_ascii=False))
                    for it in values
                ),
            )
        console.print()
        console.print(table)
        console.print(
            f"sync      {self.first.total('accepted')} users told in "
            f"{self.first.total('requests')} requests; output in {self.first.outputs['braze']}\n"
            f"          run again: [bold]{self.second.total('sent')} sent[/], "
            f"{self.second.total('skipped_unchanged')} unchanged, "
            f"said after {self.second_s:.1f} s",
            soft_wrap=True,
        )


def tell(stages: Stages, sample: Path, bucket: str, ends: str, folder: Path) -> Synced:
    """Train, recommend, send, send again; return what became of one user."""
    waiting = Waiting(first_look_s=0.2, slowest_look_s=0.5, give_up_after_s=300)
    braze = f"{ends}/braze"
    with stages.stage("train and run batch inference: what each user will like") as said:
        job = _set_up(boto3.client("s3"), sample, bucket, folder)
        Destination(settings={"kind": "braze", "endpoint": braze}, secrets={"api_key": _KEY}).save(
            "braze", overwrite=True
        )
        train(TrainParameters(file=f"s3://{bucket}/train/{SOLUTION}/config.json", waiting=waiting))
        [output] = batch_inference(
            BatchParameters(
                bucket=bucket, dataset_group="bingewatch", solution=SOLUTION, waiting=waiting
            )
        )
        said.append(output.rpartition("/")[2])
    _track(braze, {"external_id": _USER, **_KNOWN})
    before = _profile(braze)
    parameters = SyncParameters(job=job, waiting=waiting)
    with stages.stage("connector-sync: to Braze") as said:
        first = connector_sync(parameters)
        said.append(f"{first.total('accepted')} users")
    after = _profile(braze)
    with stages.stage("connector-sync again") as said:
        second = connector_sync(parameters)
        said.append(f"{second.total('sent')} users")
    return Synced(before, after, first, second, stages.rows[-1][1])


def _set_up(s3: Any, sample: Path, bucket: str, folder: Path) -> str:
    """Upload the parameter file, the users to recommend to and the job; return the job."""
    job = JobPath.parse(f"s3://{bucket}/etl_jobs/user_personalization/{SOLUTION}/")
    for file in (sample / f"train/{SOLUTION}/config.json", sample / job.config.key):
        upload(s3, file, S3Path(bucket, str(file.relative_to(sample))), "application/json")
    data = sample / "train" / "bingewatch"
    made = folder / SOLUTION
    made.mkdir(parents=True, exist_ok=True)
    users = pl.read_csv(data / "users.csv", infer_schema=False).select(userId=AWS_USER_ID)
    users.write_ndjson(made / "job_config.json")
    target = S3Path(bucket, f"batch/bingewatch/{SOLUTION}/job_config.json")
    upload(s3, made / "job_config.json", target, "application/json")
    items = pl.read_csv(data / "items.csv", infer_schema=False)
    items.select(
        id=AWS_ITEM_ID, title="TITLE", year=pl.col("RELEASE_YEAR").cast(pl.Int32)
    ).write_ndjson(made / "items.json")
    upload(s3, made / "items.json", job.metadata / "items.json", "application/json")
    return str(job.folder)


def _track(braze: str, profile: dict[str, Any]) -> None:
    answer = httpx.post(
        f"{braze}/users/track",
        json={"attributes": [profile]},
        headers={"Authorization": f"Bearer {_KEY}"},
    )
    answer.raise_for_status()


def _profile(braze: str) -> dict[str, Any]:
    profile: dict[str, Any] = httpx.get(f"{braze}/_holds/{_USER}").raise_for_status().json()
    return profile
