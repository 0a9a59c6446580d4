"""What the AWS solution accepts, this accepts; where it crashed or kept silent, this says why.

The cases are those found by running version 1.4.5 of "Maintaining Personalized Experiences".
"""

from __future__ import annotations

from pathlib import Path

import pytest

from personalization import config
from tests.config.files import (
    FULL,
    NOW,
    REMOVED,
    changed,
    check,
    entry,
    record,
    said,
    small,
    solution,
)

SHARED = Path(__file__).parents[3] / "shared" / "data"
ORIGINAL = SHARED / "bingewatch-original" / "bingewatch_config.json"
SCHEMA = "datasets.interactions.schema.serviceConfig.schema"


@pytest.mark.skipif(not ORIGINAL.exists(), reason=f"{ORIGINAL} is not here")
def test_the_aws_sample_is_valid():
    checked = config.check(ORIGINAL.read_bytes(), "bingewatch_config.json")

    assert checked.errors == ()
    assert checked.file.solutions[0].batch_segment_jobs[0].service_config["numResults"] == 50


def test_a_file_with_everything_has_no_finding():
    checked = config.check(FULL.read_bytes(), "full.json", now=NOW)

    assert checked.findings == ()
    assert checked.file is not None


def test_schemas_as_in_the_upstream_readme_are_valid():
    users = record("users", *({"name": n, "type": "string"} for n in ("USER_ID", "E_MAIL")))
    users["fields"][1]["categorical"] = True
    del users["version"]

    checked = check(changed("datasets.users", entry("users", users)))

    assert checked.errors == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("null", "config.json:1: is null; leave the key out, or give it", id="null"),
        pytest.param("[]", "config.json:1: is a list: []; a parameter file is a JSON", id="list"),
        pytest.param('"x"', "is a string: 'x'; a parameter file is a JSON object", id="string"),
        pytest.param("7", "is a number: 7; a parameter file is a JSON object", id="number"),
    ],
)
def test_a_root_that_is_no_object_is_a_finding(text, expected):
    (finding,) = config.check(text, "config.json").findings

    assert expected in str(finding)


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param(
            "datasetGroup.serviceConfig",
            "shop",
            "error datasetGroup.serviceConfig: is a string: 'shop'; must be an object",
            id="group-parameters-as-text",
        ),
        pytest.param(
            "datasetGroup.serviceConfig",
            [{"name": "shop"}],
            "error datasetGroup.serviceConfig: is a list: [{'name': 'shop'}]; must be an object",
            id="group-parameters-as-list",
        ),
        pytest.param(
            "datasets",
            None,
            "error datasets: is null; leave the key out, or give it a value",
            id="datasets-null",
        ),
        pytest.param(
            "datasetGroup.workflowConfig.maxAge",
            None,
            "error datasetGroup.workflowConfig.maxAge: is null; leave the key out, or give it a "
            "value",
            id="age-null",
        ),
        pytest.param(
            SCHEMA,
            '{"type": "record"}',
            rf'error {SCHEMA}: is "{{\"type\": \"record\"}}"; '
            "must be an Avro record: a JSON object",
            id="avro-as-text",
        ),
        pytest.param(
            SCHEMA,
            {"type": "record", "name": "Interactions"},
            f"error {SCHEMA}.fields: is missing; must list at least one field",
            id="avro-without-fields",
        ),
        pytest.param(
            f"{SCHEMA}.fields[0].type",
            "text",
            f'error {SCHEMA}.fields[0].type: of "USER_ID" is "text"; must be one of float, double, '
            'int, long, string, boolean, or a pair with null: ["null", "string"]',
            id="avro-of-an-unknown-type",
        ),
        pytest.param(
            f"{SCHEMA}.type",
            "table",
            f'error {SCHEMA}.type: is "table"; must be "record"',
            id="avro-that-is-no-record",
        ),
        pytest.param(
            "recommenders",
            [{}],
            "error recommenders[0].serviceConfig: is missing; serviceConfig is required",
            id="recommender-without-parameters",
        ),
        pytest.param(
            "solutions[0].serviceConfig",
            "likes",
            "error solutions[0].serviceConfig: is a string: 'likes'; must be an object",
            id="solution-parameters-as-text",
        ),
        pytest.param(
            "solutions[0].serviceConfig",
            None,
            "error solutions[0].serviceConfig: is null; leave the key out, or give it a value",
            id="solution-parameters-null",
        ),
        pytest.param(
            "solutions[0]",
            {
                "serviceConfig": {"name": "likes"},
                "workflowConfig": {"schedules": {"update": "cron(0 0 * * ? *)"}},
            },
            "error solutions[0].serviceConfig.recipeArn: is missing; name the recipe: "
            "arn:aws:personalize:::recipe/NAME",
            id="update-schedule-without-recipe",
        ),
        pytest.param(
            "solutions[0].serviceConfig.solutionVersion",
            "FULL",
            "error solutions[0].serviceConfig.solutionVersion: is a string: 'FULL'; "
            "must be an object",
            id="version-as-text",
        ),
        pytest.param(
            "solutions[0].campaigns",
            {"serviceConfig": {"name": "c"}},
            "error solutions[0].campaigns: is an object: {'serviceConfig': {'name': 'c'}}; "
            "must be a list",
            id="campaigns-as-object",
        ),
        pytest.param(
            "solutions[0].batchInferenceJobs",
            {"serviceConfig": {}},
            "error solutions[0].batchInferenceJobs: is an object: {'serviceConfig': {}}; "
            "must be a list",
            id="batch-jobs-as-object",
        ),
    ],
)
def test_what_crashed_upstream_is_one_finding(path, value, expected):
    assert said(changed(path, value)) == [expected]


