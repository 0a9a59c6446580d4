"""Parameters against botocore's model: everything the service checks and boto3 does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization import shapes

SERVICES = ("personalize", "personalize-runtime", "personalize-events")


def said(operation: str, parameters: Any) -> list[str]:
    shape = shapes.input_shape("personalize", operation)
    return [f"{v.path} {v.problem}; {v.repair}" for v in shapes.violations(shape, parameters)]


def in_group(**more: Any) -> dict[str, Any]:
    return {
        "name": "likes",
        "datasetGroupArn": "arn:aws:personalize:eu-west-1:1:dataset-group/g",
    } | more


def test_what_fits_the_shape_has_no_violation():
    config = {
        "optimizationObjective": {"itemAttribute": "PRICE", "objectiveSensitivity": "LOW"},
        "eventsConfig": {"eventParametersList": [{"eventType": "buy", "weight": 1}]},
        "autoTrainingConfig": {"schedulingExpression": "rate(7 days)"},
    }
    tags = [{"tagKey": "größe", "tagValue": "10 ² €".replace(" €", "")}]

    assert said("CreateSolution", in_group(solutionConfig=config, tags=tags)) == []


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        pytest.param("CreateSolution", [], " is a list: []; must be an object", id="no-object"),
        pytest.param(
            "CreateFilter",
            in_group(),
            "filterExpression is missing; filterExpression is required",
            id="missing",
        ),
        pytest.param(
            "CreateFilter",
            in_group(filterExpression=None),
            "filterExpression is missing; filterExpression is required",
            id="null-is-missing",
        ),
        pytest.param(
            "CreateSchema",
            {"name": "s", "schema": "{}", "domian": "ECOMMERCE"},
            "domian is not a known key; known keys: name, schema, domain",
            id="unknown",
        ),
        pytest.param(
            "CreateSchema",
            {"name": "s", "schema": "{}", "domain": "BOOKS"},
            "domain is 'BOOKS'; must be one of ECOMMERCE, VIDEO_ON_DEMAND",
            id="enum",
        ),
        pytest.param(
            "CreateSchema",
            {"name": "a" * 64, "schema": "{}"},
            "name has length 64; must have length at most 63",
            id="max-length",
        ),
        pytest.param(
            "CreateSchema",
            {"name": "my schema", "schema": "{}"},
            r"name is 'my schema'; must match ^[a-zA-Z0-9][a-zA-Z0-9\-_]*",
            id="pattern-to-the-end",
        ),
        pytest.param(
            "CreateFilter",
            in_group(filterExpression=""),
            "filterExpression has length 0; must have length at least 1",
            id="min-length",
        ),
        pytest.param(
            "CreateSolution",
            in_group(performHPO="yes"),
            "performHPO is a string: 'yes'; must be true or false",
            id="type",
        ),
        pytest.param(
            "CreateSolution",
            in_group(name=True),
            "name is a boolean: True; must be a string",
            id="a-boolean-is-no-string",
        ),
        pytest.param(
            "CreateSolution",
            in_group(
                solutionConfig={"eventsConfig": {"eventParametersList": [{}, {"weight": 1.5}]}}
            ),
            "solutionConfig.eventsConfig.eventParametersList[1].weight is 1.5; must be at most 1",
            id="deep-inside",
        ),
        pytest.param(
            "CreateSolution",
            in_group(solutionConfig={"algorithmHyperParameters": {"hidden_dimension": 149}}),
            "solutionConfig.algorithmHyperParameters.hidden_dimension is a number: 149; "
            "must be a string",
            id="map-value",
        ),
        pytest.param(
            "CreateSolution",
            in_group(
                solutionConfig={"eventsConfig": {"eventParametersList": [{"weight": float("nan")}]}}
            ),
            "solutionConfig.eventsConfig.eventParametersList[0].weight is a number: nan; "
            "must be a number",
            id="not-a-number",
        ),
        pytest.param(
            "CreateFilter",
            in_group(filterExpression="x", tags="a"),
            "tags is a string: 'a'; must be a list",
            id="list",
        ),
        pytest.param(
            "CreateFilter",
            in_group(filterExpression="x", tags=[{"tagKey": "a!", "tagValue": ""}]),
            r"tags[0].tagKey is 'a!'; must match ^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$",
            id="unicode-class",
        ),
    ],
)
def test_a_violation_names_the_member_and_what_is_allowed(operation, parameters, expected):
    assert said(operation, parameters) == [expected]


@pytest.mark.parametrize(("tps", "count"), [(2**31 - 1, 0), (2**31, 1), (0, 1)])
def test_integers_stay_within_their_bits_and_bounds(tps, count):
    arn = "arn:aws:personalize:eu-west-1:1:solution/s/1"
    campaign = {"name": "c", "solutionVersionArn": arn, "minProvisionedTPS": tps}

    assert len(said("CreateCampaign", campaign)) == count


def test_all_violations_are_found_rather_than_the_first():
    assert len(said("CreateFilter", {"name": "", "filterExpression": 1, "more": 2})) == 5


def test_digits_of_other_scripts_are_not_digits_of_an_account():
    shape = shapes.service_model("personalize").shape_for("RoleArn")

    assert list(shapes.violations(shape, "arn:aws:iam::123456789012:role/x")) == []
    assert [v.constraint for v in shapes.violations(shape, "arn:aws:iam::１２３456789012:role/x")]


def test_a_very_long_string_is_refused_for_its_length_in_no_time():
    shape = shapes.service_model("personalize").shape_for("Arn")

    (violation,) = shapes.violations(shape, "arn:aws:personalize" + ":" * 1_000_000)

    assert violation.constraint == "max"


@pytest.mark.parametrize("service", [*SERVICES, "pinpoint", "customer-profiles"])
def test_every_pattern_of_the_models_can_be_read(service):
    model = shapes.service_model(service)
    strings = [model.shape_for(name) for name in model.shape_names]

    for shape in (s for s in strings if s.type_name == "string"):
        list(shapes.violations(shape, "any"))


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
MEMBERS = ["name", "tags", "solutionConfig", "recipeArn", "performHPO", "eventType"]


@settings(deadline=None)
@given(parameters=ANY | st.dictionaries(st.sampled_from(MEMBERS), ANY))
def test_no_value_makes_the_check_crash(parameters):
    for violation in shapes.violations(
        shapes.input_shape("personalize", "CreateSolution"), parameters
    ):
        assert violation.problem
        assert violation.repair
