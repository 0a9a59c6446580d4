"""The way of an upload: from the bucket to a queue that the relay reads, or to Prefect Cloud."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from deployments.doctor.outcome import Seen, bad, good, not_checked
from deployments.doctor.policies import listed
from personalization.aws import NO_QUEUE, Clients, error_code

_TEMPLATE: Final = "deployments/aws/template.yaml does it"
# So many uploads that nobody has taken mean that nobody takes them.
_MANY: Final = 100


@dataclass(frozen=True)
class Ways:
    """Where the bucket's uploads go.  ARNs.

    others  topics and functions, whose way on is not followed
    bridge  whether EventBridge is told
    rules   what EventBridge's rules for the bucket have as targets
    """

    queues: tuple[str, ...]
    others: tuple[str, ...]
    bridge: bool
    rules: tuple[str, ...]

    @property
    def queue(self) -> str | None:
        """The queue that the relay can read; None if there is none."""
        heard = (*self.queues, *(self.rules if self.bridge else ()))
        return next((it for it in heard if ":sqs:" in it), None)


def ways(clients: Clients, bucket: str) -> Ways:
    """Return where the bucket's uploads go."""
    told = clients("s3").get_bucket_notification_configuration(Bucket=bucket)
    bridge = "EventBridgeConfiguration" in told
    return Ways(
        queues=tuple(it["QueueArn"] for it in told.get("QueueConfigurations", ())),
        others=tuple(
            it["TopicArn" if "TopicArn" in it else "LambdaFunctionArn"]
            for kind in ("TopicConfigurations", "LambdaFunctionConfigurations")
            for it in told.get(kind, ())
        ),
        bridge=bridge,
        rules=tuple(_targets(clients("events"), bucket)),
    )


def notifications(found: Ways, bucket: str) -> Seen:
    """Say whether somebody hears of uploads."""
    if found.queues:
        return good(f"S3 tells {_names(found.queues)}")
    if found.bridge and found.rules:
        return good(f"S3 tells EventBridge, whose rule tells {_names(found.rules)}")
    if found.others:
        return good(f"S3 tells {_names(found.others)}", "see that it goes on to the relay's queue")
    if found.bridge:
        return bad(
            f"S3 tells EventBridge, but no rule takes what it says of {bucket}",
            f"add a rule for source aws.s3 and detail.bucket.name {bucket}; {_TEMPLATE}",
        )
    if found.rules:
        return bad(
            f"a rule waits for uploads to {bucket}, but S3 does not tell EventBridge",
            f"turn on EventBridge in the bucket's event notifications; {_TEMPLATE}",
        )
    return bad(f"nobody is told of uploads to {bucket}", f"tell EventBridge; {_TEMPLATE}")


def queue(clients: Clients, found: Ways) -> Seen:
    """Count what waits in the queue."""
    if not found.queue:
        return not_checked("uploads go to no queue that is known")
    attributes = _attributes(clients("sqs"), found.queue)
    name = found.queue.rpartition(":")[2]
    if attributes is None:
        return bad(f"there is no queue {name}", "make it, or tell another one of uploads")
    waiting = int(attributes["ApproximateNumberOfMessages"])
    in_hand = int(attributes["ApproximateNumberOfMessagesNotVisible"])
    seen = f"{name}: {waiting} waiting, {in_hand} in hand"
    if waiting >= _MANY:
        return bad(seen, f"run `personalize relay --queue {name}`; its log says what holds it up")
    if "RedrivePolicy" not in attributes:
        return bad(
            f"{seen}; messages that nobody understands come back for ever",
            f"give it a dead-letter queue; {_TEMPLATE}",
        )
    return good(seen)


def dead_letters(clients: Clients, found: Ways) -> Seen:
    """Count what could not be carried on."""
    attributes = _attributes(clients("sqs"), found.queue) if found.queue else None
    if not attributes or "RedrivePolicy" not in attributes:
        return not_checked("uploads go to no queue that has one")
    arn = json.loads(attributes["RedrivePolicy"])["deadLetterTargetArn"]
    name = arn.rpartition(":")[2]
    dead = _attributes(clients("sqs"), arn)
    if dead is None:
        return bad(f"there is no queue {name}", f"make it, or name another one; {_TEMPLATE}")
    number = int(dead["ApproximateNumberOfMessages"])
    if number:
        return bad(
            f"{name}: {number} message(s)",
            "read them, mend the cause, and start a redrive in the SQS console",
        )
    return good(f"{name}: empty")


def _attributes(sqs: Any, arn: str) -> dict[str, str] | None:
    _, _, _, _, account, name = arn.split(":", 5)
    try:
        url = sqs.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    except ClientError as error:
        if error_code(error) in NO_QUEUE:
            return None
        raise
    attributes: dict[str, str] = answer["Attributes"]
    return attributes


def _targets(events: Any, bucket: str) -> Iterable[str]:
    """Yield the targets of the rules that take uploads to the bucket."""
    for page in events.get_paginator("list_rules").paginate():
        for rule in page["Rules"]:
            pattern = json.loads(rule.get("EventPattern") or "{}")
            if rule.get("State") == "DISABLED" or not _takes(pattern, bucket):
                continue
            for it in events.list_targets_by_rule(Rule=rule["Name"])["Targets"]:
                yield str(it["Arn"])


def _takes(pattern: Mapping[str, Any], bucket: str) -> bool:
    names = pattern.get("detail", {}).get("bucket", {}).get("name", [bucket])
    return "aws.s3" in listed(pattern.get("source", [])) and bucket in names


def _names(arns: Iterable[str]) -> str:
    return ", ".join(it.rpartition(":")[2] for it in arns)
