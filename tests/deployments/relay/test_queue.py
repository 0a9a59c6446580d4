"""The queue, by whatever name, and messages that are no longer in hand."""

from __future__ import annotations

import pytest

from deployments.relay.queue import Queue
from tests.s3_messages import TEST_EVENT


@pytest.fixture
def sqs(aws):
    return aws.clients("sqs")


@pytest.mark.parametrize("name", ["uploads", "url", "arn:aws:sqs:us-east-1:123456789012:uploads"])
def test_a_queue_is_known_by_name_url_or_arn(uploads, sqs, name):
    found = Queue(sqs, uploads.url if name == "url" else name, 30)

    assert found.url == uploads.url
    assert found.dead_letters() == uploads.dead_url


def test_a_message_comes_with_how_often_it_came(uploads, sqs):
    queue = Queue(sqs, "uploads", 30)
    (first,) = queue.receive()
    queue.give_back([first])

    (again,) = queue.receive(patiently=False)

    assert (first.id, first.receives, again.receives) == (again.id, 1, 2)
    assert "s3:TestEvent" in again.body


def test_a_message_in_hand_is_nobody_elses(uploads, sqs):
    queue = Queue(sqs, "uploads", 30)
    queue.receive()

    assert queue.receive(patiently=False) == []


def test_ten_messages_are_received_at_once(uploads, sqs):
    for _ in range(12):
        uploads.send(TEST_EVENT)

    assert len(Queue(sqs, "uploads", 30).receive()) == 10


def test_a_message_that_is_no_longer_in_hand_is_logged_and_harms_nothing(uploads, sqs, caplog):
    queue = Queue(sqs, "uploads", 30)
    messages = queue.receive()
    sqs.purge_queue(QueueUrl=queue.url)

    queue.keep(messages)
    queue.delete(messages)

    assert [(it.getMessage(), it.facts["message"]) for it in caplog.records] == [
        ("a message could not be kept hidden", messages[0].id),
        ("a message could not be deleted and will come again", messages[0].id),
    ]
