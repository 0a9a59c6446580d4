"""Numbers in CloudWatch."""

from __future__ import annotations

import math

from personalization.resources.kinds import BATCH_SEGMENT_JOB, SOLUTION_VERSION
from personalization.telling import counted, created, measured, put_metrics

ARN = "arn:aws:personalize:us-east-1:123456789012:solution/by-genre"


def test_what_is_made_is_counted_under_the_name_of_awss_solution():
    assert created(SOLUTION_VERSION) == {
        "MetricName": "SolutionVersionCreated",
        "Dimensions": [{"Name": "service", "Value": "Workflow"}],
        "Unit": "Count",
        "Value": 1,
    }
    assert created(BATCH_SEGMENT_JOB)["MetricName"] == "BatchSegmentJobCreated"


def test_metrics_of_a_version_are_those_of_its_solution_and_only_numbers():
    data = measured(ARN, {"precision_at_5": 0.25, "coverage": 0.5, "odd": math.nan})

    assert [(it["MetricName"], it["Value"], it["Unit"]) for it in data] == [
        ("coverage", 0.5, "None"),
        ("precision_at_5", 0.25, "None"),
    ]
    assert data[0]["Dimensions"] == [
        {"Name": "service", "Value": "SolutionMetrics"},
        {"Name": "solutionArn", "Value": ARN},
    ]


def test_more_than_a_call_takes_goes_into_several(aws):
    cloudwatch = aws.clients("cloudwatch")

    put_metrics(cloudwatch, "films", [counted(f"m{it}") for it in range(1001)])

    pages = cloudwatch.get_paginator("list_metrics").paginate(Namespace="films")
    assert sum(len(page["Metrics"]) for page in pages) == 1001
