"""Who hears what happens: an SNS topic, an EventBridge bus, a CloudWatch namespace."""

from __future__ import annotations

import re
from typing import Final

from botocore.exceptions import ClientError

from deployments.doctor.outcome import Seen, bad, good
from personalization.aws import NOT_THERE, Clients, error_code

_MAKE: Final = "or make it with deployments/aws/template.yaml"
_TOPIC: Final = re.compile(r"arn:[^:]+:sns:[^:]+:\d{12}:[^:]+")
# Source: botocore, sns 2010-03-31, GetTopicAttributes; the last is for the ARN of another region.
_NO_TOPIC: Final = NOT_THERE | {"InvalidParameter"}
# Source: botocore, cloudwatch 2010-08-01, shape `Namespace`, and PutMetricData's documentation.
_NAMESPACE: Final = re.compile(r"(?!AWS/)[^:].{0,254}")


def topic(clients: Clients, arn: str | None) -> Seen:
    """Look whether the topic exists, and somebody has subscribed to it."""
    if not arn:
        return good("none is set", "set PERSONALIZE_SNS_TOPIC to have messages of how runs end")
    nowhere = bad(f"there is no topic {arn}", f"correct PERSONALIZE_SNS_TOPIC, {_MAKE}")
    if not _TOPIC.fullmatch(arn):
        return nowhere
    sns = clients("sns")
    try:
        sns.get_topic_attributes(TopicArn=arn)
    except ClientError as error:
        if error_code(error) in _NO_TOPIC:
            return nowhere
        raise
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    arns = [it["SubscriptionArn"] for page in pages for it in page["Subscriptions"]]
    # The others say `PendingConfirmation` in its place.
    confirmed = sum(it.startswith("arn:") for it in arns)
    name = arn.rpartition(":")[2]
    if not confirmed:
        return good(
            f"{name}: nobody has subscribed, {len(arns)} still to confirm",
            f"run `aws sns subscribe --topic-arn {arn} --protocol email --notification-endpoint "
            "YOU`, and confirm what comes",
        )
    return good(f"{name}: {confirmed} subscription(s)")


def bus(clients: Clients, name: str | None) -> Seen:
    """Look whether the bus exists."""
    if not name:
        return good("none is set", "set PERSONALIZE_EVENT_BUS to have events of resources in AWS")
    try:
        found = clients("events").describe_event_bus(Name=name)
    except ClientError as error:
        if error_code(error) in NOT_THERE:
            return bad(f"there is no event bus {name}", f"correct PERSONALIZE_EVENT_BUS, {_MAKE}")
        raise
    return good(str(found["Name"]))


def namespace(clients: Clients, name: str | None) -> Seen:
    """Look whether the namespace may be used, and has been: the first metric makes it."""
    if not name:
        return good("none is set", "set PERSONALIZE_METRICS_NAMESPACE to have counts and metrics")
    if not _NAMESPACE.fullmatch(name):
        return bad(
            f"{name!r} is no namespace for metrics of one's own",
            "set PERSONALIZE_METRICS_NAMESPACE to up to 255 characters that begin neither with a "
            "colon nor with AWS/",
        )
    if clients("cloudwatch").list_metrics(Namespace=name)["Metrics"]:
        return good(f"{name} has metrics")
    return good(f"{name} has no metrics yet; the first run that ends makes them")
