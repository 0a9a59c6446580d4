"""What every far end has: routes, its own way to say "later", and what it holds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from typing import Any, ClassVar

import orjson
from aiohttp import web


class End(ABC):
    """One destination.

    requests  by path, as they came in, faults included
    taken     how often something was processed for a user
    """

    name: ClassVar[str]

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()

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
