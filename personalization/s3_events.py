"""What S3 says when an object was written, in every envelope it comes in, as one Prefect event.

S3 notifies a queue directly or through EventBridge, and either may come by way of SNS, which wraps
it unless the subscription asks for raw delivery.
Source: Amazon S3 user guide, "Event message structure" and "EventBridge event message structure";
Amazon SNS developer guide, "Message and JSON formats".
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote_plus
from uuid import NAMESPACE_URL, UUID, uuid5

import orjson

from personalization.errors import ConfigError, shortened

EVENT: Final = "aws.s3.object.created"
# The ending of the reports we write beside an upload.  They must not look like another upload.
REPORT: Final = ".errors.json"

_NAMESPACE: Final = uuid5(NAMESPACE_URL, EVENT)
_ONLY_S3: Final = "this queue is for S3's own messages: send others to another queue"
_RULE: Final = 'give the rule the pattern {"source": ["aws.s3"], "detail-type": ["Object Created"]}'


@dataclass(frozen=True)
class ObjectCreated:
    """One version of an object that was written.

    key         as it is in S3, without any encoding
    size        bytes
    etag        without the quotes that HTTP puts around it
    version_id  None where the bucket keeps no versions
    sequencer   S3's own order of the writes of one key, where S3 says it
    occurred    when S3 was done with it, UTC
    """

    bucket: str
    key: str
    size: int
    etag: str
    version_id: str | None
    sequencer: str | None
    occurred: dt.datetime

    @property
    def id(self) -> UUID:
        """The same for each message about this write, however often and in whatever envelope."""
        write = self.sequencer or self.occurred.isoformat(timespec="seconds")
        parts = [self.bucket, self.key, self.version_id, self.etag, write]
        return uuid5(_NAMESPACE, json.dumps(parts))

    def event(self) -> dict[str, Any]:
        """Return the JSON body of the Prefect event, as `POST /api/events` takes it in a list.

        `deployments/aws/webhook.jinja` says the same to Prefect Cloud.  Every payload key is always
        there: a trigger whose template meets a missing one starts nothing and tells nobody.
        """
        folder, _, name = self.key.rpartition("/")
        return {
            "id": str(self.id),
            "event": EVENT,
            "occurred": self.occurred.isoformat(),
            "resource": {
                "prefect.resource.id": f"aws.s3.object.{self.bucket}/{self.key}",
                "prefect.resource.name": self.key,
                "aws.s3.bucket": self.bucket,
                "aws.s3.folder": folder,
                "aws.s3.basename": name,
                "aws.s3.suffix": _suffix(name),
            },
            "related": [
                {
                    "prefect.resource.id": f"aws.s3.bucket.{self.bucket}",
                    "prefect.resource.role": "bucket",
                }
            ],
            "payload": {
                "bucket": self.bucket,
                "key": self.key,
                "size": self.size,
                "etag": self.etag,
                "version_id": self.version_id,
            },
        }


def read(body: str) -> tuple[ObjectCreated, ...]:
    """Return the writes that a message of the queue tells of: none, one, or several.

    S3's test message and what is not about a write (a deletion, a restored object) give none.
    Raises ConfigError for everything that is not S3's, and for what misses a field.
    """
    message = _object(body, "the message")
    kind = message.get("Type")
    if kind == "Notification":
        message = _object(_at(message, "Message", str, "SNS notification"), "SNS's Message")
    elif kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        raise ConfigError(
            f"the message is SNS's {kind}, not a notification; open its SubscribeURL to confirm "
            "that this queue is subscribed"
        )
    if message.get("Event") == "s3:TestEvent":
        return ()
    if "Records" in message:
        records = _at(message, "Records", list, "S3 notification")
        return tuple(_from_record(it) for it in records if _tells_of_a_write(it))
    if "detail-type" in message:
        return _from_event_bridge(message)
    raise ConfigError(
        "the message is neither a notification of S3 nor an EventBridge event without a "
        f"transformed input: {shortened(body)}; {_ONLY_S3}"
    )


def _tells_of_a_write(record: Any) -> bool:
    source = record.get("eventSource") if isinstance(record, Mapping) else type(record).__name__
    if source != "aws:s3":
        raise ConfigError(f"the message holds a record of {shortened(source)!r}; {_ONLY_S3}")
    name: str = _at(record, "eventName", str, "S3 notification")
    return name.startswith("ObjectCreated:")


def _from_record(record: Mapping[str, Any]) -> ObjectCreated:
    what = "S3 notification"
    encoded = _at(record, "s3.object.key", str, what)
    try:
        key = unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"the S3 notification's key {shortened(encoded)!r} is no URL-encoded UTF-8; {_ONLY_S3}"
        ) from error
    written = _at(record, "s3.object", dict, what)
    return ObjectCreated(
        bucket=_at(record, "s3.bucket.name", str, what),
        key=key,
        size=_at(record, "s3.object.size", int, what),
        etag=_at(record, "s3.object.eTag", str, what).strip('"'),
        version_id=_version(_text(written, "versionId", what)),
        sequencer=_text(written, "sequencer", what),
        occurred=_moment(_at(record, "eventTime", str, what)),
    )


def _from_event_bridge(message: Mapping[str, Any]) -> tuple[ObjectCreated, ...]:
    what = "EventBridge event"
    if (source := _at(message, "source", str, what)) != "aws.s3":
        raise ConfigError(
            f"the message is an EventBridge event of {shortened(source)!r}, not of aws.s3; {_RULE}"
        )
    if message["detail-type"] != "Object Created":
        return ()
    written = _at(message, "detail.object", dict, what)
    # The local AWS (moto 5.2) spells the field as S3's direct notifications do.
    etag = "detail.object.eTag" if "eTag" in written else "detail.object.etag"
    return (
        ObjectCreated(
            bucket=_at(message, "detail.bucket.name", str, what),
            key=_at(message, "detail.object.key", str, what),
            size=_at(message, "detail.object.size", int, what),
            etag=_at(message, etag, str, what).strip('"'),
            version_id=_version(_text(written, "version-id", what)),
            sequencer=_text(written, "sequencer", what),
            occurred=_moment(_at(message, "time", str, what)),
        ),
    )


def _object(text: str, what: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ConfigError(
            f"{what} is not JSON ({error}): {shortened(text)!r}; {_ONLY_S3}"
        ) from error
    if not isinstance(found, Mapping):
        raise ConfigError(f"{what} is no JSON object: {shortened(text)!r}; {_ONLY_S3}")
    return found


def _at(message: Mapping[str, Any], path: str, kind: type[Any], what: str) -> Any:
    """Return what stands at the dotted path, which must be of that kind and not be empty."""
    found: Any = message
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    if type(found) is not kind or found == "":
        said = "is missing" if found is None else f"is {shortened(repr(found))}"
        raise ConfigError(f"in the {what}, {path} {said}; {_ONLY_S3}")
    return found


def _text(message: Mapping[str, Any], name: str, what: str) -> str | None:
    """Return the text under the name, None where there is none."""
    return _at(message, name, str, what) if message.get(name) else None


def _version(said: str | None) -> str | None:
    """S3 calls the version of an object in a bucket without versions "null"."""
    return None if said == "null" else said


def _moment(text: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or dt.UTC).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{shortened(text)!r} is not a moment in time; {_ONLY_S3}") from error


def _suffix(name: str) -> str:
    if name.endswith(REPORT):
        return REPORT
    return f".{name.rpartition('.')[2]}" if "." in name else ""
