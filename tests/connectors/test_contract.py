"""What every destination of audiences must do.  A new one gets a row in conftest's WORLDS."""

from __future__ import annotations

import pickle
import socket

import pytest

from personalization.aws import S3Path
from personalization.connectors import Audience, Connector, TakesAudiences, connector_class, kinds
from personalization.errors import FatalError, RetryableError
from personalization.local.wire import ServiceError
from tests.connectors.conftest import WORLDS, World, clients_of

DENIED = ServiceError("AccessDeniedException", "User is not authorized", 403)
THROTTLED = ServiceError("ThrottlingException", "Rate exceeded", 429)
BROKEN = ServiceError("InternalServerException", "An internal error occurred", 500)


def test_every_connector_of_ours_is_under_contract():
    assert set(kinds()) >= set(WORLDS)
    assert {kind for kind in kinds() if "audience" in connector_class(kind).takes} == set(WORLDS)


@pytest.mark.parametrize("kind", sorted(WORLDS))
def test_a_connector_states_what_it_is(kind: str):
    connector = connector_class(kind)

    assert issubclass(connector, Connector)
    assert issubclass(connector, TakesAudiences)
    assert connector.kind == kind
    assert connector.addresses in ("user", "endpoint")
    assert connector.limits.max_bytes
    for name, field in connector.config_class.model_fields.items():
        assert name == "kind" or (field.description or "").endswith(".")


def test_a_check_passes_and_changes_nothing(world: World):
    world.connector().check()

    assert world.segments() == []
    assert world.jobs() == 0


def test_an_audience_becomes_a_segment_of_its_name(world: World):
    ticket = world.connector().start_import(world.audience(world.ids[:4]))
    progress = world.finished(ticket)

    assert (progress.state, progress.accepted, progress.rejected) == ("succeeded", 4, 0)
    assert progress.failures == ()
    assert world.segments() == ["ITEMSgenresAction"]
    assert world.members(ticket, progress) == 4


def test_the_import_is_running_before_it_is_done(world: World):
    connector = world.connector()
    ticket = connector.start_import(world.audience(world.ids))
    progress = connector.look(ticket)

    assert progress.state == "running"
    assert not progress.done


def test_the_same_file_is_imported_once(world: World):
    audience = world.audience(world.ids[:2])
    first = world.connector().start_import(audience)
    again_while_it_runs = world.connector().start_import(audience)
    world.finished(first)
    again_when_it_is_done = world.connector().start_import(audience)

    assert {again_while_it_runs.job, again_when_it_is_done.job} == {first.job}
    assert [first.found, again_while_it_runs.found, again_when_it_is_done.found] == [
        False,
        True,
        True,
    ]
    assert world.jobs() == 1


def test_a_later_file_of_the_same_audience_replaces_who_is_in_the_one_segment(world: World):
    before = world.imported(world.ids[:4])
    after = world.imported(world.ids[3:5])

    assert (before, after) == (4, 2)
    assert world.segments() == ["ITEMSgenresAction"]
    assert world.jobs() == 2


def test_another_audience_gets_another_segment(world: World):
    world.imported(world.ids[:4], "ITEMSgenresAction")
    drama = world.imported(world.ids[:1], "ITEMSgenresDrama")
    ticket = world.connector().start_import(world.audience(world.ids[:3], "ITEMSgenresAction"))
    action = world.members(ticket, world.finished(ticket))

    assert (action, drama) == (3, 1)
    assert sorted(world.segments()) == ["ITEMSgenresAction", "ITEMSgenresDrama"]


def test_rows_that_the_destination_rejects_are_counted_and_the_others_are_in(world: World):
    ids = [*world.ids[:3], "x" * 300]
    ticket = world.connector().start_import(world.audience(ids))
    progress = world.finished(ticket)

    assert (progress.state, progress.accepted, progress.rejected) == ("partly", 3, 1)
    assert len(progress.failures) == 1
    assert world.members(ticket, progress) == 3


