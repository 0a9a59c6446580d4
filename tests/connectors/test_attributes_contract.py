"""What every destination of attributes must do.  A new one gets a world in attribute_worlds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from personalization.connectors import (
    Delivered,
    TakesAttributes,
    connector_class,
    kinds,
)
from personalization.delivery import Outbox, Patience, acknowledged, deliver, preview, replayed
from personalization.errors import ConfigError, FatalError, RetryableError
from personalization.local.far_ends.faults import Faults
from personalization.local.far_ends.server import FarEnds
from personalization.local.wire import Service
from tests.connectors import attribute_worlds as worlds
from tests.connectors.attribute_worlds import KINDS, REMOTE, SECRET, USERS, World, deliver_once
from tests.delivery.conftest import write_outbox

QUICK = Patience(attempts=60, first_s=0.01, slowest_s=0.05, give_up_after_s=60)


@pytest.fixture
def ends() -> Iterator[FarEnds]:
    with worlds.far_ends() as it:
        yield it


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    kind = request.param
    if kind in worlds.HTTP:
        return worlds.HTTP[kind](request.getfixturevalue("ends"))
    if kind in worlds.AWS:
        clients: Callable[[str], Any] = request.getfixturevalue("clients")
        services: dict[str, Service] = request.getfixturevalue("services")
        return worlds.AWS[kind](clients, services)
    folder = tmp_path / "drop"
    folder.mkdir()
    return worlds.files(folder)


every = pytest.mark.parametrize("world", KINDS, indirect=True)
remote = pytest.mark.parametrize("world", REMOTE, indirect=True)
over_http = pytest.mark.parametrize("world", sorted(worlds.HTTP), indirect=True)


def test_every_connector_of_ours_is_under_contract():
    assert {kind for kind in kinds() if "attributes" in connector_class(kind).takes} == set(KINDS)


@every
def test_a_connector_states_what_it_is(world: World):
    connector = world.connector()
    limits = connector.attribute_limits

    assert isinstance(connector, TakesAttributes)
    assert connector.kind == world.kind
    assert limits.max_rows >= 10
    assert limits.max_bytes >= 100_000
    assert limits.per_second > 0
    assert limits.in_flight >= 1
    for name, field in connector.config_class.model_fields.items():
        assert name == "kind" or (field.description or "").endswith(".")


@every
def test_a_check_passes_and_changes_nothing(world: World):
    world.connector().check()

    assert not world.holds("ana")


@every
def test_attributes_arrive_whatever_the_id_is_made_of(world: World):
    lines = [world.line(user, recs_id=[f"item {n}", "tea"]) for n, user in enumerate(USERS)]
    answer = deliver_once(world.connector(), lines)

    assert answer == Delivered(len(USERS))
    assert {user: world.holds(user) for user in USERS} == {
        user: {"recs_id": [f"item {n}", "tea"]} for n, user in enumerate(USERS)
    }


@every
def test_a_batch_that_is_sent_twice_is_harmless(world: World):
    lines = [world.line(user, recs_id=["tea"]) for user in USERS]
    for _ in range(2):
        deliver_once(world.connector(), lines)

    assert {json.dumps(world.holds(user)) for user in USERS} == {'{"recs_id": ["tea"]}'}


@every
def test_a_later_delivery_replaces_an_earlier_one(world: World):
    deliver_once(world.connector(), [world.line("ana", recs_id=["tea", "jam"])], "r1")
    deliver_once(world.connector(), [world.line("ana", recs_id=["rum"])], "r2")

    assert world.holds("ana") == {"recs_id": ["rum"]}


@every
def test_whoever_left_is_cleared(world: World):
    deliver_once(world.connector(), [world.line(user, recs_id=["tea"]) for user in USERS], "r1")
    cleared = world.connector().rendering().cleared
    line = world.around("ana", f'"recs_id":{cleared}')
    answer = deliver_once(world.connector(), [line], "r2")

    assert answer == Delivered(1)
    assert not world.holds("ana")
    assert world.holds("007") == {"recs_id": ["tea"]}


@every
def test_people_join_and_leave_an_audience_and_nothing_else_of_them_changes(world: World):
    if world.connector().whole:
        with pytest.raises(ConfigError, match="would replace other audiences and recommendations"):
            world.connector().membership("Action fans")
        return
    membership = world.connector().membership("Action fans")
    deliver_once(world.connector(), [world.around("ana", membership.joined)], "r1")
    joined = world.holds("ana")
    deliver_once(world.connector(), [world.around("ana", membership.left)], "r2")

    assert joined is not None
    assert len(joined) == 1
    assert not world.holds("ana")


@every
def test_the_users_id_is_nobody_elses_attribute(world: World):
    rendering = world.connector().rendering(constants={"source": "personalize"})
    named = world.connector().rendering(constants={rendering.user_key: "eve", "source": "p"})

    assert rendering.constants == {"source": "personalize"}
    assert named.constants == {"source": "p"} or _apart(world)


def _apart(world: World) -> bool:
    """Whether the id stands apart from the attributes, so that one of its name does no harm."""
    line = world.around("ana", f'"{world.connector().rendering().user_key}":["007"]')
    deliver_once(world.connector(), [line])
    return bool(world.holds("ana")) and not world.holds("007")


@pytest.mark.parametrize("world", [kind for kind in KINDS if kind != "files"], indirect=True)
def test_one_bad_user_does_not_take_the_others_along(world: World):
    assert world.bad is not None
    lines = [world.line("ana", a=["x"]), world.bad("007"), world.line("c,d}]", a=["x"])]
    answer = deliver_once(world.connector(), lines)

    assert answer.accepted == 2
    assert [each.index for each in answer.rejected] == [1]
    assert answer.rejected[0].reason
    assert "xxxx" not in answer.rejected[0].reason
    assert world.holds("ana") == world.holds("c,d}]") == {"a": ["x"]}
    assert not world.holds("007")


@remote
@pytest.mark.parametrize("name", ["throttled", "down"])
def test_trouble_that_may_pass_is_retryable(world: World, name: str):
    assert world.trouble is not None
    connector = world.connector()
    with world.trouble(name), pytest.raises(RetryableError):
        deliver_once(connector, [world.line("ana", a=["x"])])

    assert deliver_once(connector, [world.line("ana", a=["x"])]) == Delivered(1)


@over_http
def test_how_long_to_wait_is_taken_from_the_answer(world: World):
    assert world.trouble is not None
    with world.trouble("throttled"), pytest.raises(RetryableError) as caught:
        deliver_once(world.connector(), [world.line("ana", a=["x"])])

    assert caught.value.retry_after_s is not None
    assert 1 <= caught.value.retry_after_s <= 3


@remote
def test_a_refused_key_is_fatal_and_stays_unsaid(world: World):
    with_trouble = world.denied.get("trouble")
    refused = world.trouble(with_trouble) if with_trouble else worlds.nothing_wrong("")
    connector = world.connector(**({} if with_trouble else world.denied))
    with refused, pytest.raises(FatalError) as caught:
        deliver_once(connector, [world.line("ana", a=["x"])])

    assert SECRET not in str(caught.value)
    assert SECRET not in repr(connector.config)


@over_http
def test_an_outbox_arrives_through_all_that_goes_wrong(world: World, ends: FarEnds, tmp_path: Path):
    users = [f"u{number:03d}" for number in range(60)]
    folder = outbox(world, tmp_path / "outbox", users, bad="u007")
    ends.set_faults(Faults(error=0.07, unavailable=0.07, reset=0.07, lost=0.07, half=0.07, seed=2))
    receipt = deliver(world.connector(), folder, run="r1", patience=QUICK)

    assert (receipt.sent, receipt.accepted, receipt.rejected) == (60, 59, 1)
    assert [user for user in users if not world.holds(user)] == ["u007"]


@every
def test_an_outbox_is_delivered_and_the_rejected_are_replayed(world: World, tmp_path: Path):
    users = [f"u{number:03d}" for number in range(30)]
    bad = "u007" if world.bad else None
    folder = outbox(world, tmp_path / "outbox", users, bad=bad)
    shown = preview(world.connector(), Outbox(folder))
    receipt = deliver(world.connector(), folder, run="r1", patience=QUICK)

    assert shown.users == receipt.sent == 30
    assert receipt.rejected == (1 if bad else 0)
    assert int(acknowledged(folder)["00000"].sum()) == receipt.accepted
    assert world.holds("u001") == {"recs_id": ["tea", "jam"]}
    if receipt.dead_letters:
        again = replayed(receipt.dead_letters, tmp_path / "again")
        second = deliver(world.connector(), again, run="r1-again", patience=QUICK)
        assert (second.sent, second.rejected) == (1, 1)


def outbox(world: World, folder: Path, users: list[str], bad: str | None = None) -> Path:
    write_outbox(folder, [users])
    lines: list[Any] = [
        world.bad(user) if world.bad and user == bad else world.line(user, recs_id=["tea", "jam"])
        for user in users
    ]
    (folder / "00000.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    return folder
