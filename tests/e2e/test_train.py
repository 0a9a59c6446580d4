"""The `train` and batch flows where something is missing, misnamed or gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from personalization.errors import ConfigError
from personalization.parameters import BatchParameters, TrainParameters
from tests.e2e.conftest import BUCKET, QUICK, SOLUTION, Place

pytestmark = [pytest.mark.server, pytest.mark.e2e]


def train(file: str, **more: Any) -> Any:
    from flows.train import train as flow

    return flow(TrainParameters(file=file, waiting=QUICK, **more))


def gone(place: Place, *keys: str) -> None:
    for key in keys:
        place.client("s3").delete_object(Bucket=BUCKET, Key=key)


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param(("interactions",), id="interactions"),
        pytest.param(("interactions", "items", "users"), id="everything"),
    ],
)
def test_without_interactions_nothing_is_made(bingewatch, prefect_server, missing):
    gone(bingewatch, *(f"train/bingewatch/{it}.csv" for it in missing))

    with pytest.raises(ConfigError, match=r"neither s3://bingewatch/train/bingewatch/inter.*csv"):
        train(bingewatch.file)
    assert bingewatch.count("list_dataset_groups", "datasetGroups") == 0


def test_what_was_imported_once_need_not_be_uploaded_again(bingewatch, prefect_server):
    train(bingewatch.file)
    gone(bingewatch, "train/bingewatch/interactions.csv")

    assert train(bingewatch.file).plan.changes == ()


def test_output_that_was_cleared_away_does_not_stop_later_runs(bingewatch, prefect_server):
    first = train(bingewatch.file)
    gone(bingewatch, first.outputs[0].removeprefix(f"s3://{BUCKET}/"))

    again = train(bingewatch.file)

    assert (again.plan.changes, again.outputs) == ((), ())


def test_a_plan_needs_no_role(bingewatch, prefect_server, monkeypatch):
    from blocks.settings import settings

    monkeypatch.delenv("PERSONALIZE_ROLE_ARN")
    settings.cache_clear()

    assert len(train(bingewatch.file, plan_only=True).plan.changes) == 13
    with pytest.raises(ConfigError, match="no IAM role for Personalize"):
        train(bingewatch.file)
    assert bingewatch.count("list_dataset_groups", "datasetGroups") == 0


@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param("s3://elsewhere/train/x.json", "there is no bucket elsewhere", id="bucket"),
        pytest.param(
            f"s3://{BUCKET}/train%2Fbingewatch%2Fconfig.json",
            f"did you mean s3://{BUCKET}/train/bingewatch/config.json",
            id="url-encoded",
        ),
        pytest.param(f"s3://{BUCKET}/train/x.json", "upload it, or correct the path", id="key"),
    ],
)
def test_a_parameter_file_that_is_not_there_is_told_with_the_way_out(
    bingewatch, prefect_server, file, message
):
    with pytest.raises(ConfigError, match=message):
        train(file)


def test_a_solution_of_another_dataset_group_is_not_used(bingewatch, prefect_server):
    from flows.batch_segment import batch_segment

    train(bingewatch.file)
    bingewatch.put(f"batch/other/{SOLUTION}/job_config.json", json.dumps({"itemAttributes": "x"}))
    parameters = BatchParameters(
        bucket=BUCKET, dataset_group="other", solution=SOLUTION, waiting=QUICK
    )

    with pytest.raises(ConfigError, match="belongs to dataset group bingewatch, not to other"):
        batch_segment(parameters)


def test_only_what_is_imported_is_read_again(bingewatch, prefect_server):
    """Interactions that were spoilt after their import do not stop an import of items."""
    train(bingewatch.file)
    items = bingewatch.read("train/bingewatch/items.csv")
    bingewatch.put("train/bingewatch/items.csv", items.rstrip(b"\n").rpartition(b"\n")[0])

    plan = train(bingewatch.file, plan_only=True).plan

    assert plan.importing == ("items",)
