from __future__ import annotations

import json
from typing import Any

import pytest

from deployments.doctor import bucket
from deployments.doctor.policies import allows
from personalization.local.server import LocalAws

SERVICE = "personalize.amazonaws.com"


@pytest.fixture
def films(aws: LocalAws) -> str:
    aws.clients("s3").create_bucket(Bucket="films")
    return "films"


def test_a_bucket_where_personalize_is_is_fine(aws, films):
    seen = bucket.place(aws.clients, films)

    assert (seen.status, seen.text) == ("ok", "films, in us-east-1")


def test_no_bucket_is_no_secret(aws):
    seen = bucket.place(aws.clients, None)

    assert (seen.status, seen.text) == ("bad", "no bucket is named")
    assert seen.advice == "set PERSONALIZE_BUCKET, or pass --bucket"


def test_a_bucket_that_is_missing_can_be_made_with_the_template(aws):
    seen = bucket.place(aws.clients, "films")

    assert (seen.status, seen.text) == ("bad", "there is no bucket films")
    assert seen.advice.endswith("or make it with deployments/aws/template.yaml")


def test_a_bucket_in_another_region_is_none_for_personalize(aws):
    aws.clients("s3").create_bucket(
        Bucket="filme", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )

    seen = bucket.place(aws.clients, "filme")

    assert seen.status == "bad"
    assert seen.text == "filme is in eu-central-1, Personalize is asked in us-east-1"
    assert "set AWS_DEFAULT_REGION=eu-central-1" in seen.advice


def test_versions_are_asked_for(aws, films):
    before = bucket.versioning(aws.clients, films)
    aws.clients("s3").put_bucket_versioning(
        Bucket=films, VersioningConfiguration={"Status": "Enabled"}
    )
    after = bucket.versioning(aws.clients, films)

    assert (before.status, after.status) == ("bad", "ok")
    assert before.text.startswith("an upload that is overwritten is gone")
    assert "put-bucket-versioning --bucket films" in before.advice


def policy(*actions: str, **more: Any) -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": SERVICE},
        "Action": list(actions),
        "Resource": ["arn:aws:s3:::films", "arn:aws:s3:::films/*"],
    }
    return {"Version": "2012-10-17", "Statement": [{**statement, **more}]}


def test_without_a_policy_personalize_is_not_let_in(aws, films):
    seen = bucket.policy(aws.clients, films)

    assert seen.status == "bad"
    assert seen.text == f"films has no policy, so {SERVICE} may not read it"


@pytest.mark.parametrize(
    ("actions", "text"),
    [
        (("s3:*",), f"{SERVICE} may list, read train/ and write batch/"),
        (("s3:GetObject", "s3:ListBucket"), f"{SERVICE} may not s3:PutObject"),
    ],
    ids=["all", "read-only"],
)
def test_the_policy_has_to_let_personalize_read_and_write(aws, films, actions, text: str):
    aws.clients("s3").put_bucket_policy(Bucket=films, Policy=json.dumps(policy(*actions)))

    assert bucket.policy(aws.clients, films).text == text


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({}, True, id="by-name"),
        pytest.param({"Principal": "*"}, True, id="everybody"),
        pytest.param({"Principal": {"Service": [SERVICE, "x.test"]}}, True, id="among-others"),
        pytest.param({"Principal": {"Service": "x.test"}}, False, id="somebody-else"),
        pytest.param({"Action": "S3:get*"}, True, id="pattern"),
        pytest.param({"Resource": "arn:aws:s3:::films/batch/*"}, False, id="another-folder"),
        pytest.param({"Effect": "Deny"}, False, id="denied"),
    ],
)
def test_policies_are_read_as_iam_does(change: dict[str, Any], expected: bool):
    found = policy("s3:GetObject", **change)

    assert allows(found, SERVICE, "s3:GetObject", "arn:aws:s3:::films/train/a.csv") is expected


def test_what_is_denied_without_condition_is_denied_whoever_allows_it():
    allow, deny = policy("s3:*"), policy("s3:*", Effect="Deny", Principal="*")
    only_without_tls = {"Bool": {"aws:SecureTransport": "false"}}
    denied = {"Statement": [*allow["Statement"], *deny["Statement"]]}
    guarded = {
        "Statement": [*allow["Statement"], {**deny["Statement"][0], "Condition": only_without_tls}]
    }

    assert not allows(denied, SERVICE, "s3:GetObject", "arn:aws:s3:::films/a")
    assert allows(guarded, SERVICE, "s3:GetObject", "arn:aws:s3:::films/a")
