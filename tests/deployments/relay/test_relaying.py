"""Messages on their way, with what may befall them."""

from __future__ import annotations

import json
import logging
import threading
import time

import boto3
import pytest
from botocore.config import Config

from personalization.errors import FatalError
from personalization.local.server import LocalAws
from personalization.s3_events import read
from tests.deployments.relay.conftest import BUCKET, VISIBILITY_S, queue, relaying, until
from tests.deployments.relay.far_prefect import TAKEN, Answer
from tests.s3_messages import TEST_EVENT, bridged, direct, record

CONFIG = "train/films/config.json"


def blames(key, answer):
    """A server that dislikes requests with that key."""
    return lambda events: answer if key in [it["payload"]["key"] for it in events] else TAKEN


def at_first(answer, times):
    """A server that answers so some times, and then takes what comes."""
    left = [answer] * times
    return lambda _events: left.pop() if left else TAKEN


def said(caplog, message):
    return [it for it in caplog.records if it.getMessage().startswith(message)]


def test_an_upload_becomes_an_event_and_leaves_the_queue(uploads, prefect):
    with relaying(uploads, prefect.url) as health:
        uploads.put("train/my films/é+.json")
        until(lambda: health.counts["delivered"])

    assert prefect.keys == ["train/my films/é+.json"]
    assert prefect.taken[0]["resource"]["aws.s3.folder"] == "train/my films"
    assert uploads.is_empty()
    assert uploads.dead() == []


def test_every_way_that_s3_can_notify_is_understood(uploads, prefect):
    sqs, sns, s3, events = (uploads.aws.clients(it) for it in ("sqs", "sns", "s3", "events"))
    _, arn = queue(sqs, "uploads")
    topic = sns.create_topic(Name="uploads")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    events.put_rule(
        Name="uploads",
        EventPattern=json.dumps({"source": ["aws.s3"], "detail-type": ["Object Created"]}),
    )
    events.put_targets(Rule="uploads", Targets=[{"Id": "queue", "Arn": arn}])
    configuration = {
        "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}],
        "TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}],
        "EventBridgeConfiguration": {},
    }
    s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)

    with relaying(uploads, prefect.url) as health:
        uploads.put("a b/é.json")
        until(lambda: health.counts["delivered"] == 3)

    assert set(prefect.keys) == {"a b/é.json"}
    assert len({it["payload"]["etag"] for it in prefect.taken}) == 1
    assert health.counts["silent"] == 3  # S3's test messages
    assert uploads.is_empty()


def test_s3s_test_message_and_deletions_go_without_a_word(uploads, prefect, caplog):
    caplog.set_level(logging.INFO)
    uploads.send(direct(record(CONFIG, event="ObjectRemoved:Delete")))
    with relaying(uploads, prefect.url) as health:
        until(lambda: health.counts["silent"] == 2)
        until(uploads.is_empty)

    assert prefect.offered == []
    assert [it for it in caplog.records if it.name.startswith("deployments")] == []


def test_ten_messages_are_one_request(uploads, prefect):
    for number in range(10):
        uploads.put(f"batch/{number}.out")
    with relaying(uploads, prefect.url) as health:
        until(lambda: health.counts["delivered"] == 10)

    assert len(prefect.offered) <= 2  # the first ten messages hold S3's test message
    assert sorted(prefect.keys) == [f"batch/{number}.out" for number in range(10)]


def test_a_message_that_comes_three_times_is_one_event(uploads, prefect):
    for _ in range(3):
        uploads.send(bridged(CONFIG))
    with relaying(uploads, prefect.url) as health:
        until(lambda: health.counts["delivered"] == 3)

    assert {it["id"] for it in prefect.taken} == {str(read(bridged(CONFIG))[0].id)}


def test_nothing_is_received_while_the_server_is_down_and_nothing_is_lost(uploads, prefect, caplog):
    caplog.set_level(logging.INFO)
    prefect.down()
    with relaying(uploads, prefect.url) as health:
        for number in range(3):
            uploads.put(f"{number}.json")
        until(lambda: health.trouble and "is out of reach" in health.trouble)
        time.sleep(1)

        assert uploads.left() == (4, 0)  # with S3's test message
        assert health.state() == "waiting"

        prefect.up()
        until(lambda: health.counts["delivered"] == 3)
        until(lambda: health.state() == "relaying")

    assert sorted(prefect.keys) == ["0.json", "1.json", "2.json"]
    assert {it.facts["receives"] for it in said(caplog, "delivered")} == {1}
    assert len(said(caplog, "waiting")) == 1
    assert len(said(caplog, "going on")) == 1
    assert uploads.is_empty()


