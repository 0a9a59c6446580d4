"""The local Pinpoint through boto3: applications, endpoints, users, segments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from personalization.local import pinpoint
from personalization.local.pace import Pace
from personalization.local.server import LocalAws


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(pace=Pace(looks=1), mount=[pinpoint.service]) as server:
        yield server


@pytest.fixture(scope="module")
def client(aws: LocalAws) -> Any:
    return aws.clients("pinpoint")


@pytest.fixture
def app(client: Any) -> str:
    made = client.create_app(CreateApplicationRequest={"Name": "bingewatch", "tags": {"a": "b"}})
    return str(made["ApplicationResponse"]["Id"])


def put(client: Any, app: str, endpoint: str, **members: Any) -> None:
    request = {"ChannelType": "EMAIL", "Address": f"{endpoint}@x.test", **members}
    client.update_endpoint(ApplicationId=app, EndpointId=endpoint, EndpointRequest=request)


def got(client: Any, app: str, endpoint: str) -> dict[str, Any]:
    answer = client.get_endpoint(ApplicationId=app, EndpointId=endpoint)
    return dict(answer["EndpointResponse"])


def of_user(client: Any, app: str, user: str) -> list[str]:
    answer = client.get_user_endpoints(ApplicationId=app, UserId=user)
    return [each["Id"] for each in answer["EndpointsResponse"]["Item"]]


def refused(call: Callable[[], Any]) -> tuple[str, str, int]:
    with pytest.raises(ClientError) as caught:
        call()
    said = caught.value.response
    return (
        said["Error"]["Code"],
        said["Error"].get("Message") or said["Message"],
        said["ResponseMetadata"]["HTTPStatusCode"],
    )


def test_an_application_is_made_found_listed_and_deleted(client: Any, app: str):
    found = client.get_app(ApplicationId=app)["ApplicationResponse"]
    listed = client.get_apps()["ApplicationsResponse"]["Item"]
    client.delete_app(ApplicationId=app)

    assert found["Name"] == "bingewatch"
    assert found["tags"] == {"a": "b"}
    assert found["Arn"] == f"arn:aws:mobiletargeting:us-east-1:123456789012:apps/{app}"
    assert app in [each["Id"] for each in listed]
    assert refused(lambda: client.get_app(ApplicationId=app)) == (
        "NotFoundException",
        f"Application {app} was not found",
        404,
    )


def test_applications_of_another_region_are_not_seen(aws: LocalAws, app: str):
    elsewhere = aws.clients("pinpoint", "eu-west-1")

    assert elsewhere.get_apps()["ApplicationsResponse"]["Item"] == []
    assert refused(lambda: elsewhere.get_app(ApplicationId=app))[0] == "NotFoundException"


def test_an_endpoint_comes_back_as_it_was_put(client: Any, app: str):
    put(
        client,
        app,
        "lcux/hpqh",
        User={"UserId": "7", "UserAttributes": {"Age": ["33"]}},
        Attributes={"likes": ["tea", "cake"]},
        Location={"Country": "AT", "Latitude": 48.2},
        Metrics={"visits": 3.0},
        OptOut="ALL",
    )
    found = got(client, app, "LCUX/hpqh")

    assert found["Id"] == "lcux/hpqh"
    assert found["ApplicationId"] == app
    assert found["Address"] == "lcux/hpqh@x.test"
    assert found["EndpointStatus"] == "ACTIVE"
    assert found["OptOut"] == "ALL"
    assert found["User"] == {"UserId": "7", "UserAttributes": {"Age": ["33"]}}
    assert found["Attributes"] == {"likes": ["tea", "cake"]}
    assert found["Location"] == {"Country": "AT", "Latitude": 48.2}
    assert found["Metrics"] == {"visits": 3.0}
    assert 0 <= int(found["CohortId"]) < 100


def test_an_update_replaces_what_it_names_and_keeps_the_rest(client: Any, app: str):
    put(client, app, "e", Attributes={"likes": ["tea"], "hates": ["rain"]})
    client.update_endpoint(
        ApplicationId=app,
        EndpointId="e",
        EndpointRequest={"Attributes": {"likes": ["cake"], "hates": []}},
    )
    found = got(client, app, "e")

    assert found["Attributes"] == {"likes": ["cake"]}
    assert found["Address"] == "e@x.test"


def test_user_attributes_belong_to_the_user_and_show_on_every_endpoint(client: Any, app: str):
    put(client, app, "phone", User={"UserId": "7", "UserAttributes": {"Age": ["33"]}})
    put(client, app, "mail", User={"UserId": "7", "UserAttributes": {"City": ["Linz"]}})

    assert of_user(client, app, "7") == ["phone", "mail"]
    assert got(client, app, "phone")["User"]["UserAttributes"] == {
        "Age": ["33"],
        "City": ["Linz"],
    }


def test_an_endpoint_that_changes_hands_leaves_its_user(client: Any, app: str):
    put(client, app, "phone", User={"UserId": "7"})
    put(client, app, "phone", User={"UserId": "8"})

    assert of_user(client, app, "8") == ["phone"]
    assert refused(lambda: of_user(client, app, "7"))[:2] == (
        "NotFoundException",
        "User 7 was not found",
    )


def test_the_older_of_two_endpoints_with_one_address_becomes_inactive(client: Any, app: str):
    put(client, app, "old", Address="ana@x.test")
    put(client, app, "new", Address="ana@x.test")

    assert got(client, app, "old")["EndpointStatus"] == "INACTIVE"
    assert got(client, app, "new")["EndpointStatus"] == "ACTIVE"


def test_endpoints_are_put_in_batches(client: Any, app: str):
    items = [
        {"Id": str(n), "ChannelType": "SMS", "Address": f"+43{n}", "User": {"UserId": "u"}}
        for n in range(15)
    ]
    answer = client.update_endpoints_batch(ApplicationId=app, EndpointBatchRequest={"Item": items})

    assert answer["MessageBody"]["Message"] == "Accepted"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert len(of_user(client, app, "u")) == 15


def test_endpoints_and_users_are_deleted(client: Any, app: str):
    for name in "abc":
        put(client, app, name, User={"UserId": "7"})
    deleted = client.delete_endpoint(ApplicationId=app, EndpointId="a")
    rest = client.delete_user_endpoints(ApplicationId=app, UserId="7")

    assert deleted["EndpointResponse"]["Id"] == "a"
    assert [each["Id"] for each in rest["EndpointsResponse"]["Item"]] == ["b", "c"]
    assert refused(lambda: got(client, app, "b"))[:2] == (
        "NotFoundException",
        "Endpoint b was not found",
    )


@pytest.mark.parametrize(
    ("endpoint", "request_", "said"),
    [
        ("a$b", {"ChannelType": "SMS", "Address": "1"}, "Invalid endpoint id 'a$b'"),
        ("e", {"Address": "1"}, "ChannelType is required for a new endpoint"),
        ("e", {"ChannelType": "SMS"}, "Address is required for a new endpoint"),
        ("e", {"ChannelType": "OWL", "Address": "1"}, "Member must satisfy enum value set"),
        (
            "e",
            {"ChannelType": "SMS", "Address": "1", "Attributes": {"n" * 51: ["v"]}},
            f"Attribute name '{'n' * 51}' is longer than 50 characters",
        ),
        (
            "e",
            {"ChannelType": "SMS", "Address": "1", "User": {"UserAttributes": {"n": ["v" * 101]}}},
            "A value of attribute 'n' is longer than 100 characters",
        ),
        (
            "e",
            {"ChannelType": "SMS", "Address": "1", "Attributes": {str(n): [] for n in range(251)}},
            "More than 250 attributes",
        ),
    ],
    ids=["id", "channel", "address", "enum", "attribute-name", "attribute-value", "attributes"],
)
def test_an_endpoint_that_cannot_be_is_refused(
    client: Any, app: str, endpoint: str, request_: dict[str, Any], said: str
):
    code, message, status = refused(
        lambda: client.update_endpoint(
            ApplicationId=app, EndpointId=endpoint, EndpointRequest=request_
        )
    )

    assert (code, status) == ("BadRequestException", 400)
    assert said in message


def test_batches_have_limits(client: Any, app: str):
    def batch(items: list[dict[str, Any]]) -> Callable[[], Any]:
        return lambda: client.update_endpoints_batch(
            ApplicationId=app, EndpointBatchRequest={"Item": items}
        )

    many = [{"Id": str(n), "ChannelType": "SMS", "Address": str(n)} for n in range(101)]
    of_one = [{**each, "User": {"UserId": "u"}} for each in many[:16]]

    assert refused(batch(many))[1] == "A batch has at most 100 endpoints, not 101"
    assert refused(batch([{"ChannelType": "SMS"}]))[1] == "Every endpoint of a batch needs an Id"
    assert refused(batch(of_one))[1] == "Exceeded maximum endpoint per user count: 15"


def test_a_segment_and_its_versions(client: Any, app: str):
    made = client.create_segment(
        ApplicationId=app,
        WriteSegmentRequest={"Name": "adults", "Dimensions": {"UserAttributes": {}}},
    )["SegmentResponse"]
    client.update_segment(
        ApplicationId=app, SegmentId=made["Id"], WriteSegmentRequest={"Name": "grown-ups"}
    )
    here = {"ApplicationId": app, "SegmentId": made["Id"]}
    now = client.get_segment(**here)["SegmentResponse"]
    first = client.get_segment_version(**here, Version="1")["SegmentResponse"]
    versions = client.get_segment_versions(**here)["SegmentsResponse"]["Item"]

    assert made["SegmentType"] == "DIMENSIONAL"
    assert made["Arn"].endswith(f"apps/{app}/segments/{made['Id']}")
    assert (now["Name"], now["Version"]) == ("grown-ups", 2)
    assert first["Name"] == "adults"
    assert [each["Version"] for each in versions] == [2, 1]
    assert refused(lambda: client.get_segment_version(**here, Version="3"))[1] == (
        f"Segment {made['Id']} has no version 3"
    )
    client.delete_segment(**here)
    assert refused(lambda: client.get_segment(**here))[:2] == (
        "NotFoundException",
        f"Segment {made['Id']} was not found",
    )


def test_a_segment_has_one_kind_of_conditions(client: Any, app: str):
    both = {"Dimensions": {}, "SegmentGroups": {}}

    assert refused(lambda: client.create_segment(ApplicationId=app, WriteSegmentRequest=both))[
        :2
    ] == ("BadRequestException", "A segment has Dimensions or SegmentGroups, but not both")


def test_lists_come_in_pages(client: Any, app: str):
    for number in range(5):
        client.create_segment(ApplicationId=app, WriteSegmentRequest={"Name": f"segment {number}"})
    names, page = [], {}
    while True:
        answer = client.get_segments(ApplicationId=app, PageSize="2", **page)["SegmentsResponse"]
        names.append([each["Name"][-1] for each in answer["Item"]])
        if "NextToken" not in answer:
            break
        page = {"Token": answer["NextToken"]}

    assert names == [["0", "1"], ["2", "3"], ["4"]]
    for wrong in ({"PageSize": "0"}, {"PageSize": "two"}, {"Token": "next"}):
        assert (
            "page-size must be 1 to 100"
            in refused(lambda wrong=wrong: client.get_segments(ApplicationId=app, **wrong))[1]
        )


def test_what_is_not_here_says_so(client: Any, app: str):
    code, message, status = refused(lambda: client.get_campaigns(ApplicationId=app))

    assert (code, status) == ("NotImplementedException", 501)
    assert message == "the local AWS does not answer pinpoint GetCampaigns"