def test_no_root_tags_as_an_empty_list_crashed_upstream_and_are_fine():
    assert said(small(tags=[])) == []


EMPTY = [
    *(("eventTracker", {}), ("filters", []), ("recommenders", []), ("tags", [])),
    *(("datasetGroup.workflowConfig", {}), ("datasetGroup.workflowConfig.schedules", {})),
    *(("datasets.serviceConfig", {}), ("datasets.users", {}), ("datasets.users.dataset", {})),
    *(("solutions[0].campaigns", []), ("solutions[0].batchInferenceJobs", [])),
    *(("solutions[0].batchSegmentJobs", []), ("solutions[0].workflowConfig", {})),
    *(("solutions[0].workflowConfig.schedules", {}), ("eventTracker.serviceConfig", {})),
    *(("solutions[0].serviceConfig.solutionVersion", {}), ("solutions[0].serviceConfig.tags", [])),
    *(("solutions[0].batchInferenceJobs[0]", {}), ("datasets.items.schema.serviceConfig", {})),
]


@pytest.mark.parametrize(("path", "value"), EMPTY, ids=[path for path, _ in EMPTY])
def test_an_empty_container_says_nothing_and_harms_nothing(path, value):
    checked = check(changed(path, value))

    assert checked.findings == ()
    assert checked.file is not None


