"""A job's config.json: the keys of the AWS solution, ours, and every mistake with its path."""

from __future__ import annotations

import json

import pytest

from personalization.errors import ConfigError
from personalization.sync.job import check, load

PATH = "s3://bucket/batch/shop/related/related_2022_05_12_16_10_47/"
# The AWS solution's sample, with its keys as they are.
SAMPLE = {
    "batchInferencePath": PATH,
    "saveBatchInferenceErrors": False,
    "performDeltaCheck": True,
    "connectors": {
        "braze": {
            "itemMetadataFields": ["name ", "description", "price"],
            "attributePrefix": "recs_",
            "otherAttributes": {"other_attrib1": "custom_value"},
        }
    },
}


def sample(**changes):
    return {**SAMPLE, **changes}


def braze(**settings):
    return sample(connectors={"braze": settings})


def said(document, **how) -> list[str]:
    text = document if isinstance(document, str) else json.dumps(document)
    return [str(finding) for finding in check(text, "config.json", **how).findings]


def test_the_sample_of_the_aws_solution_is_valid_as_it_is():
    job = load(json.dumps(SAMPLE), "config.json")

    assert job.batch_inference_path == PATH
    assert job.connectors["braze"].item_metadata_fields == ("name", "description", "price")
    assert job.connectors["braze"].other_attributes == {"other_attrib1": "custom_value"}
    assert job.sends_changes_only("braze")


def test_only_the_path_and_a_connector_are_required():
    job = load(json.dumps({"batchInferencePath": PATH[:-1], "connectors": {"braze": {}}}), "c")

    assert job.batch_inference_path == PATH
    assert not job.save_batch_inference_errors
    assert not job.sends_changes_only("braze")
    assert (job.item_id_column, job.merge_policy) == ("id", "latest")
    assert job.kind("braze") == "braze"


@pytest.mark.parametrize(
    ("top", "own", "expected"),
    [
        (None, None, False),
        (True, None, True),
        (None, True, True),
        (True, False, False),
        (False, True, True),
    ],
)
def test_the_delta_check_may_be_asked_for_at_both_places_and_the_connector_wins(top, own, expected):
    document = braze(**({} if own is None else {"performDeltaCheck": own}))
    document["performDeltaCheck"] = bool(top)

    assert load(json.dumps(document), "c").sends_changes_only("braze") == expected


def test_a_full_refresh_sends_everybody_once_more():
    document = braze(performDeltaCheck=True, fullRefresh=True)

    assert not load(json.dumps(document), "c").sends_changes_only("braze")


def test_all_mistakes_are_found_with_their_paths_and_lines():
    text = """{
  "batchInferencePath": "bucket/batch",
  "saveBatchInferenceErrors": "yes",
  "mergePolicy": "newest",
  "conectors": {},
  "connectors": {
    "braze": {
      "itemMetadataField": ["name"],
      "maxItems": 0,
      "otherAttributes": {"a": {"b": 1}},
      "itemIdColumn": "sku"
    }
  }
}"""

    assert said(text) == [
        "config.json:2: batchInferencePath: 'bucket/batch' is not an S3 URI; write s3://bucket/key",
        "config.json:3: saveBatchInferenceErrors: is 'yes'; Input should be a valid boolean",
        "config.json:4: mergePolicy: is 'newest'; Input should be 'latest' or 'interleave'",
        "config.json:5: conectors: is not a known key; did you mean connectors?",
        "config.json:8: connectors.braze.itemMetadataField: is not a known key; "
        "did you mean itemMetadataFields?",
        "config.json:9: connectors.braze.maxItems: is 0; "
        "Input should be greater than or equal to 1",
        "config.json:10: connectors.braze.otherAttributes.a: is {'b': 1}; "
        "write a string, a number, true or false, or a list of such",
        "config.json:11: connectors.braze.itemIdColumn: is not a known key; it belongs at the top",
    ]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("", "is empty"),
        ("{", "is not JSON"),
        ([1], "is [1]; a job's config.json is a JSON object"),
        ({}, "batchInferencePath: is missing; batchInferencePath is required"),
        ({}, "connectors: is missing; connectors is required"),
        (sample(connectors={}), "connectors: is empty; name at least one, or leave the key out"),
        (braze(itemMetadataFields=[]), "connectors.braze.itemMetadataFields: is empty"),
        (braze(itemMetadataFields=["a", " a"]),
         "connectors.braze.itemMetadataFields[1]: 'a' is named before; take it out"),
        (braze(maxClearedFraction=2), "connectors.braze.maxClearedFraction: is 2"),
        (sample(maxItems=3), "maxItems: is not a known key; it belongs at connectors.<name>"),
        (sample(x=3), "x: is not a known key; known keys: batchInferencePath, "),
    ],
)  # fmt: skip
def test_a_mistake_says_what_it_is(document, expected):
    assert any(expected in text for text in said(document))


def test_a_kind_that_does_not_exist_is_refused_with_those_that_do():
    document = sample(connectors={"braze": {}, "eu": {"kind": "brase"}})

    assert said(document, kinds={"braze", "files"}) == [
        "config.json:1: connectors.eu.kind: connector kind 'brase' is unknown; "
        "there are: braze, files"
    ]


def test_what_means_nothing_to_the_job_is_a_warning():
    document = braze(itemMetadataFields=["a"], listName="x") | {"mergePolicy": "latest"}
    checked = check(json.dumps(document), "c", job_type="user_segmentation")

    assert checked.job is not None
    assert [finding.where for finding in checked.findings] == [
        "mergePolicy",
        "connectors.braze.listName",
        "connectors.braze.itemMetadataFields",
    ]


def test_what_can_be_read_of_a_wrong_configuration_is_there():
    document = sample(mergePolicy="x", connectors={"braze": {"maxItems": 3}, "eu": {"maxItems": 0}})
    checked = check(json.dumps(document), "c")

    assert checked.job is None
    assert checked.place == PATH
    assert {name: it.max_items for name, it in checked.connectors.items()} == {"braze": 3}


@pytest.mark.parametrize(
    "document",
    [[1], {"batchInferencePath": 3, "connectors": []}, {"batchInferencePath": "x"}, "{"],
    ids=["list", "types", "no-uri", "text"],
)
def test_of_nothing_nothing_is_read(document):
    checked = check(json.dumps(document), "c")

    assert (checked.place, checked.connectors) == (None, {})


def test_loading_raises_with_every_finding():
    with pytest.raises(ConfigError, match=r"^job\.json cannot be used: 2 errors") as refused:
        load("{}", "job.json")

    assert len(refused.value.findings) == 2
