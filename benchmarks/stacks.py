"""A stack of one's own, as `personalize up` starts it: to upload to, and to be unkind to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil

from deployments.processes import LOCAL_CREDENTIALS, ROOT
from deployments.stack.place import BUCKET, QUEUE, Place, Running
from personalization.errors import FatalError

ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})


@dataclass(frozen=True)
class Stack:
    """A stack that is up."""

    place: Place

    @property
    def running(self) -> Running:
        """Where its services answer, and their processes."""
        running = self.place.running()
        if running is None:
            raise FatalError(f"the stack has ended; its log is {self.place.log}")
        return running

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment of whoever talks to it."""
        at = self.running.addresses
        return {**os.environ, **self.place.surroundings(at["aws"], at["prefect"])}

    def client(self, service: str) -> Any:
        """Return a boto3 client of its local AWS."""
        names = ("aws_access_key_id", "aws_secret_access_key", "region_name")
        given = dict(zip(names, LOCAL_CREDENTIALS.values(), strict=True))
        url = self.running.addresses["aws"]
        return boto3.session.Session().client(service, endpoint_url=url, **given)

    @cached_property
    def queue_url(self) -> str:
        """The queue that the relay reads."""
        url: str = self.client("sqs").get_queue_url(QueueName=QUEUE)["QueueUrl"]
        return url

    def listen(self) -> str:
        """Let a second queue hear what the first one hears, and return its URL."""
        sqs, s3 = self.client("sqs"), self.client("s3")
        url: str = sqs.create_queue(QueueName=f"{QUEUE}-copy")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
        said = s3.get_bucket_notification_configuration(Bucket=BUCKET)["QueueConfigurations"]
        heard = [{name: it[name] for name in ("QueueArn", "Events")} for it in said]
        heard.append({"QueueArn": arn["QueueArn"], "Events": ["s3:ObjectCreated:*"]})
        s3.put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": heard}
        )
        return url

    def say_again(self, heard: str, times: int) -> int:
        """Send whatever a listening queue has heard to the relay again; return how many there were.

        Each message is one that S3 has sent, as it was.
        """
        sqs, count = self.client("sqs"), 0
        while messages := sqs.receive_message(QueueUrl=heard, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for it in messages:
                for _ in range(times):
                    sqs.send_message(QueueUrl=self.queue_url, MessageBody=it["Body"])
                sqs.delete_message(QueueUrl=heard, ReceiptHandle=it["ReceiptHandle"])
                count += 1
        return count

    def runs(self, flow: str | None = None) -> list[dict[str, Any]]:
        """Return the flow runs, the oldest first; none while Prefect does not answer."""
        url = f"{self.running.addresses['prefect']}/flow_runs/filter"
        wanted: dict[str, Any] = {"limit": 200, "sort": "START_TIME_ASC"}
        if flow:
            wanted["flows"] = {"name": {"any_": [flow]}}
        try:
            found = httpx.post(url, json=wanted, timeout=10).raise_for_status().json()
        except httpx.HTTPError:
            return []
        return sorted(found, key=lambda run: str(run["created"]))

    def get(self, path: str, **parameters: Any) -> Any:
        """Ask Prefect for something."""
        url = f"{self.running.addresses['prefect']}{path}"
        return httpx.get(url, params=parameters, timeout=10).raise_for_status().json()

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the newest 200 events of a name that Prefect knows."""
        url = f"{self.running.addresses['prefect']}/events/filter"
        wanted = {"filter": {"event": {"name": [name]}}, "limit": 50}
        found: list[dict[str, Any]] = []
        page = httpx.post(url, json=wanted, timeout=10).raise_for_status().json()
        while True:
            found += page["events"]
            if not page["next_page"] or len(found) >= 200:
                return found
            page = httpx.get(page["next_page"], timeout=10).raise_for_status().json()

    def kill(self, name: str, *, with_children: bool = False) -> int:
        """Kill one of its processes without a word, if asked its children too; return its id."""
        child = psutil.Process(self.running.children[name].pid)
        started = child.children(recursive=True) if with_children else []
        for it in (child, *started):
            it.kill()
        return int(child.pid)

    def await_again(self, name: str, killed: int, patience_s: float = 120) -> None:
        """Wait until a killed process has been started again."""
        wait_for(lambda: self.running.children[name].pid != killed, f"{name} again", patience_s)


def wait_for(done: Callable[[], Any], what: str, patience_s: float) -> Any:
    """Ask until the answer is true, and return it; FatalError if that takes too long."""
    end_at = time.monotonic() + patience_s
    while not (answer := done()):
        if time.monotonic() > end_at:
            raise FatalError(f"waited {patience_s:g} s in vain for {what}")
        time.sleep(0.2)
    return answer


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Start a stack on free ports, and end it."""
    place = Place(folder.absolute())
    ports = [f"--{name}-port=0" for name in ("prefect", "aws", "far-ends")]
    command = [sys.executable, "-m", "deployments.cli", "up", f"--folder={place.folder}", *ports]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FatalError(f"the stack did not start:\n{done.stdout}{done.stderr}")
        yield Stack(place)
    finally:
        place.end()
