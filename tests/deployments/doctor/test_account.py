from __future__ import annotations

from functools import partial
from typing import Any

import boto3
import pytest
from botocore.config import Config

from deployments.doctor import account
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.local.services import SERVICES
from personalization.local.wire import Service, ServiceError


def test_credentials_tell_who_we_are(aws):
    seen = account.credentials(aws.clients)

    assert seen.status == "ok"
    assert seen.text.startswith("arn:aws:sts::123456789012:")


def test_credentials_that_nobody_checks_are_told(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    once = Config(retries={"total_max_attempts": 1})
    nobody = partial(
        boto3.client, region_name="us-east-1", endpoint_url="http://127.0.0.1:1", config=once
    )

    seen = account.credentials(nobody)

    assert seen.status == "bad"
    assert "asking STS whose credentials these are failed" in seen.text


@pytest.mark.parametrize(("name", "status"), [("eu-west-1", "ok"), ("af-south-1", "bad")])
def test_personalize_is_not_everywhere(name: str, status: str):
    seen = account.region(lambda it: boto3.client(it, name))

    assert seen.status == status
    if status == "bad":
        assert seen.text == "there is no Personalize in af-south-1"
        assert "eu-central-1, eu-west-1" in seen.advice


def dataset_groups(aws: LocalAws, number: int) -> None:
    for each in range(number):
        aws.clients("personalize").create_dataset_group(name=f"films-{each}")


def quotas(answer: Any) -> Any:
    """Return what mounts a Service Quotas with that answer."""
    return lambda _clients, _pace: Service("service-quotas", {"ListServiceQuotas": answer})


def refused(_request: object) -> Any:
    raise ServiceError("AccessDeniedException", "not for you")


def test_where_the_quotas_may_not_be_read_the_documented_ones_count():
    with LocalAws(pace=Pace(0.0), mount=[*SERVICES, quotas(refused)]) as aws:
        dataset_groups(aws, 2)
        seen = account.quotas(aws.clients)

    assert seen.status == "ok"
    assert seen.text == (
        "2 dataset group(s); within the quotas (as documented; those of the account could not be "
        "read)"
    )


def test_the_accounts_own_quotas_go_before_the_documented_ones():
    rows = [
        {"QuotaName": "Active dataset groups", "Value": 3.0},
        {"QuotaName": "Something else", "Value": 1.0},
    ]
    with LocalAws(
        pace=Pace(0.0), mount=[*SERVICES, quotas(lambda _request: {"Quotas": rows})]
    ) as aws:
        dataset_groups(aws, 3)
        seen = account.quotas(aws.clients)

    assert seen.status == "bad"
    assert seen.text == "nothing is left of: 3 of 3 dataset groups (the account's)"
    assert seen.advice == "delete what is not needed, or ask for more in Service Quotas"
