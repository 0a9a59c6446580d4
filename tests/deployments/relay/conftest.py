"""Queues of the local AWS, a far Prefect, and a relay between the two."""

from __future__ import annotations

import contextvars
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from deployments.relay.health import Health
from deployments.relay.queue import Queue
from deployments.relay.stopping import Stop
from personalization.local.server import LocalAws
from tests.deployments.relay.far_prefect import FarPrefect

# Enough for three requests of a second and the longest pause: what is kept in hand stays there.
VISIBILITY_S = 6
BUCKET = "uploads"


def until(true: Callable[[], Any], patience_s: float = 20) -> None:
    """Wait until it is true."""
    end_at = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end_at, "it did not come true"
        time.sleep(0.02)


@dataclass
class Uploads:
    """A bucket that notifies a queue which has a dead-letter queue."""

    aws: LocalAws
    name: str
    url: str
    dead_url: str

    def put(self, key: str, body: bytes = b"{}") -> None:
        self.aws.clients("s3").put_object(Bucket=BUCKET, Key=key, Body=body)

    def send(self, body: str) -> None:
        self.aws.clients("sqs").send_message(QueueUrl=self.url, MessageBody=body)

    def left(self) -> tuple[int, int]:
        """How many messages wait, and how many are in somebody's hand."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        said = self.aws.clients("sqs").get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        waiting, in_hand = (int(said["Attributes"][name]) for name in names)
        return waiting, in_hand

    def is_empty(self) -> bool:
        return self.left() == (0, 0)

    def dead(self) -> list[dict[str, Any]]:
        """The messages in the dead-letter queue."""
        said = self.aws.clients("sqs").receive_message(
            QueueUrl=self.dead_url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        return said.get("Messages", [])


@pytest.fixture
def uploads(aws: LocalAws) -> Uploads:
    return uploads_of(aws)


def uploads_of(aws: LocalAws) -> Uploads:
    """Make the bucket and its queues."""
    sqs, s3 = aws.clients("sqs"), aws.clients("s3")
    dead_url, dead_arn = queue(sqs, "dead-letters")
    redrive = json.dumps({"deadLetterTargetArn": dead_arn, "maxReceiveCount": 20})
    url, arn = queue(sqs, "uploads", RedrivePolicy=redrive)
    s3.create_bucket(Bucket=BUCKET)
    to_queue = {"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [to_queue]}
    )
    return Uploads(aws, "uploads", url, dead_url)


def queue(sqs: Any, name: str, **attributes: str) -> tuple[str, str]:
    """Make a queue; return its URL and ARN."""
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    said = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return url, said["Attributes"]["QueueArn"]


@pytest.fixture
def prefect() -> Iterator[FarPrefect]:
    far = FarPrefect()
    yield far
    far.down()


@contextmanager
def relaying(
    uploads: Uploads, api_url: str | None = None, *, sqs: Any = None, **settings: Any
) -> Iterator[Health]:
    """Run a relay in a thread; on leaving, ask it to stop and wait until it has.

    api_url  of Prefect; without it, the one that Prefect's settings name
    sqs      client; without it, the local AWS's
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from deployments.relay.prefect_api import prefect_api
    from deployments.relay.relaying import Relay

    source = Queue(sqs or uploads.aws.clients("sqs"), uploads.name, VISIBILITY_S, wait_s=1)
    health = Health(source.url, api_url or "", alive_s=60)
    stop = Stop()
    failed: list[BaseException] = []

    def run() -> None:
        known = {PREFECT_API_URL: api_url} if api_url else {}
        try:
            with temporary_settings(known), prefect_api(timeout_s=1.0) as api:
                Relay(source, api, health, **settings).run(stop)
        except BaseException as error:  # for the test's own thread
            failed.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="relay")
    thread.start()
    try:
        yield health
    finally:
        stop.ask()
        thread.join(30)
    assert not thread.is_alive()
    if failed:
        raise failed[0]
