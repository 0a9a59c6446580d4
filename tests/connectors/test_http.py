"""What answers say, and how long they ask to wait."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from personalization.connectors.http import Answer, Door, wait_s
from personalization.connectors.proof import MayNotRead
from personalization.errors import FatalError, RetryableError
from personalization.local.far_ends import braze, end
from personalization.local.far_ends.server import FarEnds

AT_TEN = "Tue, 07 Nov 2023 10:00:00 GMT"  # Unix second 1699351200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "no"}, "400: no"),
        ({"errors": [{"title": "Invalid", "detail": "no such thing"}]}, "400: no such thing"),
        ({"errors": ["no"]}, "400: no"),
        ({"meta": {"error": "no"}}, "400: no"),
        ({"message": "a\n b" * 100}, "400: " + "a ba ba b"),
        ({"attributes": [{"external_id": "ana"}]}, "400"),
        ([1, 2], "400"),
        ("text", "400"),
    ],
    ids=["message", "detail", "texts", "meta", "long", "echo", "list", "text"],
)
def test_an_answer_is_quoted_by_its_message_only(body: Any, said: str):
    found = Answer(400, {}, json.dumps(body).encode()).said

    assert found == said or (len(found) <= 205 and found.startswith(said))


def test_an_answer_that_is_not_json_is_quoted_by_its_status():
    assert Answer(502, {}, b"<html>ana</html>").said == "502"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": AT_TEN, "Date": "Tue, 07 Nov 2023 09:59:50 GMT"}, 10),
        ({"X-RateLimit-Reset": "1699351203", "Date": AT_TEN}, 3),
        ({"X-RateLimit-Reset": "1699351100", "Date": AT_TEN}, 0),
        ({"X-RateLimit-Reset": "1699999999", "Date": AT_TEN}, 900),
        ({"Retry-After": "2", "X-RateLimit-Reset": "1699351203", "Date": AT_TEN}, 2),
    ],
    ids=["nothing", "seconds", "part", "words", "date", "reset", "past", "far", "both"],
)
def test_the_wait_is_read_by_the_far_ends_clock(headers: dict[str, str], seconds: float | None):
    assert wait_s(Answer(429, headers, b"")) == seconds


def test_deliveries_go_through_the_proxy_of_the_environment_as_checks_do(
    monkeypatch: pytest.MonkeyPatch,
):
    async def once(door: Door) -> Answer:
        await door.open()
        try:
            return await door.send("POST", "/users/track", b'{"attributes":[]}')
        finally:
            await door.close()

    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FarEnds() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        key = {"Authorization": "Bearer local"}
        # Nobody listens there; only a proxy can answer.
        door = Door("http://localhost:1/braze", key, timeout_s=5, at_once=1)
        looked = door.look("/custom_attributes")
        sent = asyncio.run(once(door))

    assert looked.ok
    assert sent.status == 400  # Braze's far end has looked at it: nobody was in it


def test_an_answer_that_is_no_http_is_told_without_the_url():
    async def once(port: int) -> None:
        door = Door(f"http://127.0.0.1:{port}", {}, timeout_s=5, at_once=1)
        await door.open()
        try:
            await door.send("POST", "/x?code=s3cret")
        finally:
            await door.close()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/9 what\r\n\r\n")
        await writer.drain()
        writer.close()

    async def both() -> None:
        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            await once(server.sockets[0].getsockname()[1])

    with pytest.raises(RetryableError, match="is out of reach: ") as caught:
        asyncio.run(both())

    assert "s3cret" not in str(caught.value)


def test_a_permission_that_is_missing_is_no_wrong_key(monkeypatch: pytest.MonkeyPatch):
    keys = {"local": frozenset({"users.track"})}
    with FarEnds(ends=[braze.Braze(keys=keys)]) as ends:
        key = {"Authorization": "Bearer local"}
        door = Door(f"{ends.url}/braze", key, timeout_s=5, at_once=1)
        with pytest.raises(MayNotRead, match="refused the key with 403: This API key lacks"):
            door.look("/custom_attributes")


def test_a_look_that_is_refused_is_fatal(monkeypatch: pytest.MonkeyPatch):
    async def refusing(self: Any, request: Any) -> Any:
        return end.answer({"message": "not like this"}, 400)

    monkeypatch.setattr(braze.Braze, "_custom_attributes", refusing)
    with FarEnds() as ends:
        door = Door(f"{ends.url}/braze", {}, timeout_s=5, at_once=1)
        with pytest.raises(FatalError, match="refused GET /custom_attributes with 400: not like"):
            door.look("/custom_attributes")
