from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.doctor import uploads
from deployments.doctor.uploads import Ways
from personalization.local.server import LocalAws

QUEUE = "arn:aws:sqs:us-east-1:123456789012:films"


@pytest.fixture
def films(aws: LocalAws) -> str:
    aws.clients("s3").create_bucket(Bucket="films")
    return "films"


def queue(aws: LocalAws, name: str, attributes: dict[str, str]) -> str:
    sqs = aws.clients("sqs")
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def told(aws: LocalAws, bucket: str, arn: str) -> None:
    direct = [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
    aws.clients("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": direct}
    )


def rule(aws: LocalAws, arn: str, **pattern: Any) -> None:
    events = aws.clients("events")
    events.put_rule(Name="uploads", EventPattern=json.dumps({"source": ["aws.s3"], **pattern}))
    events.put_targets(Rule="uploads", Targets=[{"Id": "1", "Arn": arn}])


def test_a_queue_that_s3_tells_is_found_and_counted(aws, films):
    dead = queue(aws, "films-dead", {})
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 5})
    arn = queue(aws, "films", {"RedrivePolicy": redrive})
    told(aws, films, arn)
    aws.clients("s3").put_object(Bucket=films, Key="train/films/config.json", Body=b"{}")

    found = uploads.ways(aws.clients, films)

    assert uploads.notifications(found, films).text == "S3 tells films"
    # S3 sends a message of its own when it is told to tell.
    assert uploads.queue(aws.clients, found).text == "films: 2 waiting, 0 in hand"
    assert uploads.dead_letters(aws.clients, found).text == "films-dead: empty"


def test_dead_letters_are_to_be_read(aws, films):
    dead = queue(aws, "films-dead", {})
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 5})
    told(aws, films, queue(aws, "films", {"RedrivePolicy": redrive}))
    sqs = aws.clients("sqs")
    sqs.send_message(
        QueueUrl=sqs.get_queue_url(QueueName="films-dead")["QueueUrl"], MessageBody="?"
    )

    seen = uploads.dead_letters(aws.clients, uploads.ways(aws.clients, films))

    assert (seen.status, seen.text) == ("bad", "films-dead: 1 message(s)")
    assert seen.advice == "read them, mend the cause, and start a redrive in the SQS console"


def test_a_queue_that_nobody_reads_is_told(aws, films):
    told(aws, films, queue(aws, "films", {}))
    sqs = aws.clients("sqs")
    url = sqs.get_queue_url(QueueName="films")["QueueUrl"]
    for _ in range(10):
        batch = [{"Id": str(each), "MessageBody": "{}"} for each in range(10)]
        sqs.send_message_batch(QueueUrl=url, Entries=batch)

    seen = uploads.queue(aws.clients, uploads.ways(aws.clients, films))

    assert (seen.status, seen.text) == ("bad", "films: 101 waiting, 0 in hand")
    assert seen.advice == ("run `personalize relay --queue films`; its log says what holds it up")


def test_a_queue_without_dead_letters_is_told(aws, films):
    told(aws, films, queue(aws, "films", {}))
    found = uploads.ways(aws.clients, films)

    seen = uploads.queue(aws.clients, found)

    assert seen.status == "bad"
    assert seen.text.endswith("messages that nobody understands come back for ever")
    assert uploads.dead_letters(aws.clients, found).text == (
        "not checked: uploads go to no queue that has one"
    )


def test_a_queue_that_is_gone_is_missed(aws):
    found = Ways(queues=(QUEUE,), others=(), bridge=False, rules=())

    seen = uploads.queue(aws.clients, found)

    assert (seen.status, seen.text) == ("bad", "there is no queue films")


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        pytest.param({}, (QUEUE,), id="all-buckets"),
        pytest.param({"bucket": {"name": ["films"]}}, (QUEUE,), id="this-one"),
        pytest.param({"bucket": {"name": ["books"]}}, (), id="another"),
    ],
)
def test_rules_for_the_bucket_are_found(aws, films, detail: dict[str, Any], expected):
    rule(aws, queue(aws, "films", {}), detail=detail)

    assert uploads.ways(aws.clients, films).rules == expected


@pytest.mark.parametrize(
    ("found", "status", "text"),
    [
        pytest.param(
            Ways((), (), True, (QUEUE,)),
            "ok",
            "S3 tells EventBridge, whose rule tells films",
            id="bridge-and-rule",
        ),
        pytest.param(
            Ways((), (), True, ()),
            "bad",
            "S3 tells EventBridge, but no rule takes what it says of films",
            id="no-rule",
        ),
        pytest.param(
            Ways((), (), False, (QUEUE,)),
            "bad",
            "a rule waits for uploads to films, but S3 does not tell EventBridge",
            id="no-bridge",
        ),
        pytest.param(
            Ways((), ("arn:aws:sns:us-east-1:123456789012:news",), False, ()),
            "ok",
            "S3 tells news",
            id="topic",
        ),
        pytest.param(
            Ways((), (), False, ()), "bad", "nobody is told of uploads to films", id="nobody"
        ),
    ],
)
def test_the_way_of_an_upload_is_followed(found: Ways, status: str, text: str):
    seen = uploads.notifications(found, "films")

    assert (seen.status, seen.text) == (status, text)


def test_a_rules_queue_counts_only_if_s3_tells_eventbridge():
    assert Ways((), (), True, (QUEUE,)).queue == QUEUE
    assert Ways((), (), False, (QUEUE,)).queue is None
