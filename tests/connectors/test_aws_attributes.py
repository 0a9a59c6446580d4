"""Attributes for Customer Profiles and Pinpoint, where they differ from the other destinations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from personalization.connectors import BatchRefused, Rejected, build
from personalization.errors import ConfigError, FatalError
from personalization.local.wire import Service
from tests.connectors import attribute_worlds as worlds
from tests.connectors.attribute_worlds import World, deliver_once

Clients = Callable[[str], Any]


@pytest.fixture
def profiles(clients: Clients, services: dict[str, Service]) -> World:
    return worlds.customer_profiles(clients, services)


@pytest.fixture
def pinpoint(clients: Clients, services: dict[str, Service]) -> World:
    return worlds.pinpoint(clients, services)


def test_objects_that_failed_for_now_are_put_off_and_the_others_rejected(
    profiles: World, services: dict[str, Service]
):
    handlers = services["customer-profiles"].handlers
    working = handlers["BatchPutProfileObject"]
    failed = [
        {"Id": "0", "Code": 500, "Message": "later"},
        {"Id": "2", "Code": 400, "Message": "never"},
        {"Id": "1", "Code": 429},
    ]
    handlers["BatchPutProfileObject"] = lambda _: {"Successful": [], "Failed": failed}
    try:
        answer = deliver_once(
            profiles.connector(), [profiles.line(user, a=1) for user in ("x", "y", "z", "w")]
        )
    finally:
        handlers["BatchPutProfileObject"] = working

    assert answer.accepted == 1
    assert answer.rejected == (
        Rejected(0, "500: later", later=True),
        Rejected(1, "429: no reason was given", later=True),
        Rejected(2, "400: never"),
    )


def test_attributes_need_an_object_type_to_be_in(profiles: World):
    without = profiles.connector(object_type=None)

    with pytest.raises(ConfigError, match="needs an object_type to hold attributes; make one"):
        deliver_once(without, [b"{}"])
    with pytest.raises(ConfigError, match="needs an object_type to hold attributes; make one"):
        without.rendering()  # which is asked for before anything is prepared


def test_an_audience_would_replace_what_an_object_holds_so_another_way_is_shown(profiles: World):
    with pytest.raises(
        ConfigError,
        match=r"'Drama' would replace other audiences and recommendations; let the flow "
        r"postprocess import the audiences \(parameter destination\): by upload jobs, as segments",
    ):
        profiles.connector().membership("Drama")


def test_an_object_type_is_one_place_and_belongs_to_its_domain(profiles: World, pinpoint: World):
    place = profiles.connector().whole

    assert place is not None
    assert place.startswith("object type 'Recommendations' of Customer Profiles domain 'd-")
    assert profiles.connector(object_type=None).whole is None
    assert pinpoint.connector().whole is None  # attributes are set one by one


def test_a_check_looks_for_the_object_type(profiles: World):
    with pytest.raises(FatalError, match="Object type Nothing was not found"):
        profiles.connector(object_type="Nothing").check()


@pytest.mark.parametrize("kind", sorted(worlds.AWS))
def test_a_batch_that_is_bad_as_a_whole_is_refused(
    clients: Clients, services: dict[str, Service], kind: str
):
    world = worlds.AWS[kind](clients, services)
    assert world.trouble is not None
    line = world.line("ana", a="x")
    pinpoint_reads_first = kind == "pinpoint"
    answers = world.trouble("bad", only="UpdateEndpointsBatch" if pinpoint_reads_first else None)
    with answers, pytest.raises(BatchRefused, match="was refused: this is not right"):
        deliver_once(world.connector(), [line])


def test_users_without_an_endpoint_are_rejected(pinpoint: World):
    lines = [pinpoint.line(user, recs=["tea"]) for user in ("stranger", "ana")]
    answer = deliver_once(pinpoint.connector(), lines)

    assert answer.accepted == 1
    assert answer.rejected == (Rejected(0, "has no endpoint"),)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"n" * 51: ["a"]}, f"attribute name {'n' * 50}… is longer than 50 characters"),
        ({"recs": ["tea", "x" * 101]}, "a value of recs is longer than 100 characters"),
    ],
    ids=["name", "value"],
)
def test_what_pinpoint_would_drop_is_rejected(
    pinpoint: World, attributes: dict[str, Any], reason: str
):
    answer = deliver_once(pinpoint.connector(), [pinpoint.line("ana", **attributes)])

    assert answer.rejected == (Rejected(0, reason),)


def test_all_kinds_of_values_become_lists_of_strings(pinpoint: World):
    line = pinpoint.line("ana", ids=["a", None, 3, 1.5, True], n=7, name="x", gone=None)
    deliver_once(pinpoint.connector(), [line])

    assert pinpoint.holds("ana") == {
        "ids": ["a", "", "3", "1.5", "true"],
        "n": ["7"],
        "name": ["x"],
    }


def test_a_user_with_two_endpoints_is_updated_by_the_same_one(pinpoint: World):
    client = pinpoint.clients("pinpoint")
    application = pinpoint.settings["application_id"]
    second = {"Id": "e00", "Address": "z@x.test", "ChannelType": "EMAIL", "User": {"UserId": "ana"}}
    client.update_endpoints_batch(
        ApplicationId=application, EndpointBatchRequest={"Item": [second]}
    )
    deliver_once(pinpoint.connector(), [pinpoint.line("ana", recs=["tea"])])
    found = client.get_user_endpoints(ApplicationId=application, UserId="ana")

    shown = [each["User"]["UserAttributes"] for each in found["EndpointsResponse"]["Item"]]
    assert shown == [{"recs": ["tea"]}] * 2


def test_an_object_type_needs_a_key_that_finds_profiles(clients: Clients):
    client = clients("customer-profiles")
    client.create_domain(DomainName="keyless", DefaultExpirationDays=90)

    with pytest.raises(client.exceptions.BadRequestException, match="PROFILE and UNIQUE"):
        client.put_profile_object_type(
            DomainName="keyless", ObjectTypeName="Recs", Description="Recommendations"
        )


def test_an_object_fills_the_profiles_fields_that_its_type_names(clients: Clients):
    client = clients("customer-profiles")
    client.create_domain(DomainName="mapped", DefaultExpirationDays=90)
    client.put_profile_object_type(
        DomainName="mapped",
        ObjectTypeName="Recs",
        Description="Recommendations",
        AllowProfileCreation=True,
        Fields={
            "user": {"Source": "_source.user_id", "Target": "_profile.AccountNumber"},
            "first": {"Source": "_source.first", "Target": "_profile.Attributes.first"},
        },
        Keys={"user": [{"StandardIdentifiers": ["PROFILE", "UNIQUE"], "FieldNames": ["user"]}]},
    )
    settings = {"kind": "customer_profiles", "domain": "mapped", "object_type": "Recs"}
    texts = [{"user_id": "ana", "first": "tea"}, {"user_id": "bob", "first": "x" * 256}]
    answer = deliver_once(build(settings, clients), [json.dumps(each).encode() for each in texts])
    found = client.search_profiles(DomainName="mapped", KeyName="_account", Values=["ana", "bob"])

    assert answer.rejected[0].reason.startswith("400: the value of Attributes.first is longer than")
    assert [each["Attributes"] for each in found["Items"]] == [{"first": "tea"}]
