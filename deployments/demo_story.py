"""What the demo does, once the services are up.  Imports Prefect, so it is imported late."""

from __future__ import annotations

import csv
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import boto3
import polars as pl
from rich.console import Console

from blocks.destination import Destination
from deployments.pictures import draw_profile
from deployments.processes import ROOT
from deployments.results import show, table
from deployments.stages import Stages
from flows.postprocess import postprocess
from flows.train import train
from personalization.aws import S3Path
from personalization.columns import AWS_ITEM_ID, AWS_USER_ID, ITEM_ID, USER_ID
from personalization.datasets import AudienceQuality, audience_quality
from personalization.expressions import parse
from personalization.lineage import lineage_path
from personalization.objects import download, upload
from personalization.parameters import PostprocessParameters, TrainParameters, Waiting
from personalization.resources import TrainReport
from personalization.segments import PostprocessReport
from personalization.transforms.profile import genre_profile
from personalization.waiting import looks

QUICK = Waiting(first_look_s=0.2, slowest_look_s=0.5, give_up_after_s=300)
DOMAIN = "bingewatch"
DESTINATION = "customer-profiles"


@dataclass(frozen=True)
class Results:
    """What came out, and where it is."""

    trained: TrainReport
    again: TrainReport
    again_s: float
    made: PostprocessReport
    quality: AudienceQuality
    picture: Path
    audience: Path
    people: str

    def show(self, console: Console) -> None:
        """Print everything a person wants to see first."""
        show(self.trained, console)
        show(self.made, console)
        quality = self.quality
        rows = {
            "precision": f"{quality.precision:.0%} truly like {quality.genre} (by lot "
            f"{quality.chance_precision:.0%}, best possible {quality.oracle_precision:.0%})",
            "lift": f"{quality.lift:.2f} × the {quality.genre} share of everyone "
            f"(by lot 1.00, best possible {quality.oracle_lift:.2f})",
            "people in the segment": self.people,
        }
        held = [{"what": what, "said": said} for what, said in rows.items()]
        console.print(table("Held against the planted truth", held, console.width, head=False))

        lineage = self.made.audiences[0]
        changes = len(self.again.plan.changes)
        what = f"{changes} changes" if changes else "nothing to do"
        console.print(
            f"train     run again: [bold]{what}[/], said after {self.again_s:.1f} s\n"
            f"audience  {near(self.audience)}\n"
            f"lineage   {lineage_path(S3Path.parse(lineage.file))}\n"
            f"picture   {near(self.picture)}",
            soft_wrap=True,
        )


def tell(stages: Stages, sample: Path, bucket: str, folder: Path) -> Results:
    """Upload, train, segment, import, judge; return the results."""
    s3 = boto3.client("s3")
    file = f"s3://{bucket}/train/bingewatch/config.json"
    with stages.stage("upload the sample, set up the destination") as said:
        _set_up(s3, sample, bucket)
        said.append(f"s3://{bucket}/")
    parameters = TrainParameters(file=file, waiting=QUICK)
    with stages.stage("train: check, plan, import, learn, segment") as said:
        trained = train(parameters)
        said.append(f"{len(trained.plan.changes)} resources made")
    with stages.stage("postprocess: audiences out of segments, and into the destination") as said:
        made = postprocess(
            PostprocessParameters(
                output=trained.outputs[0],
                endpoints=f"s3://{bucket}/pinpoint/endpoints.csv",
                destination=DESTINATION,
                waiting=QUICK,
            )
        )
        said.append(f"{len(made.audiences)} audience(s)")
    with stages.stage("hold it against the planted truth, draw it"):
        lineage = made.audiences[0]
        path = S3Path.parse(lineage.file)
        audience = download(s3, path, folder / "audiences" / path.name)
        with audience.open(newline="") as rows:
            members = [row["Id"] for row in csv.DictReader(rows)]
        genre = str(parse(lineage.query["itemAttributes"])[0].value)
        quality = audience_quality(members, genre, pl.scan_parquet(sample / "truth.parquet"))
        picture = _draw(sample, members, genre, folder / "audience-profile.svg")
    with stages.stage("train again") as said:
        began = time.monotonic()
        again = train(parameters)
        again_s = time.monotonic() - began
        said.append(f"{len(again.plan.changes)} resources to change")
    people = _people(made.imports[lineage.audience].segment)
    return Results(trained, again, again_s, made, quality, picture, audience, people)


def _set_up(s3: object, sample: Path, bucket: str) -> None:
    s3.create_bucket(Bucket=bucket)  # type: ignore[attr-defined]
    for top in ("train", "batch", "pinpoint"):
        for file in sorted((sample / top).rglob("*.*")):
            upload(s3, file, S3Path(bucket, str(file.relative_to(sample))), "text/plain")
    boto3.client("customer-profiles").create_domain(DomainName=DOMAIN, DefaultExpirationDays=366)
    settings = {"kind": "customer_profiles", "domain": DOMAIN}
    Destination(settings=settings).save(DESTINATION, overwrite=True)


def _people(segment: str) -> str:
    """Ask the destination how many people are in the segment now."""
    profiles = boto3.client("customer-profiles")
    definition = profiles.get_segment_definition(DomainName=DOMAIN, SegmentDefinitionName=segment)
    asked = profiles.create_segment_estimate(
        DomainName=DOMAIN, SegmentQuery=definition["SegmentGroups"]
    )["EstimateId"]
    look = partial(profiles.get_segment_estimate, DomainName=DOMAIN, EstimateId=asked)
    *_, last = looks({"estimate": look}, lambda it: it["Status"] != "RUNNING", QUICK)
    return str(last["estimate"]["Estimate"])


def _draw(sample: Path, members: list[str], genre: str, target: Path) -> Path:
    folder = sample / "train" / "bingewatch"
    ours = {AWS_USER_ID: USER_ID, AWS_ITEM_ID: ITEM_ID}
    interactions, items = (
        pl.scan_csv(folder / name, infer_schema=False).rename(ours, strict=False)
        for name in ("interactions.csv", "items.csv")
    )
    profile = genre_profile(members, interactions, items).collect()
    title = f"What the {len(members)} people in the {genre} audience watch"
    return draw_profile(profile, title, target)


def near(path: Path) -> Path:
    """Return the path from the repository's root, where the demo is run."""
    return path.relative_to(ROOT)