def test_an_import_of_which_nothing_was_accepted_has_failed(world: World):
    ticket = world.connector().start_import(world.audience(["x" * 300, "y" * 300]))
    progress = world.finished(ticket)

    assert (progress.state, progress.accepted, progress.rejected) == ("failed", 0, 2)


@pytest.mark.parametrize("step", ["check", "start", "look"])
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param(DENIED, FatalError, id="denied"),
        pytest.param(THROTTLED, RetryableError, id="throttled"),
        pytest.param(BROKEN, RetryableError, id="broken"),
    ],
)
def test_a_refusal_says_what_refused_and_whether_to_try_again(
    world: World, step: str, said: ServiceError, expected: type[Exception]
):
    connector = world.connector()
    audience = world.audience(world.ids)
    ticket = connector.start_import(world.audience(world.ids[:1])) if step == "look" else None
    named = world.settings[next(iter(world.missing))]
    act = {
        "check": connector.check,
        "start": lambda: connector.start_import(audience),
        "look": lambda: connector.look(ticket),
    }[step]

    with world.trouble(world.calls[step], said), pytest.raises(expected, match=named) as caught:
        act()

    assert said.code in str(caught.value)
    assert said.message in str(caught.value)


@pytest.mark.parametrize("step", ["check", "start"])
def test_a_destination_that_is_not_there_is_named(world: World, step: str):
    connector = world.connector(**world.missing)
    audience = world.audience(world.ids)
    (named,) = world.missing.values()
    act = connector.check if step == "check" else lambda: connector.start_import(audience)

    with pytest.raises(FatalError, match=rf"{named}.*NotFoundException"):
        act()


def test_a_destination_out_of_reach_may_come_back(world: World):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
    connector = connector_class(world.kind)
    settings = connector.config_class.model_validate(world.settings)

    with pytest.raises(RetryableError, match="Could not connect"):
        connector(settings, clients_of(nobody)).check()


def test_another_process_goes_on_with_the_ticket(world: World):
    ticket = world.connector().start_import(world.audience(world.ids[:5]))
    kept = pickle.dumps(ticket)
    progress = world.finished(pickle.loads(kept))

    assert progress.state == "succeeded"
    assert world.members(ticket, progress) == 5


def test_a_start_whose_answer_was_lost_is_found_again(world: World):
    audience = world.audience(world.ids[:3])
    with world.trouble(world.calls["start"], BROKEN, after=True), pytest.raises(RetryableError):
        world.connector().start_import(audience)
    ticket = world.connector().start_import(audience)
    progress = world.finished(ticket)

    assert world.jobs() == 1
    assert progress.state == "succeeded"
    assert world.members(ticket, progress) == 3


STRANGE = [
    'ITEMS.genres = "Action"',
    "ITEMS.genres = 'Action'",
    "a/b\\c",
    "a-b-c",
    "Ünïcödé 映画 🎬",
    "Ünïcödé 映画 🎭",
    "x" * 300,
    "x" * 299 + "y",
    "…",
    " ",
]


def test_strange_names_stay_apart(world: World):
    for name in STRANGE:
        assert world.imported(world.ids[:1], name) == 1

    assert len(set(world.segments())) == len(STRANGE)


def test_an_audience_that_was_always_empty_is_no_trouble(world: World):
    ticket = world.connector().start_import(world.audience([]))
    progress = world.finished(ticket)

    assert (progress.state, progress.status, world.jobs()) == ("succeeded", "EMPTY", 0)


def test_a_file_that_is_not_there_is_named(world: World):
    audience = Audience("x", S3Path("audiences", "gone/a b.csv"), 3)

    with pytest.raises(
        FatalError, match=r"looking at s3://audiences/gone/a b\.csv failed with 404"
    ):
        world.connector().start_import(audience)


def test_a_file_that_is_too_big_is_not_started(world: World, monkeypatch: pytest.MonkeyPatch):
    connector = connector_class(world.kind)
    monkeypatch.setattr(connector, "limits", type(connector.limits)(max_bytes=10))

    with pytest.raises(FatalError, match=rf"{world.kind} takes at most 10 an import; split"):
        world.connector().start_import(world.audience(world.ids))
    assert world.jobs() == 0
