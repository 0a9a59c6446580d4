"""Braze, by its far end on this machine: what goes there, and what its answers are taken for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from personalization.connectors import BatchRefused, Braze, Delivered, Rejected, build
from personalization.delivery import Outbox, Patience, deliver, preview
from personalization.errors import ConfigError, FatalError, RetryableError
from personalization.local.far_ends import braze as far
from personalization.local.far_ends.faults import Faults
from personalization.local.far_ends.server import FarEnds
from personalization.local.server import LocalAws
from tests.delivery.conftest import no_clients, write_outbox

QUICK = Patience(attempts=50, first_s=0.01, slowest_s=0.05, give_up_after_s=60)


@pytest.fixture
def ends() -> Iterator[FarEnds]:
    with FarEnds() as it:
        yield it


def connector(ends: FarEnds, **settings: Any) -> Braze:
    given = {"kind": "braze", "endpoint": f"{ends.url}/braze", "api_key": "local"}
    found = build({**given, **settings}, no_clients)
    assert isinstance(found, Braze)
    return found


def delivered(it: Braze, lines: Sequence[bytes]) -> Delivered:
    async def once() -> Delivered:
        await it.open("r1")
        try:
            return await it.deliver(lines, key="k")
        finally:
            await it.close(complete=True)

    return asyncio.run(once())


def line(user: str | None, **attributes: Any) -> bytes:
    return json.dumps({"external_id": user, **attributes}).encode()


def test_attributes_arrive(ends: FarEnds):
    answer = delivered(connector(ends), [line("ana", recs_id=["tea"]), line("bob", recs_id=[])])

    assert answer == Delivered(2)
    assert ends["braze"].holds("ana") == {"recs_id": ["tea"]}


def test_partial_errors_are_mapped_to_their_rows(ends: FarEnds):
    lines = [line("ana", a="x"), line(None, a="x"), line("bob", a="x"), line("eve", a="x" * 256)]
    answer = delivered(connector(ends), lines)

    assert answer == Delivered(
        2,
        (
            Rejected(1, "'external_id' or 'braze_id' or 'user_alias' is required"),
            Rejected(3, "the value of a is longer than 255 characters"),
        ),
    )
    assert sorted(ends["braze"].users()) == ["ana", "bob"]


def test_null_removes_an_attribute_and_leaves_the_others(ends: FarEnds):
    it = connector(ends)
    delivered(it, [line("ana", recs_id=["tea"], mine="x")])
    delivered(it, [line("ana", recs_id=None)])

    assert ends["braze"].holds("ana") == {"mine": "x"}


@pytest.mark.parametrize(
    ("settings", "joined", "left"),
    [
        pytest.param({}, {"Action fans": True}, {}, id="boolean"),
        pytest.param(
            {"audience_attribute": "audiences"},
            {"audiences": ["Drama", "Action fans"]},
            {"audiences": ["Drama"]},
            id="array",
        ),
    ],
)
def test_an_audience_is_an_attribute_that_comes_and_goes(
    ends: FarEnds, settings: dict[str, Any], joined: dict[str, Any], left: dict[str, Any]
):
    it = connector(ends, **settings)
    before, between, after = it.rendering().pieces
    membership = it.membership("Action fans")
    drama = it.membership("Drama").joined if settings else '"x":null'
    held = []
    for attributes in (drama, membership.joined, membership.joined, membership.left):
        delivered(it, [f'{before}"ana"{between}{attributes}{after}'.encode()])
        held.append(dict(ends["braze"].holds("ana")))

    assert held[1:] == [joined, joined, left]


def test_existing_users_only_on_request(ends: FarEnds):
    it = connector(ends, update_existing_only=True)
    constants = it.rendering(constants={"source": "p", "external_id": "eve"}).constants
    delivered(it, [line("stranger", a=1, **constants)])
    known = connector(ends).rendering().constants

    assert constants == {"source": "p", "_update_existing_only": True}
    assert ends["braze"].users() == []
    assert known == {}


def test_the_prefix_is_the_jobs_or_the_one_of_old(ends: FarEnds):
    it = connector(ends)

    assert it.rendering().prefix == "recommendation_"
    assert it.rendering(prefix="recs_").prefix == "recs_"
    assert it.rendering(prefix="").prefix == ""
    assert it.rendering().pieces == ('{"external_id":', ",", "}")


def test_a_check_passes_and_changes_nothing(ends: FarEnds):
    connector(ends).check()

    assert dict(ends["braze"].requests) == {"/braze/custom_attributes": 1}
    assert ends["braze"].users() == []


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        pytest.param({"other": frozenset()}, "refused the key with 401: Invalid API key", id="key"),
        pytest.param(
            {"local": frozenset({"users.track"})},
            "refused the key with 403: This API key lacks the permission custom_attributes.get",
            id="permission",
        ),
    ],
)
def test_a_check_says_what_is_wrong_with_the_key(keys: dict[str, frozenset[str]], said: str):
    with (
        FarEnds(ends=[far.Braze(keys=keys)]) as ends,
        pytest.raises(FatalError, match=said) as caught,
    ):
        connector(ends).check()

    assert "check the key, its permissions and that it belongs to this endpoint" in str(
        caught.value
    )


def test_nobody_at_home_is_trouble_that_may_pass(ends: FarEnds):
    it = connector(ends)
    ends.close()

    with pytest.raises(RetryableError, match=r"^127\.0\.0\.1:\d+ is out of reach"):
        it.check()
    with pytest.raises(RetryableError, match=r"^127\.0\.0\.1:\d+ is out of reach"):
        delivered(it, [line("ana", a=1)])


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        pytest.param(Faults(error=1), "answered 500: The far end has a problem", id="500"),
        pytest.param(Faults(unavailable=1), "answered 503: The far end has a problem", id="503"),
        pytest.param(Faults(reset=1), "is out of reach", id="reset"),
        pytest.param(Faults(lost=1), "is out of reach", id="lost"),
        pytest.param(Faults(half=1), "is out of reach", id="half-answer"),
        pytest.param(Faults(delay=1, delay_s=1), "did not answer within 0.2 s", id="slow"),
        pytest.param(Faults(throttle=1), "answered 429: You have exceeded", id="throttled"),
    ],
)
def test_trouble_that_may_pass_is_retryable(ends: FarEnds, faults: Faults, said: str):
    ends.set_faults(faults)

    with pytest.raises(RetryableError, match=said):
        delivered(connector(ends, timeout_s=0.2), [line("ana", a=1)])


def test_the_moment_of_the_reset_is_kept():
    with FarEnds(ends=[far.Braze(per_window=1)]) as ends:
        it = connector(ends)
        delivered(it, [line("ana", a=1)])
        with pytest.raises(RetryableError) as caught:
            delivered(it, [line("ana", a=1)])

    assert caught.value.retry_after_s is not None
    assert 1.0 <= caught.value.retry_after_s <= 4.0


@pytest.mark.parametrize(
    ("workspace", "count"),
    [
        pytest.param({"max_objects": 2}, 3, id="too-many-objects"),
        pytest.param({"max_body": 200}, 9, id="too-large"),
    ],
)
def test_a_body_that_is_too_much_is_refused_as_a_batch(workspace: dict[str, int], count: int):
    with (
        FarEnds(ends=[far.Braze(**workspace)]) as ends,
        pytest.raises(BatchRefused, match=r"refused a batch with 4\d\d: "),
    ):
        delivered(connector(ends), [line(f"u{number}", a=1) for number in range(count)])


def test_a_key_that_is_withdrawn_is_fatal(ends: FarEnds):
    ends["braze"].revoke("local")

    with pytest.raises(FatalError, match="refused the key with 401"):
        delivered(connector(ends), [line("ana", a=1)])


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"type": "something"}], "something"),
        ([{"type": "something", "index": True}], "something"),
        (["something"], "something"),
        (5, "5"),
    ],
    ids=["none", "true", "text", "number"],
)
def test_an_error_without_an_index_refuses_the_batch(monkeypatch, errors: Any, said: str):
    async def vague(self: Any, request: Any) -> Any:
        return far.answer({"message": "success", "errors": errors}, 201)

    monkeypatch.setattr(far.Braze, "_track", vague)
    with (
        FarEnds() as there,
        pytest.raises(BatchRefused, match=f"refused somebody in a batch: {said}"),
    ):
        delivered(connector(there), [line("ana", a=1)])


def test_what_braze_queues_is_taken(monkeypatch):
    async def queued(self: Any, request: Any) -> Any:
        return far.answer({"message": "queued"}, 202)

    monkeypatch.setattr(far.Braze, "_track", queued)
    with FarEnds() as there:
        assert delivered(connector(there), [line("ana", a=1)]) == Delivered(1)


def test_limits_follow_the_contract(ends: FarEnds):
    newer = connector(ends, batch_size=50, requests_per_second=100, in_flight=4)

    assert connector(ends).attribute_limits.max_rows == 75
    assert newer.attribute_limits.max_rows == 50
    assert (newer.attribute_limits.per_second, newer.attribute_limits.in_flight) == (100, 4)
    body = newer.payload([b"x" * (newer.attribute_limits.max_bytes - 1)])
    assert len(body) < 4_000_000


def test_settings_and_errors_never_show_the_key(ends: FarEnds):
    it = connector(ends, api_key="s3cret")
    with pytest.raises(FatalError) as caught:
        it.check()

    assert "s3cret" not in repr(it.config)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "endpoint",
    ["http://rest.iad-01.braze.com", "https://key@rest.test", "rest.test", "https://h.test/?a=b"],
    ids=["plain-http", "user", "no-scheme", "query"],
)
def test_an_endpoint_that_gives_keys_away_is_a_mistake(endpoint: str):
    with pytest.raises(ConfigError, match="misconfigured: endpoint: Value error"):
        build({"kind": "braze", "endpoint": endpoint, "api_key": "k"}, no_clients)


def test_settings_come_from_parameter_store_by_the_names_of_old(aws: LocalAws):
    ssm = aws.clients("ssm")
    path = "/prod/personalize-connectors/braze/"
    kept = {"rest-endpoint-url": "https://rest.iad-01.braze.com/", "api-key": "s3cret"}
    for name, value in kept.items():
        ssm.put_parameter(Name=path + name, Value=value, Type="SecureString")
    found = build({"kind": "braze", "stored": f"ssm:{path}", "batch_size": 50}, aws.clients)

    assert found.config.endpoint == "https://rest.iad-01.braze.com"
    assert found.config.api_key.get_secret_value() == "s3cret"
    assert found.config.batch_size == 50


def test_settings_come_from_secrets_manager_and_those_given_win(aws: LocalAws):
    kept = {"endpoint": "https://rest.test", "api_key": "s3cret", "in_flight": 3}
    aws.clients("secretsmanager").create_secret(Name="braze", SecretString=json.dumps(kept))
    found = build({"kind": "braze", "stored": "secret:braze", "in_flight": 5}, aws.clients)

    assert (found.config.endpoint, found.config.in_flight) == ("https://rest.test", 5)


@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("ssm:/nothing/here/", ConfigError, "there are no parameters below /nothing/here/"),
        ("secret:text", ConfigError, "the secret text is not a JSON object of settings"),
        ("secret:missing", FatalError, "reading the secret missing failed with ResourceNotFound"),
        ("drawer:left", ConfigError, "'drawer:left' cannot be found; write ssm:/path/ or secret:"),
    ],
)
def test_settings_that_are_not_there_are_named(
    aws: LocalAws, place: str, error: type[Exception], said: str
):
    aws.clients("secretsmanager").create_secret(Name="text", SecretString="just text")

    with pytest.raises(error, match=said):
        build({"kind": "braze", "stored": place}, aws.clients)


def test_an_outbox_reaches_braze_through_all_that_goes_wrong(tmp_path: Path):
    many = [f"u{number:03d}" for number in range(400)]
    folder = write_outbox(tmp_path / "outbox", [many[:300], many[300:]])
    for path in folder.glob("*.jsonl"):
        path.write_bytes(path.read_bytes().replace(b'"user_id"', b'"external_id"'))
    faults = Faults(
        delay=0.05, throttle=0.05, error=0.05, unavailable=0.05, reset=0.05, lost=0.05, half=0.05,
        delay_s=0.3, throttle_s=0.1, seed=3,
    )  # fmt: skip
    with FarEnds(faults=faults) as ends:
        it = connector(ends, batch_size=10, timeout_s=0.2)
        receipt = deliver(it, folder, run="r1", patience=QUICK)

        assert (receipt.accepted, receipt.rejected) == (400, 0)
        assert sorted(ends["braze"].users()) == many
        assert ends["braze"].holds("u000") == {"recs": ["tea"]}


def test_a_preview_shows_the_body(ends: FarEnds, tmp_path: Path):
    folder = write_outbox(tmp_path / "outbox", ["ab"])
    found = preview(connector(ends), Outbox(folder))

    assert json.loads(found.payloads[0])["attributes"][1] == {"user_id": "b", "recs": ["tea"]}
    assert dict(ends["braze"].requests) == {}