def test_an_unwell_server_is_asked_again_before_anything_is_received(uploads, prefect):
    prefect.health = 503
    with relaying(uploads, prefect.url) as health:
        uploads.put(CONFIG)
        until(lambda: health.trouble and "answered 503" in health.trouble)
        assert uploads.left() == (2, 0)

        prefect.health = 200
        until(lambda: health.counts["delivered"] == 1)

    assert prefect.keys == [CONFIG]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Answer(503, "soon"), id="unavailable"),
        pytest.param(Answer(429, headers={"Retry-After": "1"}), id="throttled"),
        pytest.param(Answer(401, "who?"), id="wrong-credentials"),
        pytest.param(Answer(500, "oops"), id="stumbled"),
        pytest.param(Answer(200, "<html>"), id="not-an-api"),
        pytest.param(Answer(reset=True, kept=True), id="hung-up-after-taking-it"),
        pytest.param(Answer(200, "{", cut=True, kept=True), id="half-an-answer"),
        pytest.param(Answer(204, late_s=1.5, kept=True), id="too-late"),
    ],
)
def test_what_is_not_a_204_keeps_the_message_until_there_is_one(uploads, prefect, caplog, answer):
    caplog.set_level(logging.INFO)
    prefect.policy = at_first(answer, 2)
    with relaying(uploads, prefect.url) as health:
        uploads.put(CONFIG)
        until(lambda: len(prefect.offered) == 1)
        until(lambda: health.state() == "waiting")

        assert sum(uploads.left()) == 1

        until(lambda: health.counts["delivered"])
        until(uploads.is_empty)

    assert len(prefect.offered) == 3
    assert len({it for ids in prefect.offered for it in ids}) == 1  # always the same id
    # It was kept in hand: none of the queue's tries are used up.
    assert [it.facts["receives"] for it in said(caplog, "delivered")] == [1]
    assert uploads.dead() == []


def test_messages_are_kept_in_hand_beyond_their_visibility_timeout(uploads, prefect, caplog):
    caplog.set_level(logging.INFO)
    far_from_over = time.monotonic() + VISIBILITY_S + 2
    prefect.policy = lambda _: TAKEN if time.monotonic() > far_from_over else Answer(503)
    with relaying(uploads, prefect.url) as health:
        uploads.put(CONFIG)
        until(lambda: health.counts["delivered"])

    assert prefect.keys == [CONFIG]
    assert [it.facts["receives"] for it in said(caplog, "delivered")] == [1]


def test_one_refused_event_holds_no_other_back_and_is_set_aside_with_the_reason(
    uploads, prefect, caplog
):
    prefect.policy = blames("b.json", Answer(422, "no such\x01 label"))
    for key in "abc":
        uploads.put(f"{key}.json")
    with relaying(uploads, prefect.url) as health:
        until(lambda: health.counts["set_aside"])
        until(uploads.is_empty)

    (dead,) = uploads.dead()
    assert sorted(prefect.keys) == ["a.json", "c.json"]
    assert read(dead["Body"])[0].key == "b.json"
    why = f"Prefect at {prefect.url} refused 1 event(s) with 422: no such\x01 label"
    # SQS takes no control characters.
    sent = dead["MessageAttributes"]["refused-because"]["StringValue"]
    assert sent == why.replace("\x01", "\N{REPLACEMENT CHARACTER}")
    (line,) = said(caplog, "a message was set aside in ")
    assert line.facts["why"] == why


def test_one_event_that_the_server_stumbles_over_goes_back_to_the_queue(uploads, prefect, caplog):
    prefect.policy = blames("b.json", Answer(500, "oops"))
    for key in "abc":
        uploads.put(f"{key}.json")
    with relaying(uploads, prefect.url) as health:
        until(lambda: health.counts["given_back"])

        assert sorted(prefect.keys) == ["a.json", "c.json"]
        assert uploads.left() == (0, 1)  # hidden for a while

        prefect.policy = lambda _: TAKEN
        until(lambda: "b.json" in prefect.keys)
        until(uploads.is_empty)

    (line,) = said(caplog, "messages were given back to the queue")
    assert line.facts["why"].endswith("refused 1 event(s) with 500: oops")
    assert line.facts["after_s"] == VISIBILITY_S


def test_messages_held_too_long_are_given_back(uploads, prefect, caplog):
    prefect.policy = lambda _: Answer(503)
    with relaying(uploads, prefect.url, hold_s=0.5) as health:
        uploads.put(CONFIG)
        until(lambda: health.counts["given_back"] >= 2)

        prefect.policy = lambda _: TAKEN
        until(lambda: health.counts["delivered"])

    assert prefect.keys == [CONFIG]
    assert said(caplog, "messages were given back to the queue")[0].facts["after_s"] == 0


