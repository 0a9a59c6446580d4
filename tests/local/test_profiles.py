"""The local Customer Profiles through boto3: domains, profiles, segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from personalization.local import profiles
from personalization.local.pace import Pace
from personalization.local.server import LocalAws


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(pace=Pace(looks=1), mount=[profiles.service]) as server:
        yield server


@pytest.fixture(scope="module")
def client(aws: LocalAws) -> Any:
    return aws.clients("customer-profiles")


@pytest.fixture
def domain(client: Any) -> str:
    name = f"d-{uuid4().hex[:8]}"
    client.create_domain(DomainName=name, DefaultExpirationDays=90, Tags={"a": "b"})
    return name


def refused(call: Callable[[], Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    said = caught.value.response
    return (
        said["Error"]["Code"],
        said["Error"].get("Message") or said["Message"],
        said["ResponseMetadata"]["HTTPStatusCode"],
    )


def search(client: Any, domain: str, key: str, *values: str, **more: Any) -> list[str]:
    answer = client.search_profiles(
        DomainName=domain, KeyName=key, Values=list(values), MaxResults=100, **more
    )
    return [each["ProfileId"] for each in answer["Items"]]


def test_a_domain_is_made_found_listed_and_deleted(client: Any, domain: str):
    found = client.get_domain(DomainName=domain)
    listed = client.list_domains()["Items"]
    client.delete_domain(DomainName=domain)

    assert found["DefaultExpirationDays"] == 90
    assert found["Tags"] == {"a": "b"}
    assert found["Stats"]["ProfileCount"] == 0
    assert domain in [each["DomainName"] for each in listed]
    assert refused(lambda: client.get_domain(DomainName=domain)) == (
        "ResourceNotFoundException",
        f"Domain {domain} was not found",
        404,
    )


def test_a_domain_is_made_once(client: Any, domain: str):
    assert refused(lambda: client.create_domain(DomainName=domain, DefaultExpirationDays=1)) == (
        "BadRequestException",
        f"Domain {domain} exists already",
        400,
    )


def test_what_a_domain_cannot_have_here_is_refused(client: Any):
    matching = {"Enabled": True}
    said = refused(
        lambda: client.create_domain(DomainName="m", DefaultExpirationDays=1, Matching=matching)
    )

    assert said == (
        "NotImplementedException",
        "the local AWS has no domains with Matching",
        501,
    )


def test_domains_of_another_region_are_not_seen(aws: LocalAws, domain: str):
    assert aws.clients("customer-profiles", "eu-west-1").list_domains()["Items"] == []


def test_a_profile_comes_back_as_it_was_made(client: Any, domain: str):
    made = client.create_profile(
        DomainName=domain,
        AccountNumber="7",
        FirstName="Ana",
        Address={"City": "Linz"},
        Attributes={"likes": "tea"},
    )["ProfileId"]
    answer = client.batch_get_profile(DomainName=domain, ProfileIds=[made, "0" * 32])

    assert len(made) == 32
    assert int(made, 16) >= 0
    assert answer["Profiles"] == [
        {
            "ProfileId": made,
            "AccountNumber": "7",
            "FirstName": "Ana",
            "Address": {"City": "Linz"},
            "Attributes": {"likes": "tea"},
        }
    ]
    assert answer["Errors"] == [
        {"Code": "404", "Message": "Profile was not found", "ProfileId": "0" * 32}
    ]


def test_an_update_sets_what_it_names_removes_the_empty_and_keeps_the_rest(
    client: Any, domain: str
):
    made = client.create_profile(
        DomainName=domain,
        AccountNumber="7",
        FirstName="Ana",
        Attributes={"likes": "tea", "hates": "rain"},
        Address={"City": "Linz"},
    )["ProfileId"]
    client.update_profile(
        DomainName=domain,
        ProfileId=made,
        FirstName="",
        LastName="Gil",
        Attributes={"likes": "cake", "hates": ""},
        Address={"City": ""},
    )
    (found,) = client.batch_get_profile(DomainName=domain, ProfileIds=[made])["Profiles"]

    assert found == {
        "ProfileId": made,
        "AccountNumber": "7",
        "LastName": "Gil",
        "Attributes": {"likes": "cake"},
    }


def test_profiles_are_found_by_their_keys(client: Any, domain: str):
    ana = client.create_profile(
        DomainName=domain,
        AccountNumber="7",
        FirstName="Ana",
        LastName="Gil",
        PersonalEmailAddress="ana@x.test",
    )["ProfileId"]
    ben = client.create_profile(DomainName=domain, AccountNumber="8", PhoneNumber="+431")[
        "ProfileId"
    ]

    assert search(client, domain, "_account", "7", "8") == [ana, ben]
    assert search(client, domain, "_email", "ana@x.test") == [ana]
    assert search(client, domain, "_phone", "+431") == [ben]
    assert search(client, domain, "_fullName", "Ana Gil") == [ana]
    assert search(client, domain, "_profileId", ben) == [ben]
    assert search(client, domain, "_account", "9") == []


def test_several_keys_are_joined_by_or_unless_and_is_asked_for(client: Any, domain: str):
    ana = client.create_profile(DomainName=domain, AccountNumber="7", PhoneNumber="+431")
    ben = client.create_profile(DomainName=domain, AccountNumber="8", PhoneNumber="+431")
    more = {"AdditionalSearchKeys": [{"KeyName": "_phone", "Values": ["+431"]}]}

    assert search(client, domain, "_account", "7", **more) == [ana["ProfileId"], ben["ProfileId"]]
    assert search(client, domain, "_account", "7", **more, LogicalOperator="AND") == [
        ana["ProfileId"]
    ]


def test_searches_come_in_pages_of_twenty(client: Any, domain: str):
    for _ in range(25):
        client.create_profile(DomainName=domain, AccountNumber="many")
    first = client.search_profiles(DomainName=domain, KeyName="_account", Values=["many"])
    second = client.search_profiles(
        DomainName=domain, KeyName="_account", Values=["many"], NextToken=first["NextToken"]
    )

    assert (len(first["Items"]), len(second["Items"])) == (20, 5)
    assert "NextToken" not in second
    assert first["Items"][0]["FoundByItems"] == [{"KeyName": "_account", "Values": ["many"]}]


def test_a_key_of_an_object_type_is_not_known_here(client: Any, domain: str):
    client.create_profile(DomainName=domain)
    code, said, _ = refused(lambda: search(client, domain, "_orderId", "1"))

    assert code == "BadRequestException"
    assert said.startswith("Key _orderId is not searchable in this domain; there are _fullName,")


def test_a_deleted_profile_is_gone(client: Any, domain: str):
    made = client.create_profile(DomainName=domain)["ProfileId"]
    client.delete_profile(DomainName=domain, ProfileId=made)
    gone = f"Profile {made} was not found"

    assert refused(lambda: client.delete_profile(DomainName=domain, ProfileId=made))[1] == gone
    assert refused(lambda: client.update_profile(DomainName=domain, ProfileId=made))[:2] == (
        "ResourceNotFoundException",
        gone,
    )


def test_a_token_of_nobody_is_refused(client: Any, domain: str):
    assert refused(lambda: client.list_domains(NextToken="x"))[:2] == (
        "BadRequestException",
        "NextToken x is not one of ours",
    )


def test_what_is_not_here_says_so(client: Any, domain: str):
    assert refused(lambda: client.list_integrations(DomainName=domain))[:2] == (
        "NotImplementedException",
        "the local AWS does not answer customer-profiles ListIntegrations",
    )
