"""From CSVs in a bucket to a segment in a destination, with the real server and the local AWS."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from typing import Any

import polars as pl
import pytest

from personalization.aws import S3Path
from personalization.datasets import audience_quality
from personalization.lineage import read_lineage
from personalization.parameters import PostprocessParameters, TrainParameters
from tests.e2e.conftest import BUCKET, DOMAIN, QUICK, ROOT, SAMPLE, SOLUTION, Place
from tests.e2e.killed_run import DIED

pytestmark = [pytest.mark.server, pytest.mark.e2e]


def train_parameters(place: Place, **more: Any) -> TrainParameters:
    return TrainParameters(file=place.file, waiting=QUICK, **more)


def postprocess_parameters(output: str) -> PostprocessParameters:
    return PostprocessParameters(
        output=output,
        endpoints=f"s3://{BUCKET}/pinpoint/endpoints.csv",
        destination="customer-profiles",
        waiting=QUICK,
    )


def made(place: Place) -> dict[str, int]:
    """How many of everything that costs money there is."""
    return {
        "imports": place.count("list_dataset_import_jobs", "datasetImportJobs"),
        "versions": place.count("list_solution_versions", "solutionVersions"),
        "segment jobs": place.count("list_batch_segment_jobs", "batchSegmentJobs"),
    }


ONE_OF_EACH = {"imports": 3, "versions": 1, "segment jobs": 1}


def test_the_job_ends_with_the_right_people_in_a_segment(bingewatch, customer_profiles):
    from flows.postprocess import postprocess
    from flows.train import train

    trained = train(train_parameters(bingewatch))
    report = postprocess(postprocess_parameters(trained.outputs[0]))

    [audience] = report.audiences
    path = S3Path.parse(audience.file)
    text = bingewatch.read(path.key).decode()
    members = [row["Id"] for row in csv.DictReader(io.StringIO(text))]
    quality = audience_quality(members, "Action", pl.scan_parquet(SAMPLE / "truth.parquet"))
    ended = report.imports[audience.audience]
    assert made(bingewatch) == ONE_OF_EACH
    assert audience.file.startswith(
        f"s3://{BUCKET}/audiences/bingewatch/{SOLUTION}/batch_{SOLUTION}_"
    )
    assert path.name.startswith("ITEMSgenresAction_")
    assert len(members) == len(set(members)) == audience.members
    assert quality.lift > 1.5
    assert quality.precision > 2 * quality.chance_precision
    assert (ended.state, ended.accepted) == ("succeeded", audience.members)
    segments = bingewatch.client("customer-profiles").list_segment_definitions(DomainName=DOMAIN)
    assert [it["SegmentDefinitionName"] for it in segments["Items"]] == ["ITEMSgenresAction"]
    assert read_lineage(bingewatch.client("s3"), path) == audience
    assert audience.solution_version == trained.arns[f"solutionVersion/{SOLUTION}"]
    metrics = {it["metric"] for it in trained.metrics}
    assert metrics == {"coverage", "hits_at_1_percent", "recall_at_1_percent"}


def test_a_second_run_has_nothing_to_do_and_new_data_is_learned(bingewatch, prefect_server):
    from flows.train import train

    first = train(train_parameters(bingewatch))
    second = train(train_parameters(bingewatch))
    assert first.plan.changes
    assert second.plan.changes == ()
    assert second.outputs == first.outputs
    assert made(bingewatch) == ONE_OF_EACH

    key = "train/bingewatch/interactions.csv"
    lines = bingewatch.read(key).decode().splitlines()
    bingewatch.put(key, "\n".join(lines[:-50]) + "\n")
    planned = train(train_parameters(bingewatch, plan_only=True))
    third = train(train_parameters(bingewatch))

    actions = {it.resource.kind.name: it.action for it in planned.plan.changes}
    assert actions == {
        "datasetImportJob": "import",
        "solutionVersion": "retrain",
        "batchSegmentJob": "create",
    }
    assert made(bingewatch) == {"imports": 4, "versions": 2, "segment jobs": 2}
    assert {it["previous version"] is None for it in third.metrics} == {False}


# Everything that training makes or pays for; some of it at the same time.
TRAINING = (
    "CreateDatasetGroup",
    "CreateSchema",
    "CreateDataset",
    "CreateDatasetImportJob",
    "CreateSolution",
    "CreateSolutionVersion",
    "CreateBatchSegmentJob",
)
# What importing makes or pays for, one after the other.
IMPORTING = ("PutObject", "CreateUploadJob", "StartUploadJob", "CreateSegmentDefinition")


def killed(operation: str, flow: str, parameters: str) -> int:
    """Run a flow that dies at an operation; return how the process ended."""
    command = [sys.executable, "-m", "tests.e2e.killed_run", operation, flow, parameters]
    ended = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, check=False
    )
    assert ended.returncode in (0, DIED), ended.stderr.decode()[-3000:]
    return ended.returncode


def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(
    bingewatch, customer_profiles, prefect_server, monkeypatch
):
    from flows.postprocess import postprocess
    from flows.train import train

    monkeypatch.setenv("PREFECT_API_URL", prefect_server)
    training = train_parameters(bingewatch)
    deaths = 0
    while killed(",".join(TRAINING), "train", training.model_dump_json()) == DIED:
        deaths += 1
    trained = train(training)
    parameters = postprocess_parameters(trained.outputs[0])
    ends = [killed(it, "postprocess", parameters.model_dump_json()) for it in IMPORTING]
    report = postprocess(parameters)

    # Five waves of resources: no run can have got further than into the next one.
    assert deaths >= 5
    assert trained.plan.changes == ()
    assert ends == [DIED] * len(IMPORTING)
    assert made(bingewatch) == ONE_OF_EACH
    profiles = bingewatch.client("customer-profiles")
    jobs = profiles.list_upload_jobs(DomainName=DOMAIN)["Items"]
    segments = profiles.list_segment_definitions(DomainName=DOMAIN)["Items"]
    assert (len(jobs), len(segments)) == (1, 1)
    [ended] = report.imports.values()
    assert ended.state == "succeeded"
