"""Customer.io's Track API, as far as identifying people and manual segments go.

Source: Track API reference, "Send multiple requests" (/api/v2/batch), "Add people to a manual
segment", "Remove people from a manual segment", "Find your account region".
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, ClassVar

import orjson
from aiohttp import web

from personalization.local.far_ends.end import End, answer, json_object

_MAX_BODY, _MAX_OPERATION, _MAX_IDS = 500_000, 32_000, 1_000


class Customerio(End):
    """One workspace.  segments: those made in it, by number."""

    name: ClassVar[str] = "customerio"

    def __init__(self, *, credentials: str = "local:local", segments: Iterable[int] = (7,)) -> None:
        super().__init__()
        self._authorization = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        self._people: dict[str, dict[str, Any]] = {}
        self.segments: dict[int, set[str]] = {number: set() for number in segments}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/api/v1/accounts/region", self._region),
            web.post("/api/v2/batch", self._batch),
            web.post("/api/v1/segments/{segment}/add_customers", self._add),
            web.post("/api/v1/segments/{segment}/remove_customers", self._remove),
        ]

    def holds(self, user: str) -> dict[str, Any] | None:
        return self._people.get(user)

    def users(self) -> list[str]:
        return list(self._people)

    def throttled(self, wait_s: float) -> web.Response:
        return answer(
            {"meta": {"error": "Too many requests"}}, 429, {"Retry-After": f"{wait_s:.0f}"}
        )

    def _refused(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != self._authorization:
            return answer({"meta": {"error": "Unauthorized request"}}, 401)
        return None

    async def _region(self, request: web.Request) -> web.Response:
        return self._refused(request) or answer({"region": "us", "environment_id": 1})

    async def _batch(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        if len(await request.read()) >= _MAX_BODY:
            return answer({"errors": [{"reason": "too_large", "message": "500 KB at most"}]}, 413)
        body = await json_object(request)
        batch = (body or {}).get("batch")
        if not isinstance(batch, list):
            return answer({"errors": [{"reason": "required", "field": "batch"}]}, 400)
        errors = [
            {"batch_index": index, "reason": "invalid", "message": wrong}
            for index, each in enumerate(batch)
            if (wrong := self._identify(each, request))
        ]
        return answer({"errors": errors}, 207) if errors else answer({})

    def _identify(self, each: dict[str, Any], request: web.Request) -> str:
        if len(orjson.dumps(each)) > _MAX_OPERATION:
            return "larger than 32 KB"
        if (each.get("type"), each.get("action")) != ("person", "identify"):
            return "only people are identified here"
        user = each.get("identifiers", {}).get("id")
        if not isinstance(user, str) or not user:
            return "an identifier is required"
        self.note(user, request)
        person = self._people.setdefault(user, {})
        for name, value in each.get("attributes", {}).items():
            if value == "":
                person.pop(name, None)
            else:
                person[name] = value
        return ""

    async def _add(self, request: web.Request) -> web.Response:
        return await self._moved(request, joins=True)

    async def _remove(self, request: web.Request) -> web.Response:
        return await self._moved(request, joins=False)

    async def _moved(self, request: web.Request, *, joins: bool) -> web.Response:
        if refused := self._refused(request):
            return refused
        number = int(request.match_info["segment"])
        ids = ((await json_object(request)) or {}).get("ids")
        if number not in self.segments:
            return answer({"meta": {"error": "there is no such segment"}}, 404)
        if not isinstance(ids, list) or not 1 <= len(ids) <= _MAX_IDS:
            return answer({"meta": {"error": f"ids are 1 to {_MAX_IDS:,}"}}, 400)
        if joins:
            self.segments[number] |= set(ids)
        else:
            self.segments[number] -= set(ids)
        return answer({})
