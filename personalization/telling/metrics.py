"""Numbers for CloudWatch, under the names of AWS's solution.

Dimension `service`  Workflow: what was asked for, done and made; Scheduler: JobsCreated,
                     JobsDeleted; SolutionMetrics, with `solutionArn`: offline metrics of versions
The version is no dimension: every version would be a dozen metrics to pay for, and a graph shows
how a solution gets better or worse only if its versions are one line.

Source: AWS solution SO0170 (names); botocore, cloudwatch 2010-08-01, PutMetricData (limits).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from personalization.aws import aws_errors
from personalization.resources.kinds import Kind

MOST_METRICS: Final = 1000
WORKFLOW: Final = "Workflow"
SCHEDULER: Final = "Scheduler"
SOLUTION_METRICS: Final = "SolutionMetrics"

Datum = dict[str, Any]


def counted(name: str, value: int = 1, *, service: str = WORKFLOW) -> Datum:
    """Return that something happened `value` times."""
    return {
        "MetricName": name,
        "Dimensions": [{"Name": "service", "Value": service}],
        "Unit": "Count",
        "Value": value,
    }


def created(kind: Kind) -> Datum:
    """Return that a resource of the kind was made: `SolutionVersionCreated`."""
    return counted(f"{kind.title.replace(' ', '')}Created")


def measured(solution_arn: str, metrics: Mapping[str, float]) -> list[Datum]:
    """Return a version's offline metrics.  What is not a finite number CloudWatch does not take."""
    dimensions = [
        {"Name": "service", "Value": SOLUTION_METRICS},
        {"Name": "solutionArn", "Value": solution_arn},
    ]
    return [
        {"MetricName": name, "Dimensions": dimensions, "Unit": "None", "Value": value}
        for name, value in sorted(metrics.items())
        if math.isfinite(value)
    ]


def put_metrics(cloudwatch: Any, namespace: str, data: Sequence[Datum]) -> None:
    """Put the data into the namespace, as many calls as it takes."""
    with aws_errors(f"putting metrics into {namespace}"):
        for start in range(0, len(data), MOST_METRICS):
            cloudwatch.put_metric_data(
                Namespace=namespace, MetricData=data[start : start + MOST_METRICS]
            )
