"""What a training run did, and how good the result is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from personalization.aws import aws_errors
from personalization.resources.actual import Found, newest_version
from personalization.resources.plan import Plan


@dataclass(frozen=True)
class TrainReport:
    """What `train` found, planned and did.

    arns     key of a resource (`solution/films`) → its ARN, for all that is ACTIVE now
    outputs  S3 URIs of the `.out` files of its batch jobs, of this run or kept from earlier ones
    metrics  rows of the metrics table: solution, metric, this version, previous version, change
    """

    plan: Plan
    arns: Mapping[str, str] = field(default_factory=dict)
    outputs: tuple[str, ...] = ()
    metrics: tuple[Mapping[str, Any], ...] = ()


def metrics_rows(personalize: Any, solution: str, version: Found) -> list[dict[str, Any]]:
    """Return the version's offline metrics beside those of the version before it.

    Rows: solution, metric, this version, previous version and change (both None for a first one).
    """
    now = _metrics(personalize, version.arn)
    solution_arn = str(version.description["solutionArn"])
    before = newest_version(personalize, solution_arn, other_than=version.arn)
    then = _metrics(personalize, before.arn) if before else {}
    return [
        {
            "solution": solution,
            "metric": name,
            "this version": value,
            "previous version": then.get(name),
            "change": value - then[name] if name in then else None,
        }
        for name, value in sorted(now.items())
    ]


def _metrics(personalize: Any, version_arn: str) -> dict[str, float]:
    with aws_errors(f"reading the metrics of {version_arn}"):
        answer = personalize.get_solution_metrics(solutionVersionArn=version_arn)
    return dict(answer["metrics"])