def test_asked_to_stop_in_an_outage_it_gives_back_what_it_holds(uploads, prefect):
    prefect.policy = lambda _: Answer(503)
    with relaying(uploads, prefect.url) as health:
        uploads.put(CONFIG)
        until(lambda: health.state() == "waiting" and prefect.offered)

    assert health.counts["given_back"] == 1
    assert uploads.left() == (1, 0)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param("hello", "the message is not JSON (unexpected character", id="text"),
        pytest.param('{"Records": [{"eventSource": "aws:kinesis"}]}',
                     "the message holds a record of 'aws:kinesis'", id="not-s3s"),
        pytest.param(direct(record(CONFIG), record(CONFIG, key="%ff")),
                     "the S3 notification's key '%ff' is no URL-encoded UTF-8", id="one-of-two"),
    ],
)  # fmt: skip
def test_what_nobody_can_read_is_set_aside_and_does_not_hold_others_up(
    uploads, prefect, caplog, body, why
):
    uploads.send(body)
    uploads.put(CONFIG)
    with relaying(uploads, prefect.url) as health:
        until(lambda: health.counts["set_aside"] and health.counts["delivered"])
        until(uploads.is_empty)

    (dead,) = uploads.dead()
    assert prefect.keys == [CONFIG]
    assert dead["Body"] == body
    attributes = {name: it["StringValue"] for name, it in dead["MessageAttributes"].items()}
    assert attributes["refused-because"].startswith(why)
    assert attributes["refused-by"] == "personalize relay"
    (line,) = said(caplog, f"a message was set aside in {uploads.dead_url}")
    assert line.levelname == "ERROR"
    assert line.facts["why"].startswith(why)
    assert line.facts["message"] == attributes["refused-id"]


@pytest.mark.parametrize(
    ("redrive", "problem"),
    [
        pytest.param("", "the queue has no dead-letter queue: give it a RedrivePolicy", id="none"),
        pytest.param(
            json.dumps(
                {
                    "deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:gone",
                    "maxReceiveCount": 3,
                }
            ),
            "there is no queue 'arn:aws:sqs:us-east-1:123456789012:gone' in us-east-1",
            id="gone",
        ),
    ],
)
def test_without_a_dead_letter_queue_the_unreadable_is_left_to_sqs(
    uploads, prefect, caplog, redrive, problem
):
    if redrive:
        queue(uploads.aws.clients("sqs"), "gone")
    uploads.aws.clients("sqs").set_queue_attributes(
        QueueUrl=uploads.url, Attributes={"RedrivePolicy": redrive}
    )
    if redrive:
        uploads.aws.clients("sqs").delete_queue(QueueUrl=uploads.url.replace("uploads", "gone"))
    uploads.send("hello")
    with relaying(uploads, prefect.url) as health:
        until(lambda: health.counts["left"])
        uploads.put(CONFIG)
        until(lambda: health.counts["delivered"])

    assert uploads.left() == (0, 1)
    assert prefect.keys == [CONFIG]
    (line,) = said(caplog, "a message is left in the queue, and comes again in an hour")
    assert problem in line.getMessage()
    assert line.facts["body"] == "hello"


def test_a_queue_that_is_gone_ends_the_relay_with_its_name(uploads, prefect):
    def relay_until_the_queue_goes():
        with relaying(uploads, prefect.url) as health:
            until(lambda: health.state() == "relaying")
            uploads.aws.clients("sqs").delete_queue(QueueUrl=uploads.url)
            until(lambda: "relay" not in {it.name for it in threading.enumerate()})

    # Whichever it was about to do.
    with pytest.raises(FatalError, match=r"(receiv|delet)ing messages of http\S+/uploads failed"):
        relay_until_the_queue_goes()


def test_sqs_away_is_waited_for(uploads, prefect, caplog):
    # Two servers of the local AWS share their queues: one of them may go away and come back.
    with LocalAws() as door:
        port = int(door.endpoint_url.rpartition(":")[2])
        sqs = boto3.client(
            "sqs",
            endpoint_url=door.endpoint_url,
            config=Config(retries={"total_max_attempts": 1}),
        )
        with relaying(uploads, prefect.url, sqs=sqs) as health:
            until(lambda: health.state() == "relaying")
            door.close()
            until(lambda: health.trouble and "receiving messages of" in health.trouble)
            uploads.put(CONFIG)
            with LocalAws(port=port):
                until(lambda: health.counts["delivered"])

    assert prefect.keys == [CONFIG]
    assert len(said(caplog, "waiting")) >= 1


@pytest.mark.server
def test_three_deliveries_are_one_event_in_a_real_server(uploads, prefect_server):
    import httpx

    body = bridged(f"train/{time.time_ns()}/config.json")
    resource = read(body)[0].event()["resource"]["prefect.resource.id"]
    for _ in range(3):
        uploads.send(body)

    def known():
        wanted = {"filter": {"resource": {"id": [resource]}}}
        return httpx.post(f"{prefect_server}/events/filter", json=wanted).json()["events"]

    with relaying(uploads) as health:
        until(lambda: health.counts["delivered"] == 3)
        until(known)
        uploads.send(body)
        until(lambda: health.counts["delivered"] == 4)
        time.sleep(1)

    (event,) = known()
    assert event["id"] == str(read(body)[0].id)
    assert event["payload"] == read(body)[0].event()["payload"]


def test_the_test_message_is_what_s3_sends(uploads):
    (message,) = uploads.aws.clients("sqs").receive_message(QueueUrl=uploads.url)["Messages"]

    assert set(json.loads(message["Body"])) <= set(json.loads(TEST_EVENT))
