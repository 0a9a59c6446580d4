from __future__ import annotations

from typing import Any

import pytest

from blocks.settings import Settings
from deployments.doctor import identity
from deployments.doctor.outcome import Seen, examined

ACCOUNT = "123456789012"
KNOWN = Settings(
    sns_topic=f"arn:aws:sns:us-east-1:{ACCOUNT}:films",
    event_bus="films",
    metrics_namespace="films",
)
NOTHING = Settings(sns_topic=None, event_bus=None, metrics_namespace=None)


class Aws:
    """STS and IAM; simulates policies, which moto does not: all is allowed but what is named."""

    meta = type("Meta", (), {"region_name": "us-east-1"})

    def __init__(self, arn: str, *denied: str) -> None:
        self._arn, self._denied = arn, denied
        self.asked: list[dict[str, Any]] = []

    def __call__(self, _service: str) -> Aws:
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": self._arn}

    def get_role(self, **named: str) -> dict[str, Any]:
        return {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/path/{named['RoleName']}"}}

    def simulate_principal_policy(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        decisions = [
            (name, "implicitDeny" if name in self._denied else "allowed")
            for name in request["ActionNames"]
        ]
        return {
            "EvaluationResults": [{"EvalActionName": n, "EvalDecision": d} for n, d in decisions]
        }


def leave(arn: str, *denied: str, known: Settings = KNOWN) -> tuple[Seen, list[dict[str, Any]]]:
    far = Aws(f"arn:aws:{arn}", *denied)
    return identity.leave(far, "films", known), far.asked


def test_all_that_a_run_writes_and_tells_is_asked_for_and_nothing_is_written():
    seen, asked = leave(f"sts::{ACCOUNT}:assumed-role/worker/session")

    assert (seen.status, seen.text) == (
        "ok",
        "worker may write claims/, tell SNS, tell EventBridge, tell CloudWatch",
    )
    assert {it["PolicySourceArn"] for it in asked} == {f"arn:aws:iam::{ACCOUNT}:role/path/worker"}
    assert [(it["ActionNames"], it["ResourceArns"]) for it in asked] == [
        (["s3:GetObject", "s3:PutObject"], ["arn:aws:s3:::films/claims/train/0.json"]),
        (["sns:Publish"], [KNOWN.sns_topic]),
        (["events:PutEvents"], [f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/films"]),
        (["cloudwatch:PutMetricData"], ["*"]),
    ]
    assert asked[3]["ContextEntries"] == [
        {
            "ContextKeyName": "cloudwatch:namespace",
            "ContextKeyValues": ["films"],
            "ContextKeyType": "string",
        }
    ]


def test_who_may_not_write_claims_can_start_nothing():
    seen, asked = leave(f"iam::{ACCOUNT}:user/path/ana", "s3:PutObject", known=NOTHING)

    assert seen.status == "bad"
    assert seen.text == ("path/ana may not s3:PutObject on arn:aws:s3:::films/claims/train/0.json")
    assert seen.advice.startswith("allow it in its policies, as WorkerPolicy in ")
    assert seen.advice.endswith("where flows run as somebody else, ask as they")
    assert [it["PolicySourceArn"] for it in asked] == [f"arn:aws:iam::{ACCOUNT}:user/path/ana"]


@pytest.mark.parametrize(
    ("arn", "status", "text"),
    [
        (f"iam::{ACCOUNT}:root", "ok", "the account's root user may do everything"),
        (
            f"sts::{ACCOUNT}:federated-user/ana",
            "unknown",
            f"not checked: IAM knows no policies of arn:aws:sts::{ACCOUNT}:federated-user/ana",
        ),
    ],
    ids=["root", "federated"],
)
def test_who_has_no_policies_is_not_simulated(arn: str, status: str, text: str):
    seen, asked = leave(arn)

    assert (seen.status, seen.text, asked) == (status, text, [])


def test_where_policies_cannot_be_simulated_nobody_knows(aws):
    aws.clients("s3").create_bucket(Bucket="films")
    seen = examined("our policies", lambda: identity.leave(aws.clients, "films", NOTHING))

    assert seen.status == "unknown"
    assert "Contents" not in aws.clients("s3").list_objects_v2(Bucket="films")
