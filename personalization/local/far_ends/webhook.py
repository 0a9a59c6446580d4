"""Somebody's webhook: it checks signatures, knows repeated keys, keeps the last of each user."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from aiohttp import web

from personalization.local.far_ends.end import End, answer


class Webhook(End):
    """Takes `POST /hook` with a JSON array of objects that have a `user_id`.

    secret   of the signature `v1=<hex>` over `<timestamp>.<body>`; None checks nothing
    max_age  of a timestamp, in seconds
    refuses  users whom it will not have: `{"rejected": [{"index", "reason"}]}`
    """

    name: ClassVar[str] = "webhook"

    def __init__(
        self,
        *,
        secret: str | None = None,
        max_age_s: float = 300,
        refuses: Callable[[dict[str, Any]], str] = lambda _: "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._secret = secret
        self._max_age_s = max_age_s
        self._refuses = refuses
        self._clock = clock
        self._users: dict[str, dict[str, Any]] = {}
        self._answers: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/hook", self._hook), web.get("/hook", self._look)]

    def holds(self, user: str) -> dict[str, Any] | None:
        return self._users.get(user)

    def users(self) -> list[str]:
        return list(self._users)

    def throttled(self, wait_s: float) -> web.Response:
        return answer({"message": "slow down"}, 429, {"Retry-After": f"{wait_s:.0f}"})

    async def _look(self, _request: web.Request) -> web.Response:
        return web.Response(status=405, headers={"Allow": "POST"})

    async def _hook(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._secret is not None and not self._signed(request, body):
            return answer({"message": "the signature is wrong"}, 401)
        key = request.headers.get("Idempotency-Key", "")
        if key and key in self._answers:
            return answer(self._answers[key])
        try:
            given = orjson.loads(body)
        except orjson.JSONDecodeError:
            return answer({"message": "this is not JSON"}, 400)
        rejected = []
        for index, each in enumerate(given):
            if reason := self._refuses(each):
                rejected.append({"index": index, "reason": reason})
            else:
                self.note(each["user_id"], request)
                self._users[each["user_id"]] = each
        self._answers[key] = {"rejected": rejected} if rejected else {}
        return answer(self._answers[key])

    def _signed(self, request: web.Request, body: bytes) -> bool:
        stamp = request.headers.get("X-Timestamp", "")
        if not stamp.isdecimal() or abs(self._clock() - int(stamp)) > self._max_age_s:
            return False
        digest = hmac.new(
            (self._secret or "").encode(), f"{stamp}.".encode() + body, hashlib.sha256
        )
        return hmac.compare_digest(
            request.headers.get("X-Signature", ""), f"v1={digest.hexdigest()}"
        )
