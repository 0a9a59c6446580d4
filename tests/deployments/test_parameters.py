"""KEY=VALUE, as a person types it."""

from __future__ import annotations

import pytest

from deployments.parameters import as_parameters
from personalization.errors import ConfigError
from personalization.parameters import BatchParameters, PostprocessParameters, TrainParameters


def findings(model, *typed):
    with pytest.raises(ConfigError, match=r"^train cannot be run with these parameters") as caught:
        as_parameters(model, typed, "train")
    return [f"{it.where}: {it.problem}; {it.allowed}" for it in caught.value.findings]


def test_what_is_text_is_taken_as_typed():
    typed = ("bucket=2024", "dataset_group=2024", "solution=77", "filter_arn=null", "role_arn=1e3")

    given = as_parameters(BatchParameters, typed, "batch-segment")

    assert (given.bucket, given.dataset_group, given.solution) == ("2024", "2024", "77")
    assert (given.filter_arn, given.role_arn) == ("null", "1e3")


def test_what_is_not_text_is_json():
    typed = ("file=s3://b/k", "plan_only=true", "check_data=no", "retrain=never")

    given = as_parameters(TrainParameters, (*typed, 'waiting={"first_look_s": 2}'), "train")

    assert (given.plan_only, given.check_data) == (True, False)
    assert (given.retrain, given.waiting.first_look_s) == ("never", 2)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param("fiel=x", "fiel: is not a known key; did you mean file?", id="misspelt"),
        pytest.param(
            "colour=x",
            "colour: is not a known key; known keys: credentials, upload, ",
            id="unknown",
        ),
        pytest.param(
            'waiting={"first_look": 1}',
            "waiting.first_look: is not a known key; did you mean first_look_s?",
            id="inside",
        ),
        pytest.param(
            "waiting={first_look_s: 1}",
            "waiting: is '{first_look_s: 1}'; must be a JSON object; known keys: first_look_s, ",
            id="no-json",
        ),
        pytest.param(
            'waiting={"first_look_s": 0}',
            "waiting.first_look_s: is 0; must be greater than 0",
            id="bound",
        ),
        pytest.param(
            "plan_only=perhaps",
            "plan_only: is 'perhaps'; must be a valid boolean",
            id="truth",
        ),
        pytest.param(
            "retrain=maybe",
            "retrain: is 'maybe'; must be 'new-data', 'never' or 'always'",
            id="choice",
        ),
    ],
)
def test_a_finding_says_what_is_wrong_and_the_way_out(typed, expected):
    [found] = findings(TrainParameters, "file=s3://b/k", typed)

    assert found.startswith(expected)


def test_what_is_missing_is_described():
    assert findings(TrainParameters) == [
        "file: is missing; write file=…: S3 URI of the parameter file. The CSVs lie beside it: "
        "interactions.csv or interactions/*.csv, and so on."
    ]


def test_keys_inside_options_are_known():
    typed = ("output=s3://b/k", 'options={"adress_by": "user", "channels": ["FAX"]}')

    assert [it[:60] for it in findings(PostprocessParameters, *typed)] == [
        "options.channels.0: is 'FAX'; must be 'PUSH', 'GCM', 'APNS',",
        "options.adress_by: is not a known key; did you mean address_",
    ]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param(["file"], "'file' is not a setting; write KEY=VALUE", id="no-value"),
        pytest.param(["a=1", "a=2"], "a is given twice; take one out", id="twice"),
    ],
)
def test_what_is_no_list_of_settings_is_refused(typed, message):
    with pytest.raises(ConfigError, match=message):
        as_parameters(TrainParameters, typed, "train")
