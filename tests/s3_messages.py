"""S3's messages about one write, in each envelope, with the fields that AWS's own have."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

ETAG = "d41d8cd98f00b204e9800998ecf8427e"
SEQUENCER = "0055AED6DCD90281E5"
ENVELOPES = ("s3", "event-bridge", "s3-by-sns", "event-bridge-by-sns")


def record(key: str, /, *, event: str = "ObjectCreated:Put", **of_object: Any) -> dict[str, Any]:
    """A record of a direct notification (user guide, "Event message structure", version 2.1)."""
    written = {"key": quote_plus(key, safe="/"), "size": 1024, "eTag": ETAG, "sequencer": SEQUENCER}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-11-22T10:20:30.456Z",
        "eventName": event,
        "userIdentity": {"principalId": "AWS:AIDA"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads",
            "bucket": {
                "name": "uploads",
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": "arn:aws:s3:::uploads",
            },
            "object": {**written, **of_object},
        },
    }


def direct(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def bridged(key: str, /, *, kind: str = "Object Created", **of_object: Any) -> str:
    """An event (user guide, "EventBridge event message structure")."""
    written = {"key": key, "size": 1024, "etag": ETAG, "sequencer": SEQUENCER}
    event = {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2026-11-22T10:20:30Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:s3:::uploads"],
        "detail": {
            "version": "0",
            "bucket": {"name": "uploads"},
            "object": {**written, **of_object},
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "111122223333",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }
    return json.dumps(event)


def by_sns(body: str) -> str:
    """What SNS puts into a queue that is subscribed without raw delivery."""
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": "arn:aws:sns:eu-west-1:111122223333:uploads",
            "Subject": "Amazon S3 Notification",
            "Message": body,
            "Timestamp": "2026-11-22T10:20:31.000Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/cert.pem",
            "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
        }
    )


def enveloped(envelope: str, key: str, version: str | None = None) -> str:
    """The write of the key in one of ENVELOPES."""
    if envelope.startswith("s3"):
        body = direct(record(key, **({"versionId": version} if version else {})))
    else:
        body = bridged(key, **({"version-id": version} if version else {}))
    return by_sns(body) if envelope.endswith("by-sns") else body


TEST_EVENT = json.dumps(
    {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-11-22T10:20:30.456Z",
        "Bucket": "uploads",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    }
)
