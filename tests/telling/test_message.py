"""What subscribers of an SNS topic read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from personalization.errors import Finding
from personalization.telling import Ended, message_of, what_for

FILE = "s3://bucket/train/films/config.json"
RUN = "train-films-20261122-140000"
LINK = "http://127.0.0.1:4200/runs/flow-run/1"


def bodies(ended: Ended) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(message_of(ended, "personalize-flows")["Message"])
    return read


def ended(**more: Any) -> Ended:
    return Ended("train", RUN, name="films", dataset_group="films", link=LINK, **more)


def test_success_is_told_in_the_words_of_awss_solution():
    console = "https://console.aws.amazon.com/personalize/home"
    message = message_of(ended(console=console, facts=("Resources: 13 create",)), "Shop")

    body = json.loads(message["Message"])
    said = "The personalization workflow for films completed successfully"
    text = (
        "The Personalization job for dataset group films is complete\n\nResources: 13 create\n\n"
        f"Link: {console}\n\nRun: {RUN} {LINK}"
    )
    assert message["Subject"] == "Shop Notifications: films UPDATE COMPLETE"
    assert message["MessageStructure"] == "json"
    assert (body["default"], body["sms"], body["email"]) == (said, said, text)
    assert body["sqs"] == body["email-json"]
    assert json.loads(body["sqs"]) == {
        "datasetGroup": "films",
        "status": "UPDATE COMPLETE",
        "summary": said,
        "description": text,
        "flow": "train",
        "run": RUN,
        "reason": None,
        "file": None,
    }


def test_failure_says_why_everywhere():
    body = bodies(ended(reason="solutionVersion/films is CREATE FAILED: Too few interactions."))

    why = "solutionVersion/films is CREATE FAILED: Too few interactions."
    said = "The personalization workflow for films completed with errors"
    assert body["default"] == f"{said}: {why}"
    assert body["sms"].startswith(said)
    assert body["email"] == (
        "There was an error running the personalization job for dataset group films\n\n"
        f"Message: {why}\n\nRun: {RUN} {LINK}"
    )
    machine = json.loads(body["sqs"])
    assert (machine["status"], machine["summary"], machine["reason"]) == (
        "UPDATE FAILED",
        said,
        why,
    )


def test_who_corrects_how_audiences_are_made_is_told_that_it_starts_nothing_by_itself():
    file = "s3://films/batch/films/genres/postprocess.json"
    body = bodies(Ended("dispatch", RUN, name=file, reason="cannot be used", upload=file))

    assert (
        "Please correct it, upload it, then put the .out file again or retry the failed run.\n"
    ) in body["email"]


def test_a_refused_upload_is_told_with_every_finding_and_no_protocol_gets_nothing():
    findings = (
        Finding("solutions[0].serviceConfig.name", "is 'a b'", "no spaces", source=FILE, line=3),
        Finding("datasets", "is missing", source=FILE),
    )
    body = bodies(
        Ended(
            "train",
            RUN,
            name="films",
            reason=f"{FILE} cannot be used: 2 errors\n  - …",
            upload=FILE,
            findings=findings,
        )
    )

    summary = "There were errors detected when reading a personalization job configuration file"
    assert body["default"].startswith(f"{summary}: {FILE}: {FILE} cannot be used: 2 errors")
    assert body["email"] == (
        f"{summary}: {FILE}\n\n"
        f"- {FILE}:3: solutions[0].serviceConfig.name: is 'a b'; no spaces\n"
        f"- {FILE}: datasets: is missing\n\n"
        "Please correct these errors and upload the configuration again.\n\n"
        f"Run: {RUN}"
    )
    machine = json.loads(body["email-json"])
    assert machine["summary"] == summary
    assert machine["description"] == [str(it) for it in findings]
    assert (machine["datasetGroup"], machine["file"]) == ("UNKNOWN", FILE)
    assert all(isinstance(it, str) and it for it in body.values())


def test_other_flows_are_called_by_their_names():
    body = bodies(Ended("connector-sync", "run", name="user_personalization/for-you"))

    assert body["default"] == (
        "The connector-sync workflow for user_personalization/for-you completed successfully"
    )
    assert body["email"].startswith(
        "The connector-sync job for user_personalization/for-you is complete"
    )


def test_subscribers_can_filter():
    attributes = message_of(ended(reason="x"), "s")["MessageAttributes"]

    assert {name: it["StringValue"] for name, it in attributes.items()} == {
        "flow": "train",
        "status": "UPDATE FAILED",
        "dataset_group": "films",
    }


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        pytest.param("a\nb", "s Notifications: a b UPDATE COMPLETE", id="one-line"),
        pytest.param("é\x07", "s Notifications: ? UPDATE COMPLETE", id="ascii"),
        pytest.param("x" * 200, f"s Notifications: {'x' * 79}...", id="99-characters"),
    ],
)
def test_a_subject_is_what_sns_takes(name, subject):
    assert message_of(Ended("import-audience", "run", name=name), "s")["Subject"] == subject


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"reason": "\x01ü" * 300_000}, id="reason"),
        pytest.param(
            {
                "upload": FILE,
                "reason": "x",
                "findings": tuple(Finding(f"row[{it}]", "“" * 300) for it in range(5000)),
            },
            id="findings",
        ),
    ],
)
def test_a_message_is_no_longer_than_sns_takes(more):
    message = message_of(ended(**more), "s")

    size = len(message["Message"].encode())
    assert 20_000 < size < 256 * 1024 - 1024
    assert "…" in json.loads(message["Message"])["email"]
    assert len(json.loads(message["Message"])["sms"]) <= 140


@pytest.mark.parametrize(
    ("parameters", "name", "group"),
    [
        pytest.param({"file": FILE}, "films", "", id="train"),
        pytest.param({"dataset_group": "g", "solution": "s"}, "g", "g", id="batch"),
        pytest.param({"output": "s3://b/batch/g/s/job/"}, "g", "g", id="postprocess"),
        pytest.param({"output": "s3://b/x.out"}, "s3://b/x.out", "", id="elsewhere"),
        pytest.param({"job": "s3://b/etl_jobs/t/n/config.json"}, "t/n", "", id="sync"),
        pytest.param(
            {"file": "s3://b/import/braze/a.csv", "destination": "braze"},
            "a.csv into braze",
            "",
            id="import",
        ),
        pytest.param({"bucket": "b"}, "b", "", id="sweep"),
        pytest.param({}, "", "", id="nothing"),
    ],
)
def test_what_a_run_is_for_is_read_off_its_parameters(parameters, name, group):
    assert what_for(parameters) == (name, group)
