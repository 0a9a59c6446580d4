"""The webhook: signed as documented, and one batch is one batch, however often it is sent."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import web

from personalization.connectors import BatchRefused, Delivered, Rejected, Webhook, build
from personalization.connectors.webhook import WebhookConfig
from personalization.errors import ConfigError, FatalError, RetryableError
from personalization.local.far_ends import end
from personalization.local.far_ends import webhook as far
from personalization.local.far_ends.server import FarEnds
from tests.connectors.attribute_worlds import deliver_once
from tests.delivery.conftest import no_clients

LINES = [b'{"user_id":"ana","recs":["tea"]}', b'{"user_id":"bob","recs":[]}']


class Recorder(end.End):
    """Answers as it is told, and keeps what it was sent."""

    name = "hook"

    def __init__(self, status: int = 200, body: Any = None, headers: Any = None) -> None:
        super().__init__()
        self.said = (body or {}, status, headers)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.urls: list[str] = []

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/x", self._post), web.post("/x/", self._post)]

    def holds(self, user: str) -> dict[str, Any] | None:
        return {} if user in self.users() else None

    def users(self) -> list[str]:
        return []

    def throttled(self, wait_s: float) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": f"{wait_s:g}"})

    async def _post(self, request: web.Request) -> web.Response:
        self.urls.append(str(request.rel_url))
        self.got.append((dict(request.headers), await request.read()))
        return end.answer(*self.said)


def webhook(url: str, now: float = 1_700_000_000.9, **settings: Any) -> Webhook:
    config = WebhookConfig(url=url, secret="a shared secret", **settings)
    return Webhook(config, no_clients, clock=lambda: now)


def answered(recorder: Recorder, lines: Sequence[bytes] = LINES) -> Delivered:
    with FarEnds(ends=[recorder]) as ends:
        return deliver_once(webhook(f"{ends.url}/hook/x"), lines)


def test_a_batch_is_an_array_with_a_signature_over_time_and_body():
    recorder = Recorder()
    answer = answered(recorder)
    headers, body = recorder.got[0]

    assert answer == Delivered(2)
    assert body == b"[" + LINES[0] + b"," + LINES[1] + b"]"
    assert headers["X-Timestamp"] == "1700000000"
    expected = hmac.new(b"a shared secret", b"1700000000." + body, hashlib.sha256).hexdigest()
    assert headers["X-Signature"] == f"v1={expected}"
    assert headers["Content-Type"] == "application/json"
    assert len(headers["Idempotency-Key"]) == 32


def test_a_batch_that_comes_twice_is_applied_once():
    with FarEnds() as ends:
        it = webhook(f"{ends.url}/webhook/hook")

        async def twice() -> None:
            await it.open("r1")
            for _ in range(2):
                await it.deliver(LINES, key="the-same")
            await it.close(complete=True)

        asyncio.run(twice())

        assert ends["webhook"].taken == {"ana": 1, "bob": 1}


@pytest.mark.parametrize(
    ("secret", "now"), [("another secret", 0.0), ("a shared secret", -301.0)], ids=["key", "old"]
)
def test_the_far_end_knows_a_wrong_signature_and_an_old_one(secret: str, now: float):
    hook = far.Webhook(secret=secret, clock=lambda: 1_700_000_000.0)
    with FarEnds(ends=[hook]) as ends, pytest.raises(FatalError, match="the signature is wrong"):
        deliver_once(webhook(f"{ends.url}/webhook/hook", now=1_700_000_000.0 + now), LINES)


def test_those_who_are_named_are_rejected():
    said = {"rejected": [{"index": 1, "reason": "who?"}]}

    assert answered(Recorder(body=said)) == Delivered(1, (Rejected(1, "who?"),))


@pytest.mark.parametrize(
    ("recorder", "error", "said"),
    [
        (Recorder(429, headers={"Retry-After": "7"}), RetryableError, "answered 429"),
        (Recorder(502, {"error": "later"}), RetryableError, "answered 502: later"),
        (
            Recorder(400, {"errors": ["bad json"]}),
            BatchRefused,
            "refused a batch with 400: bad json",
        ),
        (Recorder(409, {"error": "in progress"}), RetryableError, "answered 409: in progress"),
        (Recorder(422), BatchRefused, "refused a batch with 422"),
        (Recorder(403), FatalError, "refused the key with 403"),
        (Recorder(404), FatalError, "answered 404; check the endpoint"),
        (Recorder(302, headers={"Location": "/y"}), FatalError, "answered 302; check the endpoint"),
        (Recorder(200, {"rejected": [{"index": 2}]}), BatchRefused, "was not in the batch"),
    ],
    ids=[
        "throttled",
        "down",
        "bad",
        "in-progress",
        "unprocessable",
        "denied",
        "gone",
        "moved",
        "nonsense",
    ],
)
def test_answers_are_taken_for_what_they_mean(
    recorder: Recorder, error: type[Exception], said: str
):
    with pytest.raises(error, match=said) as caught:
        answered(recorder)

    assert type(caught.value) is error
    if recorder.said[1] == 429:
        assert caught.value.retry_after_s == 7


def test_what_was_sent_is_never_repeated_in_an_error():
    echo = Recorder(400, {"you_sent": "tea", "body": LINES[0].decode()})

    with pytest.raises(BatchRefused) as caught:
        answered(echo)

    assert "tea" not in str(caught.value)
    assert "ana" not in str(caught.value)


def test_a_retry_after_may_be_a_date_by_the_far_ends_clock():
    headers = {
        "Date": "Tue, 07 Nov 2023 10:00:00 GMT",
        "Retry-After": "Tue, 07 Nov 2023 10:01:30 GMT",
    }

    with pytest.raises(RetryableError) as caught:
        answered(Recorder(503, headers=headers))

    assert caught.value.retry_after_s == 90


def test_nobody_is_made_to_wait_for_days():
    with pytest.raises(RetryableError) as caught:
        answered(Recorder(429, headers={"Retry-After": "86400"}))

    assert caught.value.retry_after_s == 900


@pytest.mark.parametrize("path", ["/hook/x", "/hook/x/"], ids=["file", "folder"])
def test_a_url_is_called_as_it_is_written(path: str):
    recorder = Recorder()
    with FarEnds(ends=[recorder]) as ends:
        deliver_once(webhook(f"{ends.url}{path}"), LINES)

    assert recorder.urls == [path]


def test_a_query_is_sent_and_never_shown(caplog: pytest.LogCaptureFixture):
    recorder = Recorder()
    with FarEnds(ends=[recorder]) as ends, caplog.at_level("DEBUG"):
        it = webhook(f"{ends.url}/hook/x", query="code=a%2Fb&x=1")
        it.check()
        deliver_once(it, LINES)
        recorder.said = ({}, 404, None)
        with pytest.raises(FatalError) as caught:
            deliver_once(it, LINES)

    assert recorder.urls[0] == "/hook/x?code=a%2Fb&x=1"
    assert "code" not in str(caught.value) + repr(it.config)
    ours = [it.getMessage() for it in caplog.records if not it.name.startswith("aiohttp.access")]
    assert [it for it in ours if "code=" in it] == []


@pytest.mark.parametrize("query", ["", "?a=1", "a=1#b", "a b", "ä=1"])
def test_a_query_is_what_stands_after_the_mark(query: str):
    with pytest.raises(ConfigError, match=r"query: Value error, write what stands after the \?"):
        build(
            {"kind": "webhook", "url": "https://x.test", "secret": "s" * 8, "query": query},
            no_clients,
        )


def test_a_check_says_when_nothing_is_there():
    with FarEnds() as ends:
        webhook(f"{ends.url}/webhook/hook").check()
        with pytest.raises(FatalError, match="has nothing at this URL: 404; check it"):
            webhook(f"{ends.url}/webhook/nothing").check()
        # What is there may be there for those only who have the query.
        webhook(f"{ends.url}/webhook/nothing", query="code=1").check()


def test_a_delivery_needs_an_open_door():
    it = webhook("https://crm.test/x")

    with pytest.raises(FatalError, match=r"crm\.test was called before it was opened"):
        asyncio.run(it.deliver(LINES, key="k"))


def test_the_id_goes_where_it_is_wanted():
    before, between, after = webhook("https://crm.test", user_key="customer").rendering().pieces

    assert json.loads(f'{before}"ana"{between}"a":1{after}') == {"customer": "ana", "a": 1}
