"""The SQS queue that S3's messages come by, and the queue for those that nobody can read."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from deployments.relay.logs import facts
from personalization.aws import NO_QUEUE, aws_errors, error_code
from personalization.errors import ConfigError, shortened

log = logging.getLogger(__name__)

# Messages of one request.  Source: botocore, sqs 2012-11-05, ReceiveMessage and the batch requests.
AT_ONCE: Final = 10


@dataclass(frozen=True)
class Message:
    """A message in hand: nobody else gets it until its visibility timeout is over."""

    id: str
    body: str
    handle: str
    receives: int


class Queue:
    """Gives messages and takes them back.

    name          a queue's name, URL or ARN
    visibility_s  seconds for which messages in hand, or kept in hand, are hidden from others
    wait_s        seconds that a request waits for messages: few enough to end soon after being
                  asked to, many enough to stay within SQS's free million requests a month
    """

    def __init__(self, sqs: Any, name: str, visibility_s: int, *, wait_s: int = 5) -> None:
        self._sqs = sqs
        self._wait_s = wait_s
        self.visibility_s = visibility_s
        self.url = _url(sqs, name)
        if self.url.endswith(".fifo"):
            raise ConfigError(
                f"{self.url} is a FIFO queue, which S3 cannot notify; name a standard queue"
            )

    def receive(self, *, patiently: bool = True) -> list[Message]:
        """Return up to ten messages; if there are none, wait for them."""
        with aws_errors(f"receiving messages of {self.url}"):
            answer = self._sqs.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=AT_ONCE,
                WaitTimeSeconds=self._wait_s if patiently else 0,
                VisibilityTimeout=self.visibility_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(
                it["MessageId"],
                it["Body"],
                it["ReceiptHandle"],
                int(it.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
            )
            for it in answer.get("Messages", [])
        ]

    def delete(self, messages: Sequence[Message]) -> None:
        """Remove them for good.  One that cannot be removed will come again, and is logged."""
        entries = [{"Id": str(n), "ReceiptHandle": it.handle} for n, it in enumerate(messages)]
        with aws_errors(f"deleting messages of {self.url}"):
            answer = self._sqs.delete_message_batch(QueueUrl=self.url, Entries=entries)
        self._log_failed("a message could not be deleted and will come again", messages, answer)

    def keep(self, messages: Sequence[Message]) -> None:
        """Keep them in hand for another visibility timeout."""
        self._hide(messages, self.visibility_s)

    def give_back(self, messages: Sequence[Message], after_s: int = 0) -> None:
        """Let others, or us, receive them again after so many seconds."""
        self._hide(messages, after_s)

    def dead_letters(self) -> str | None:
        """Return the URL of the queue's dead-letter queue, None if it has none."""
        with aws_errors(f"asking for the redrive policy of {self.url}"):
            answer = self._sqs.get_queue_attributes(
                QueueUrl=self.url, AttributeNames=["RedrivePolicy"]
            )
        policy = json.loads(answer.get("Attributes", {}).get("RedrivePolicy") or "{}")
        target = policy.get("deadLetterTargetArn")
        return _url(self._sqs, target) if target else None

    def set_aside(self, message: Message, dead_letters: str, why: str) -> None:
        """Move the message to the dead-letter queue, with the reason; twice if killed midway."""
        said = {"refused-because": why, "refused-by": "personalize relay", "refused-id": message.id}
        with aws_errors(f"sending message {message.id} to {dead_letters}"):
            self._sqs.send_message(
                QueueUrl=dead_letters,
                MessageBody=message.body,
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": _sendable(text)}
                    for name, text in said.items()
                },
            )
        self.delete([message])

    def _hide(self, messages: Sequence[Message], seconds: int) -> None:
        entries = [
            {"Id": str(n), "ReceiptHandle": it.handle, "VisibilityTimeout": seconds}
            for n, it in enumerate(messages)
        ]
        with aws_errors(f"changing the visibility of messages of {self.url}"):
            answer = self._sqs.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
        # Harmless: it is visible already, and comes again at once rather than later.
        self._log_failed("a message could not be kept hidden", messages, answer)

    def _log_failed(self, said: str, messages: Sequence[Message], answer: Any) -> None:
        for it in answer.get("Failed", ()):
            why = shortened(f"{it.get('Code')}: {it.get('Message', '')}")
            log.warning(said, extra=facts(message=messages[int(it["Id"])].id, why=why))


def _url(sqs: Any, name: str) -> str:
    """Return the URL of the queue of that URL, name or ARN.  Raises ConfigError if it is not."""
    with aws_errors(f"asking for the queue {name}"):
        try:
            if name.startswith(("https://", "http://")):
                sqs.get_queue_attributes(QueueUrl=name, AttributeNames=["QueueArn"])
                return name
            *_, account, last = ["", *name.split(":")]
            owner = {"QueueOwnerAWSAccountId": account} if account else {}
            url: str = sqs.get_queue_url(QueueName=last, **owner)["QueueUrl"]
            return url
        except ClientError as error:
            if error_code(error) not in NO_QUEUE:
                raise
            raise ConfigError(
                f"there is no queue {name!r} in {sqs.meta.region_name}; name it by its name, URL "
                "or ARN, and set AWS_DEFAULT_REGION to where it is"
            ) from error


def _sendable(text: str) -> str:
    """Return the text without characters that SQS takes for no text (control characters)."""
    return "".join(it if it.isprintable() else "\N{REPLACEMENT CHARACTER}" for it in text)
