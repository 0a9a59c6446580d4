"""The template is sound, and says what it must about safety."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployments.relay.health import Health, answering
from tests.deployments.aws.cloudformation import ALL_BUT_CLOUD, CLOUD, TEMPLATE, chosen, template


def test_the_linter_has_nothing_to_say():
    command = [Path(sys.executable).with_name("cfn-lint"), "--include-checks", "I", "-t", TEMPLATE]
    lint = subprocess.run(command, capture_output=True, text=True, check=False)

    assert lint.stdout == ""
    assert lint.returncode == 0


def test_everything_a_person_meets_is_described():
    whole = template()
    groups = whole["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]

    assert sorted(grouped) == sorted(whole["Parameters"])
    for section in ("Parameters", "Outputs"):
        undescribed = [k for k, it in whole[section].items() if not it.get("Description")]
        assert undescribed == []


def test_nothing_but_the_stack_itself_is_made_unless_asked_for():
    kinds = {it["Type"].split("::")[1] for it in chosen({})["Resources"].values()}

    assert kinds == {"S3", "SQS", "Events", "SNS", "IAM"}


@pytest.mark.parametrize("bucket", ["Bucket", "LogBucket"])
def test_buckets_are_encrypted_versioned_and_closed(bucket: str):
    resources = chosen(ALL_BUT_CLOUD)["Resources"]
    properties = resources[bucket]["Properties"]

    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert properties["OwnershipControls"] == {
        "Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]
    }
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert resources[bucket]["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        pytest.param({}, {"SSEAlgorithm": "AES256"}, id="amazons-key"),
        pytest.param(
            ALL_BUT_CLOUD,
            {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": {"Ref": "KmsKeyArn"}},
            id="own-key",
        ),
    ],
)
def test_the_bucket_takes_the_key_that_is_given(parameters: dict[str, str], expected: Any):
    properties = chosen(parameters)["Resources"]["Bucket"]["Properties"]
    rule = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]

    assert rule["ServerSideEncryptionByDefault"] == expected


@pytest.mark.parametrize(
    "policy", ["BucketPolicy", "LogBucketPolicy", "UploadsPolicy", "DeadLettersPolicy"]
)
def test_buckets_and_queues_refuse_what_is_not_encrypted_on_the_way(policy: str):
    statements = chosen(ALL_BUT_CLOUD)["Resources"][policy]["Properties"]["PolicyDocument"][
        "Statement"
    ]
    refusal = next(it for it in statements if it["Effect"] == "Deny")

    assert refusal["Principal"] == "*"
    assert refusal["Action"] in ("s3:*", "sqs:*")
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_claims_are_never_forgotten():
    rules = chosen({})["Resources"]["Bucket"]["Properties"]["LifecycleConfiguration"]["Rules"]

    assert not any("ExpirationInDays" in rule for rule in rules)
    assert {rule["Id"] for rule in rules} == {
        "unfinished-uploads",
        "old-versions",
        "old-versions-of-claims",
    }


@pytest.mark.parametrize(
    "parameters", [pytest.param(ALL_BUT_CLOUD, id="relay"), pytest.param(CLOUD, id="cloud")]
)
def test_services_are_let_in_only_on_behalf_of_this_account(parameters: dict[str, str]):
    open_doors = []
    for name, resource in chosen(parameters)["Resources"].items():
        properties = resource.get("Properties", {})
        documents = (properties.get(k) for k in ("AssumeRolePolicyDocument", "PolicyDocument"))
        for statement in (it for each in documents if each for it in each["Statement"]):
            guard = {key for test in statement.get("Condition", {}).values() for key in test}
            if "Service" in (statement.get("Principal") or ()) and not guard & {
                "aws:SourceAccount",
                "aws:SourceArn",
            }:
                open_doors.append(name)

    assert open_doors == []


def test_personalize_reads_data_and_job_files_and_writes_output_only():
    role = chosen({})["Resources"]["PersonalizeRole"]["Properties"]
    (policy,) = role["Policies"]
    below = [{"Fn::Sub": f"${{Bucket.Arn}}/{folder}/*"} for folder in ("train", "batch")]

    assert {
        (it["Sid"], it["Action"]): it["Resource"] for it in policy["PolicyDocument"]["Statement"]
    } == {
        ("List", "s3:ListBucket"): {"Fn::GetAtt": ["Bucket", "Arn"]},
        ("Read", "s3:GetObject"): below,
        ("Write", "s3:PutObject"): below[1],
    }


def test_prefect_cloud_takes_the_place_of_queue_and_relay():
    resources = chosen({**ALL_BUT_CLOUD, **CLOUD})["Resources"]
    (target,) = resources["UploadsRule"]["Properties"]["Targets"]

    assert target["Arn"] == {"Fn::GetAtt": ["WebhookDestination", "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": ["DeadLetters", "Arn"]}}
    assert "InputTransformer" not in target
    assert {"Uploads", "RelayRole", "RelayService"}.isdisjoint(resources)
    assert "WorkerService" in resources


def test_the_api_key_is_only_ever_a_reference_to_a_secret():
    resources = chosen({**ALL_BUT_CLOUD, **CLOUD})["Resources"]
    connection = resources["WebhookConnection"]["Properties"]["AuthParameters"]
    container = resources["WorkerTask"]["Properties"]["ContainerDefinitions"][0]

    assert connection["ApiKeyAuthParameters"] == {
        "ApiKeyName": "Authorization",
        "ApiKeyValue": {"Fn::Sub": "Bearer {{resolve:secretsmanager:${PrefectApiKeySecretArn}}}"},
    }
    assert container["Secrets"] == [
        {"Name": "PREFECT_API_KEY", "ValueFrom": {"Ref": "PrefectApiKeySecretArn"}}
    ]
    assert "PREFECT_API_KEY" not in {it["Name"] for it in container["Environment"]}


def test_who_deploys_to_fargate_is_told_where_the_image_has_the_code():
    said = template()["Parameters"]["WorkerImage"]["Description"]
    image = (TEMPLATE.parents[1] / "Dockerfile").read_text()

    [home] = re.findall(r"^WORKDIR (\S+)$", image, re.MULTILINE)
    assert f"PERSONALIZE_HOME={home} and PERSONALIZE_PYTHON=python" in said


@pytest.mark.parametrize(("trouble", "after_s", "status"), [("Prefect is away", 0, 0), ("", 61, 1)])
def test_a_relay_is_replaced_when_it_is_stuck_and_not_while_it_waits(trouble, after_s, status):
    now = [0.0]
    health = Health("q", "p", alive_s=60, clock=lambda: now[0])
    health.happened("poll")
    health.trouble = trouble
    now[0] = after_s
    container = chosen(ALL_BUT_CLOUD)["Resources"]["RelayTask"]["Properties"]
    how, *command = container["ContainerDefinitions"][0]["HealthCheck"]["Command"]
    with answering(health.page, "127.0.0.1", 0) as url:
        here = [it.replace("http://127.0.0.1:8642/health", url) for it in command[1:]]
        done = subprocess.run([sys.executable, *here], capture_output=True, text=True, check=False)

    assert (how, command[0], here == command[1:]) == ("CMD", "python", False)
    assert done.returncode == status, done.stderr
