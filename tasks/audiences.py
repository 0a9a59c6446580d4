"""Audiences from a batch segment job's output."""

from __future__ import annotations

import re

from prefect import get_run_logger, task

from blocks.aws import clients
from blocks.settings import settings
from personalization import segments
from personalization.aws import S3Path, aws_errors
from personalization.connectors import Audience
from personalization.lineage import read_lineage
from personalization.parameters import PostprocessParameters
from personalization.resources import Account
from personalization.segments import PostprocessReport, SegmentOutput, as_audience
from tasks.artifacts import show_table
from tasks.retrying import NETWORK


@task(task_run_name="find-{uri}", **NETWORK)
def find_segment_output(uri: str, credentials: str | None) -> SegmentOutput:
    """Return the `.out` files at `uri` and the job that wrote them."""
    client = clients(credentials)
    return segments.find_output(client("s3"), client("personalize"), Account.of(client), uri)


@task(**NETWORK)
def make_audiences(output: SegmentOutput, parameters: PostprocessParameters) -> PostprocessReport:
    """Write one audience a line of the output, with its lineage; leave their sizes as a table."""
    s3 = clients(parameters.credentials)("s3")
    report = segments.make_audiences(s3, output, parameters, settings().work_dir)
    show_table(("audiences", output.files[0].parent.name), report.rows(), "Audiences made.")
    get_run_logger().info(
        "%d audiences with %d members; %d of %d lines rejected",
        len(report.audiences),
        sum(it.members for it in report.audiences),
        report.rejected,
        report.lines,
    )
    for it in report.audiences:
        if not it.members:
            get_run_logger().warning("nobody is in %s", it.file)
        if it.no_ids:
            get_run_logger().warning("%s: %d users had no id", it.file, it.no_ids)
    return report


@task(task_run_name="audience-{uri}", **NETWORK)
def audience_from_file(uri: str, name: str | None, credentials: str | None) -> Audience:
    """Return the audience in a CSV with the header `Id`, with its lineage if it has one."""
    s3, path = clients(credentials)("s3"), S3Path.parse(uri)
    if lineage := read_lineage(s3, path):
        known = as_audience(lineage)
        return Audience(name or known.name, known.location, known.count, known.lineage)
    with aws_errors(f"reading {uri}"):
        lines = s3.get_object(Bucket=path.bucket, Key=path.key)["Body"].iter_lines()
        count = sum(1 for line in lines if line.strip()) - 1
    stem = re.sub(r"_\d{8}-\d{6}$", "", path.name.removesuffix(".csv"))
    return Audience(name or stem, path, count, {"file": uri})
