"""A stack made of the template on the local AWS: uploads reach the queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.events.models import EventPattern

from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.routes import route
from personalization.s3_events import read
from tests.deployments.aws.cloudformation import ACCOUNT, ALL_BUT_CLOUD, Stack, chosen, made

# moto says so of every kind of resource that it leaves out.
pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse AWS:UserWarning")


@pytest.fixture(scope="module")
def cloud() -> Iterator[LocalAws]:
    with LocalAws(pace=Pace(0.0)) as it:
        yield it


@pytest.fixture(scope="module")
def stack(cloud: LocalAws) -> Stack:
    return made(cloud)


def received(cloud: LocalAws, stack: Stack) -> list[str]:
    """Empty the queue; the relay's own reader says what the messages tell."""
    sqs, queue = cloud.clients("sqs"), stack.outputs["QueueUrl"]
    keys: list[str] = []
    while messages := sqs.receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=0
    ).get("Messages"):
        for message in messages:
            keys += [created.key for created in read(message["Body"])]
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return keys


@pytest.mark.parametrize(
    "key",
    [
        "train/x/config.json",
        "train/films.json",
        "batch/films/by-genre/job_config.json",
        "batch/films/by-genre/by-genre_2026_01_01_00_00_00/job_config.json.out",
        "etl_jobs/user_personalization/for-you/config.json",
        "import/pinpoint/endpoints.csv",
    ],
)
def test_what_calls_for_a_flow_reaches_the_queue(cloud: LocalAws, stack: Stack, key: str):
    cloud.clients("s3").put_object(Bucket=stack.outputs["Bucket"], Key=key, Body=b"{}")

    assert received(cloud, stack) == [key]


@pytest.mark.parametrize(
    "key",
    [
        "train/x/interactions.csv",
        "claims/train/0123.json",
        "audiences/films/action.csv",
        "batch/films/by-genre/_CHECK",
        "etl_jobs/user_personalization/for-you/output/part.parquet",
        "config.json",
    ],
)
def test_what_calls_for_none_does_not(cloud: LocalAws, stack: Stack, key: str):
    cloud.clients("s3").put_object(Bucket=stack.outputs["Bucket"], Key=key, Body=b"x")

    assert received(cloud, stack) == []


def test_reports_of_errors_are_told_but_call_for_no_flow(cloud: LocalAws, stack: Stack):
    key = "train/x/config.json.errors.json"
    cloud.clients("s3").put_object(Bucket=stack.outputs["Bucket"], Key=key, Body=b"{}")

    assert received(cloud, stack) == [key]
    assert route(key) is None


def _pattern() -> dict[str, Any]:
    pattern = chosen({})["Resources"]["UploadsRule"]["Properties"]["EventPattern"]
    pattern["detail"]["bucket"]["name"] = ["films"]
    return pattern


_PATTERN = EventPattern.load(json.dumps(_pattern()))
_NAMES = st.sampled_from(
    [
        "config.json",
        "job_config.json",
        "a.json",
        "a.csv",
        "a.out",
        "a.json.errors.json",
        "train",
        "x",
    ]
)
_FOLDERS = st.lists(
    st.sampled_from(["films", "a b", "é", "batch", "import"]), min_size=1, max_size=3
)


@settings(deadline=None)
@given(st.sampled_from(["train", "batch", "etl_jobs", "import", "claims"]), _FOLDERS, _NAMES)
def test_the_rule_lets_through_what_has_a_route(top: str, folders: list[str], name: str):
    key = "/".join([top, *folders, name])
    event = {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": "films"}, "object": {"key": key}},
    }
    comes = _PATTERN.matches_event(event)

    assert comes == (route(key) is not None or (top == "train" and name.endswith(".errors.json")))


def test_objects_that_go_are_not_told(cloud: LocalAws, stack: Stack):
    s3, bucket = cloud.clients("s3"), stack.outputs["Bucket"]
    s3.put_object(Bucket=bucket, Key="train/gone/config.json", Body=b"{}")
    received(cloud, stack)
    s3.delete_object(Bucket=bucket, Key="train/gone/config.json")

    assert received(cloud, stack) == []


def test_what_the_relay_cannot_handle_ends_among_the_dead_letters(cloud: LocalAws, stack: Stack):
    sqs = cloud.clients("sqs")
    attributes = sqs.get_queue_attributes(
        QueueUrl=stack.outputs["QueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    dead = sqs.get_queue_attributes(
        QueueUrl=stack.outputs["DeadLettersUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]

    assert json.loads(attributes["RedrivePolicy"]) == {
        "deadLetterTargetArn": dead,
        "maxReceiveCount": 20,
    }
    assert attributes["SqsManagedSseEnabled"] == "true"


def test_personalize_may_assume_its_role_for_this_account(cloud: LocalAws, stack: Stack):
    iam = cloud.clients("iam")
    role = iam.get_role(RoleName=stack.resources["PersonalizeRole"])["Role"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert stack.outputs["PersonalizeRoleArn"] == role["Arn"]
    assert trust["Principal"] == {"Service": "personalize.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_all_of_it_can_be_made_at_once():
    with LocalAws(pace=Pace(0.0)) as cloud:
        stack = made(cloud, "all", **ALL_BUT_CLOUD)

    assert stack.outputs["BusArn"].endswith(":event-bus/personalize-all")
    assert {"WorkerService", "RelayService", "PinpointImportRole"} <= set(stack.resources)
