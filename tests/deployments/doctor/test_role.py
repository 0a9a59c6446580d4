from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.doctor import role
from deployments.doctor.outcome import examined
from personalization.local.server import LocalAws


def made(aws: LocalAws, service: str, condition: dict[str, Any] | None = None) -> str:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    if condition:
        statement["Condition"] = condition
    document = {"Version": "2012-10-17", "Statement": [statement]}
    answer = aws.clients("iam").create_role(
        RoleName="films", AssumeRolePolicyDocument=json.dumps(document)
    )
    return str(answer["Role"]["Arn"])


def test_a_role_that_only_personalize_may_assume_for_this_account_is_fine(aws):
    condition = {"StringEquals": {"aws:SourceAccount": "123456789012"}}
    arn = made(aws, "personalize.amazonaws.com", condition)

    seen = role.trust(aws.clients, arn)

    assert (seen.status, seen.advice) == ("ok", "")
    assert seen.text == "films, which personalize.amazonaws.com may assume"


def test_a_role_that_may_be_assumed_for_anybody_works_and_is_told(aws):
    seen = role.trust(aws.clients, made(aws, "personalize.amazonaws.com"))

    assert seen.status == "ok"
    assert seen.text.endswith("may assume on behalf of anybody")
    assert seen.advice == "add aws:SourceAccount to the conditions of its trust policy"


def test_a_role_for_another_service_is_not_personalizes(aws):
    seen = role.trust(aws.clients, made(aws, "lambda.amazonaws.com"))

    assert seen.status == "bad"
    assert seen.text == "films does not let personalize.amazonaws.com assume it"
    assert seen.advice == (
        "allow sts:AssumeRole to the service personalize.amazonaws.com in its trust policy"
    )


@pytest.mark.parametrize(
    ("arn", "text"),
    [
        (None, "no role is set"),
        ("arn:aws:iam::123456789012:role/none", "there is no role none"),
    ],
    ids=["not-set", "not-there"],
)
def test_a_role_that_is_missing_can_be_made_with_the_template(aws, arn: str | None, text: str):
    seen = role.trust(aws.clients, arn)

    assert (seen.status, seen.text) == ("bad", text)
    assert seen.advice == (
        "set PERSONALIZE_ROLE_ARN to the output PersonalizeRoleArn of "
        "deployments/aws/template.yaml, or pass role_arn"
    )


def test_a_role_of_another_account_is_not_mistaken_for_ours(aws):
    made(aws, "personalize.amazonaws.com")

    seen = role.trust(aws.clients, "arn:aws:iam::999999999999:role/films")

    assert seen.status == "bad"
    assert "is not in this account" in seen.text


class Iam:
    """Simulates policies, which moto does not: everything is allowed but what is named."""

    def __init__(self, *denied: str) -> None:
        self._denied = denied

    def simulate_principal_policy(self, **request: Any) -> dict[str, Any]:
        decisions = [
            (name, "implicitDeny" if name in self._denied else "allowed")
            for name in request["ActionNames"]
        ]
        return {
            "EvaluationResults": [{"EvalActionName": n, "EvalDecision": d} for n, d in decisions]
        }


ARN = "arn:aws:iam::123456789012:role/films"


def test_what_the_role_may_not_do_is_named():
    seen = role.access(lambda _: Iam("s3:PutObject"), ARN, "films")

    assert seen.status == "bad"
    assert seen.text == "it may not s3:PutObject on arn:aws:s3:::films/batch/films/by-genre/output"
    assert seen.advice == "allow it in the role's policy"


def test_a_role_that_may_read_and_write_is_fine():
    seen = role.access(lambda _: Iam(), ARN, "films")

    assert seen.status == "ok"
    assert seen.text == "it may read films/train/ and read and write films/batch/"


def test_where_policies_cannot_be_simulated_nobody_knows(aws):
    seen = examined("role's policies", lambda: role.access(aws.clients, ARN, "films"))

    assert seen.status == "unknown"
    assert seen.text == "not checked: what answered is not AWS, or does not know this question"


@pytest.mark.parametrize(
    ("arn", "bucket", "text"),
    [(None, "films", "no role is set"), (ARN, None, "no bucket is named")],
    ids=["role", "bucket"],
)
def test_without_a_role_or_a_bucket_there_is_nothing_to_simulate(arn, bucket, text: str):
    assert role.access(lambda _: Iam(), arn, bucket).text == f"not checked: {text}"