@pytest.mark.parametrize("key", ["solutions", "datasets"])
def test_a_file_may_leave_out_solutions_or_datasets_or_have_them_empty(key):
    empty = small()[key].__class__()

    assert check(changed(key, REMOVED)).errors == ()
    assert check(changed(key, empty)).errors == ()


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        pytest.param(
            "filters",
            {"serviceConfig": {}},
            "error filters: is an object: {'serviceConfig': {}}; must be a list",
            id="filters-as-object",
        ),
        pytest.param(
            "datasets.serviceConfig.importMode",
            "BOGUS",
            "error datasets.serviceConfig.importMode: is 'BOGUS'; must be one of FULL, INCREMENTAL",
            id="import-mode",
        ),
        pytest.param(
            "datasets.serviceConfig.importmode",
            "FULL",
            "error datasets.serviceConfig.importmode: is not a known key; did you mean importMode?",
            id="import-key",
        ),
        pytest.param(
            "solutions[0].serviceConfig.solutionVersion.trainingMode",
            "BOGUS",
            "error solutions[0].serviceConfig.solutionVersion.trainingMode: is 'BOGUS'; "
            "must be one of FULL, UPDATE, AUTOTRAIN",
            id="training-mode",
        ),
        pytest.param(
            "solutions[0]",
            solution("aws-sims")
            | {
                "serviceConfig": solution("aws-sims")["serviceConfig"]
                | {"solutionVersion": {"trainingMode": "UPDATE"}}
            },
            "error solutions[0].serviceConfig.solutionVersion.trainingMode: is UPDATE, but aws-sims"
            " cannot be updated; only aws-user-personalization and aws-hrnn-coldstart can be "
            "updated; use FULL",
            id="update-of-sims",
        ),
        pytest.param(
            "solutions[0]",
            solution(
                "aws-user-personalization-v2",
                workflowConfig={"schedules": {"update": "cron(0 0 * * ? *)"}},
            ),
            "error solutions[0].workflowConfig.schedules.update: is there, but "
            "aws-user-personalization-v2 cannot be updated; only aws-user-personalization and "
            "aws-hrnn-coldstart can be updated; use FULL (v2 follows new items by itself and takes "
            "no trainingMode UPDATE)",
            id="update-of-v2",
        ),
        pytest.param(
            "solutions[0].workflowConfig",
            {"schedules": {"bogus": "cron(0 0 * * ? *)"}},
            "error solutions[0].workflowConfig.schedules.bogus: is not a known key; "
            "known keys: full, update",
            id="unknown-schedule",
        ),
        pytest.param(
            "solutions[0].workflowConfig",
            {"schedules": {"maxAge": "1 day"}},
            "error solutions[0].workflowConfig.schedules.maxAge: is not a known key; known keys: "
            "full, update; it belongs at datasetGroup.workflowConfig.maxAge or "
            "solutions[].batchInferenceJobs[].workflowConfig.maxAge or "
            "solutions[].batchSegmentJobs[].workflowConfig.maxAge",
            id="age-among-schedules",
        ),
        pytest.param(
            "solutions[0]",
            solution(
                "aws-item-affinity",
                batchSegmentJobs=[{"workflowConfig": {"schedule": "nonsense"}}],
            ),
            "error solutions[0].batchSegmentJobs[0].workflowConfig.schedule: 'nonsense' is not a "
            "schedule; write cron(minute hour day-of-month month day-of-week year) or delete",
            id="segment-schedule",
        ),
        pytest.param(
            "datasetGroup.workflowConfig.schedules.import",
            ["cron(0 0 * * ? *)"],
            "error datasetGroup.workflowConfig.schedules.import: ['cron(0 0 * * ? *)'] must be "
            "text: write cron(minute hour day-of-month month day-of-week year) or delete",
            id="list-of-schedules",
        ),
        pytest.param(
            "datasetGroup.workflowConfig.schedules.import",
            "cron(0 0 ? * ? *)",
            "error datasetGroup.workflowConfig.schedules.import: 'cron(0 0 ? * ? *)' has ? for "
            "both of day-of-month and day-of-week; one of them must be ?",
            id="two-question-marks",
        ),
        pytest.param(
            "datasetGroup.workflowConfig.schedules.import",
            "cron(0 0 31 2 ? *)",
            "error datasetGroup.workflowConfig.schedules.import: is 'cron(0 0 31 2 ? *)', which "
            "never runs after 2026-11-22; its year is past, or its date does not exist",
            id="no-such-date",
        ),
        pytest.param(
            "solutions[0].workflowConfig.schedules.full",
            "cron(0 0 * * ? 2025)",
            "error solutions[0].workflowConfig.schedules.full: is 'cron(0 0 * * ? 2025)', which "
            "never runs after 2026-11-22; its year is past, or its date does not exist",
            id="past-year",
        ),
        pytest.param(
            "datasetGroup.workflowConfig.maxAge",
            "soon",
            "error datasetGroup.workflowConfig.maxAge: 'soon' makes no sense from 'soon' on; "
            'write a number and a unit, as in "365 days", "1 hour 30 minutes", "two weeks"',
            id="age-that-became-zero",
        ),
        pytest.param(
            "datasetGroup.workflowConfig.maxAge",
            5,
            "error datasetGroup.workflowConfig.maxAge: 5 must be text such as "
            '"365 days", "1 hour 30 minutes", "two weeks"',
            id="age-that-crashed-at-run-time",
        ),
        pytest.param(
            "datasetGroup.serviceConfig.name",
            "my shop",
            r"error datasetGroup.serviceConfig.name: is 'my shop'; must match "
            r"^[a-zA-Z0-9][a-zA-Z0-9\-_]*",
            id="name-with-a-space",
        ),
        pytest.param(
            "datasetGroup.serviceConfig.name",
            "s" * 64,
            "error datasetGroup.serviceConfig.name: has length 64; must have length at most 63",
            id="long-name",
        ),
        pytest.param(
            "eventTracker",
            {"serviceConfig": {"name": "e", "tags": [{"tagKey": "a"}, {"key": "b"}]}},
            "error eventTracker.serviceConfig.tags[0].tagValue: is missing; tagValue is required",
            id="tags",
        ),
        pytest.param(
            "datasets.interactions.schema",
            REMOVED,
            "error datasets.interactions.schema: is missing; schema is required",
            id="dataset-without-schema",
        ),
        pytest.param(
            "datasets.interactions.schema.serviceConfig.hello",
            1,
            "error datasets.interactions.schema.serviceConfig.hello: is not a known key; "
            "known keys: name, schema, domain",
            id="schema-key",
        ),
        pytest.param(
            "filters",
            [{"serviceConfig": {"name": "f", "filterExpression": "x"}}] * 2,
            "error filters[1].serviceConfig.name: is 'f', as in filters[0]; "
            "every filter needs its own name",
            id="filters-of-one-name",
        ),
    ],
)
def test_what_passed_silently_upstream_is_a_finding(path, value, expected):
    assert expected in said(changed(path, value))


@pytest.mark.parametrize(
    ("parameters", "missing"),
    [
        pytest.param({"name": "r"}, "recipeArn", id="recipe"),
        pytest.param(
            {"recipeArn": "arn:aws:personalize:::recipe/aws-vod-top-picks"}, "name", id="n"
        ),
    ],
)
def test_recommenders_are_checked_too(parameters, missing):
    document = changed("datasetGroup.serviceConfig.domain", "VIDEO_ON_DEMAND", small(datasets={}))
    document["recommenders"] = [{"serviceConfig": parameters | {"bogus": 1}}]

    found = said(document)

    path = "error recommenders[0].serviceConfig"
    assert f"{path}.{missing}: is missing; {missing} is required" in found
    assert (
        f"{path}.bogus: is not a known key; known keys: name, recipeArn, recommenderConfig, tags"
        in found
    )
