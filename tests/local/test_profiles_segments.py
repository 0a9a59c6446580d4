"""Segment definitions, and who is in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from personalization.local import profiles
from personalization.local.pace import Pace
from personalization.local.server import LocalAws

PEOPLE = {
    "ana": {"FirstName": "Ana", "Address": {"City": "Linz"}, "Attributes": {"age": "33"}},
    "ben": {"FirstName": "Ben", "Address": {"City": "Wien"}, "Attributes": {"age": "44"}},
    "eve": {"FirstName": "Eve", "AccountNumber": "7"},
}


class Town:
    """A domain with PEOPLE in it."""

    def __init__(self, aws: LocalAws) -> None:
        self.client = aws.clients("customer-profiles")
        self.domain = f"d-{uuid4().hex[:8]}"
        self.client.create_domain(DomainName=self.domain, DefaultExpirationDays=90)
        self.ids = {
            name: self.client.create_profile(DomainName=self.domain, **fields)["ProfileId"]
            for name, fields in PEOPLE.items()
        }

    def define(self, name: str, *groups: dict[str, Any], include: str = "ALL") -> dict[str, Any]:
        answer = self.client.create_segment_definition(
            DomainName=self.domain,
            SegmentDefinitionName=name,
            DisplayName=name,
            SegmentGroups={"Groups": list(groups), "Include": include},
        )
        return dict(answer)

    def members(self, segment: str) -> set[str]:
        answer = self.client.get_segment_membership(
            DomainName=self.domain,
            SegmentDefinitionName=segment,
            ProfileIds=list(self.ids.values()),
        )
        names = {profile_id: name for name, profile_id in self.ids.items()}
        return {
            names[each["ProfileId"]]
            for each in answer["Profiles"]
            if each["QueryResult"] == "PRESENT"
        }


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(pace=Pace(looks=1), mount=[profiles.service]) as server:
        yield server


@pytest.fixture
def town(aws: LocalAws) -> Town:
    return Town(aws)


def where(kind: str, *values: str, **path: Any) -> dict[str, Any]:
    """A dimension; `path` is one name, or an outer name with the inner one as its value."""
    ((outer, inner),) = path.items()
    condition = {"DimensionType": kind, "Values": list(values)}
    return {"ProfileAttributes": {outer: {inner: condition} if inner else condition}}


@pytest.mark.parametrize(
    ("dimension", "members"),
    [
        (where("INCLUSIVE", "Ana", "Eve", FirstName=None), {"ana", "eve"}),
        (where("EXCLUSIVE", "Ana", FirstName=None), {"ben", "eve"}),
        (where("CONTAINS", "e", FirstName=None), {"ben", "eve"}),
        (where("BEGINS_WITH", "A", "B", FirstName=None), {"ana", "ben"}),
        (where("ENDS_WITH", "n", FirstName=None), {"ben"}),
        (where("INCLUSIVE", "Linz", Address="City"), {"ana"}),
        (where("INCLUSIVE", "33", Attributes="age"), {"ana"}),
        (where("GREATER_THAN", "33", Attributes="age"), {"ben"}),
        (where("GREATER_THAN_OR_EQUAL", "33", Attributes="age"), {"ana", "ben"}),
        (where("LESS_THAN", "44", Attributes="age"), {"ana"}),
        (where("LESS_THAN_OR_EQUAL", "44", Attributes="age"), {"ana", "ben"}),
        (where("EQUAL", "44.0", Attributes="age"), {"ben"}),
        (where("EQUAL", "old", Attributes="age"), set()),
    ],
    ids=lambda value: next(iter(str(value).split("'DimensionType': '")[1:]), "").split("'")[0],
)
def test_a_condition_selects(town: Town, dimension: dict[str, Any], members: set[str]):
    town.define("s", {"Dimensions": [dimension]})

    assert town.members("s") == members


ANA, BEN = where("INCLUSIVE", "Ana", FirstName=None), where("INCLUSIVE", "Ben", FirstName=None)


@pytest.mark.parametrize(
    ("how", "members"), [("ALL", set()), ("ANY", {"ana", "ben"}), ("NONE", {"eve"})]
)
def test_conditions_and_groups_and_segments_are_joined(town: Town, how: str, members: set[str]):
    town.define("ana", {"Dimensions": [ANA]})
    town.define("ben", {"Dimensions": [BEN]})
    town.define("conditions", {"Dimensions": [ANA, BEN], "Type": how})
    town.define("groups", {"Dimensions": [ANA]}, {"Dimensions": [BEN]}, include=how)
    both = [{"SegmentDefinitionName": "ana"}, {"SegmentDefinitionName": "ben"}]
    town.define("sources", {"SourceSegments": both, "SourceType": how})

    assert town.members("conditions") == members
    assert town.members("groups") == members
    assert town.members("sources") == members


def test_a_segment_follows_its_profiles(town: Town):
    town.define("s", {"Dimensions": [ANA]})
    town.client.update_profile(
        DomainName=town.domain, ProfileId=town.ids["ana"], FirstName="Anabel"
    )

    assert town.members("s") == set()


def test_a_profile_that_is_not_there_is_a_failure_of_its_own(town: Town):
    town.define("s", {"Dimensions": [ANA]})
    answer = town.client.get_segment_membership(
        DomainName=town.domain,
        SegmentDefinitionName="s",
        ProfileIds=["0" * 32, town.ids["ana"]],
    )

    assert answer["Failures"] == [
        {"ProfileId": "0" * 32, "Message": "Profile was not found", "Status": 404}
    ]
    assert [each["Profile"]["FirstName"] for each in answer["Profiles"]] == ["Ana"]


def test_a_definition_is_found_listed_and_deleted(town: Town):
    made = town.define("s", {"Dimensions": [ANA]})
    here = {"DomainName": town.domain, "SegmentDefinitionName": "s"}
    found = town.client.get_segment_definition(**here)
    (listed,) = town.client.list_segment_definitions(DomainName=town.domain)["Items"]
    town.client.delete_segment_definition(**here)

    arn = f"arn:aws:profile:us-east-1:123456789012:domains/{town.domain}/segment-definitions/s"
    assert made["SegmentDefinitionArn"] == found["SegmentDefinitionArn"] == arn
    assert found["SegmentGroups"] == {"Groups": [{"Dimensions": [ANA]}], "Include": "ALL"}
    assert found["SegmentType"] == "CLASSIC"
    assert "SegmentGroups" not in listed
    for gone in (
        town.client.get_segment_definition,
        town.client.delete_segment_definition,
        lambda **place: town.client.get_segment_membership(**place, ProfileIds=["0" * 32]),
    ):
        with pytest.raises(ClientError, match="Segment definition s was not found"):
            gone(**here)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "has either SegmentGroups or SegmentSqlQuery"),
        ({"SegmentSqlQuery": "SELECT 1"}, "does not evaluate segments by SegmentSqlQuery"),
        (
            {"SegmentGroups": {"Groups": [{"Dimensions": [where("BEFORE", "1", BirthDate=None)]}]}},
            "does not evaluate segments by DimensionType BEFORE",
        ),
        (
            {"SegmentGroups": {"Groups": [{"Dimensions": [{"CalculatedAttributes": {}}]}]}},
            "does not evaluate segments by CalculatedAttributes",
        ),
        (
            {
                "SegmentGroups": {
                    "Groups": [{"Dimensions": [where("INCLUSIVE", "{{_p}}", FirstName=None)]}]
                }
            },
            "does not evaluate segments by a value in handlebars",
        ),
        (
            {"SegmentGroups": {"Groups": [{"SourceSegments": [{"SegmentDefinitionName": "x"}]}]}},
            "Segment definition x was not found",
        ),
    ],
    ids=["neither", "sql", "dates", "calculated", "handlebars", "no-source"],
)
def test_what_cannot_be_evaluated_is_refused(town: Town, content: dict[str, Any], said: str):
    with pytest.raises(ClientError, match=said):
        town.client.create_segment_definition(
            DomainName=town.domain, SegmentDefinitionName="s", DisplayName="s", **content
        )


def test_a_name_is_taken_until_it_is_deleted(town: Town):
    town.define("s", {"Dimensions": [ANA]})

    with pytest.raises(ClientError, match="Segment definition s exists already"):
        town.define("s", {"Dimensions": [BEN]})


def test_an_estimate_counts_who_fits(town: Town):
    query = {"Groups": [{"Dimensions": [ANA, BEN], "Type": "ANY"}]}
    asked = town.client.create_segment_estimate(DomainName=town.domain, SegmentQuery=query)
    here = {"DomainName": town.domain, "EstimateId": asked["EstimateId"]}
    running = town.client.get_segment_estimate(**here)
    done = town.client.get_segment_estimate(**here)

    assert (running["Status"], running.get("Estimate")) == ("RUNNING", None)
    assert (done["Status"], done["Estimate"]) == ("SUCCEEDED", "2")


def test_an_estimate_that_cannot_be_is_refused(town: Town):
    with pytest.raises(ClientError, match="does not evaluate segments by SegmentSqlQuery"):
        town.client.create_segment_estimate(DomainName=town.domain, SegmentSqlQuery="SELECT 1")
    with pytest.raises(ClientError, match="Segment estimate e was not found"):
        town.client.get_segment_estimate(DomainName=town.domain, EstimateId="e")
