from __future__ import annotations

import pytest

from deployments.doctor import listeners


def test_what_is_not_set_is_not_missed(aws):
    seen = [
        look(aws.clients, None) for look in (listeners.topic, listeners.bus, listeners.namespace)
    ]

    assert {(it.status, it.text) for it in seen} == {("ok", "none is set")}
    assert [it.advice for it in seen] == [
        "set PERSONALIZE_SNS_TOPIC to have messages of how runs end",
        "set PERSONALIZE_EVENT_BUS to have events of resources in AWS",
        "set PERSONALIZE_METRICS_NAMESPACE to have counts and metrics",
    ]


def test_a_topic_has_to_be_there_and_wants_subscribers(aws):
    sns = aws.clients("sns")
    arn = sns.create_topic(Name="films")["TopicArn"]
    unheard = listeners.topic(aws.clients, arn)
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:q")
    heard = listeners.topic(aws.clients, arn)

    assert (unheard.status, unheard.text) == (
        "ok",
        "films: nobody has subscribed, 0 still to confirm",
    )
    assert unheard.advice.startswith(f"run `aws sns subscribe --topic-arn {arn} ")
    assert (heard.status, heard.text, heard.advice) == ("ok", "films: 1 subscription(s)", "")


@pytest.mark.parametrize("arn", ["arn:aws:sns:us-east-1:123456789012:none", "films"])
def test_a_topic_that_is_missing_is_told(aws, arn: str):
    seen = listeners.topic(aws.clients, arn)

    assert (seen.status, seen.text) == ("bad", f"there is no topic {arn}")
    assert seen.advice == (
        "correct PERSONALIZE_SNS_TOPIC, or make it with deployments/aws/template.yaml"
    )


def test_a_bus_has_to_be_there(aws):
    arn = aws.clients("events").create_event_bus(Name="films")["EventBusArn"]
    missing = listeners.bus(aws.clients, "books")

    assert [listeners.bus(aws.clients, it).text for it in ("films", arn)] == ["films", "films"]
    assert (missing.status, missing.text) == ("bad", "there is no event bus books")
    assert missing.advice.startswith("correct PERSONALIZE_EVENT_BUS, or make it with ")


def test_a_namespace_is_made_by_its_first_metric(aws):
    before = listeners.namespace(aws.clients, "films")
    aws.clients("cloudwatch").put_metric_data(
        Namespace="films", MetricData=[{"MetricName": "JobSuccess", "Value": 1}]
    )
    after = listeners.namespace(aws.clients, "films")

    assert (before.status, after.status) == ("ok", "ok")
    assert before.text == "films has no metrics yet; the first run that ends makes them"
    assert after.text == "films has metrics"


@pytest.mark.parametrize("name", ["AWS/Personalize", ":films", "f" * 256])
def test_a_namespace_that_cloudwatch_refuses_is_told(aws, name: str):
    seen = listeners.namespace(aws.clients, name)

    assert (seen.status, seen.text) == (
        "bad",
        f"{name!r} is no namespace for metrics of one's own",
    )
    assert seen.advice.endswith("that begin neither with a colon nor with AWS/")
