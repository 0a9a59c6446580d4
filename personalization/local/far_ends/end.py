"""What every far end has: routes, its own way to say "later", and what it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any, ClassVar

import orjson
from aiohttp import web

# Where a request says what goes wrong with it.
FAULT = web.RequestKey("fault", object)


class End(ABC):
    """One destination.

    requests  by path, as they came in, faults included
    faults    what went wrong with them, by kind
    taken     how often something was processed for a user
    repeated  how often it was sent and answered again although an answer had gone out whole
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self._told: set[str] = set()

    def note(self, user: str, request: web.Request) -> None:
        """Note that something is processed for a user."""
        self.taken[user] += 1
        if request.get(FAULT) is not None:
            return  # nobody hears of it; if it comes late, the sender may have moved on
        if user in self._told:
            self.repeated[user] += 1
        self._told.add(user)

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """Return the routes, below the end's name."""

    @abstractmethod
    def holds(self, user: str) -> dict[str, Any] | None:
        """Return what it holds for a user; None for a stranger."""

    @abstractmethod
    def users(self) -> list[str]:
        """Return everybody it knows."""

    @abstractmethod
    def throttled(self, wait_s: float) -> web.Response:
        """Return its 429, asking to wait so long."""

    def failed(self, status: int) -> web.Response:
        """Return its 500 or 503."""
        return answer({"message": "The far end has a problem of its own"}, status)


def answer(
    body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a JSON response."""
    return web.Response(
        body=orjson.dumps(body), status=status, headers=headers, content_type="application/json"
    )


async def json_object(request: web.Request) -> dict[str, Any] | None:
    """Return the request's JSON object; None if it is none."""
    try:
        found = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None
