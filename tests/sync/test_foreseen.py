"""What is missing is found by listings alone, all of it at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from personalization.connectors.base import Rendering
from personalization.local.server import LocalAws
from personalization.sync.foreseen import clashing_names, missing_inputs
from personalization.sync.job import ConnectorSettings, check
from personalization.sync.layout import JobPath

FIELDS = {"itemMetadataFields": ["name"]}
FOLDER = "etl_jobs/related_items/job/"
MAPPING = f"{FOLDER}input/user_item_mapping/"
METADATA = f"{FOLDER}input/item_metadata/"


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    client = aws.clients("s3")
    client.create_bucket(Bucket="bbb")
    return client


def put(s3: Any, *keys: str) -> None:
    for key in keys:
        s3.put_object(Bucket="bbb", Key=key, Body=b"x")


def missing(s3: Any, job_type: str = "related_items", **config: Any) -> list[str]:
    whole = {"batchInferencePath": "s3://bbb/batch/", "connectors": {"braze": FIELDS}, **config}
    path = JobPath.parse(f"s3://bbb/etl_jobs/{job_type}/job/")
    return [str(it) for it in missing_inputs(s3, path, check(json.dumps(whole), "config.json"))]


def test_everything_that_is_missing_is_said_at_once(s3):
    config = f"s3://bbb/{FOLDER}config.json"

    assert missing(s3) == [
        f"{config}: batchInferencePath: s3://bbb/batch/ holds no output of a batch job (*.out); "
        "there is: nothing; name a run's folder, or a solution's",
        f"s3://bbb/{MAPPING}: holds no .csv; "
        "put USER_ID, ITEM_ID tables there, so that items' recommendations reach users",
        f"{config}: connectors.braze.itemMetadataFields: names fields, and s3://bbb/{METADATA} "
        "holds no .json; put the items' metadata there, or take the fields out",
    ]


def test_it_is_said_though_the_configuration_is_wrong_elsewhere(s3):
    found = missing(s3, mergePolicy="newest", connectors={"braze": FIELDS, "eu": {"x": 1}})

    assert len(found) == 3


def test_nothing_is_missing_where_everything_lies(s3):
    put(s3, f"{MAPPING}a.csv", f"{METADATA}a.json", "batch/a.out", "batch/_CHECK")

    assert missing(s3) == []


def test_an_output_that_is_not_complete_is_waited_for(s3):
    put(s3, "batch/a.out")

    assert missing(s3, "user_segmentation") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"otherAttributes": {"recs_name": 1}, **FIELDS}, "gives the attribute 'recs_name', which"),
        ({"otherAttributes": {"recs_itemId": 1}}, "gives the attribute 'recs_itemId', which"),
        ({"style": "objects", "listName": "external_id"}, "gives the attribute 'external_id', wh"),
    ],
    ids=["field", "item-id", "user-id"],
)
def test_attributes_of_the_same_name_are_found_by_their_names(given: dict[str, Any], said: str):
    settings = ConnectorSettings.model_validate(given)
    rendering = Rendering(
        "external_id",
        prefix="recs_",
        style=settings.style,
        list_name=settings.list_name,
        constants=settings.other_attributes,
    )
    [found] = clashing_names(rendering, settings)

    assert found.problem.startswith(said)
    assert clashing_names(Rendering("external_id"), ConnectorSettings()) == ()
