"""One server for the far ends, on a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any

from aiohttp import web

from personalization.local.far_ends.braze import Braze
from personalization.local.far_ends.customerio import Customerio
from personalization.local.far_ends.end import FAULT, End, answer, json_object
from personalization.local.far_ends.faults import Dice, Faults
from personalization.local.far_ends.klaviyo import Klaviyo
from personalization.local.far_ends.webhook import Webhook

logger = logging.getLogger(__name__)

_LARGEST_BODY = 64_000_000
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FarEnds:
    """Destinations on 127.0.0.1, from construction until `close`.

    `GET /<name>/_holds` counts, `GET /<name>/_holds/<user>` shows; `PUT /_faults` sets what goes
    wrong from now on.  Those of a destination's own routes are all that faults befall.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        ends: Sequence[End] | None = None,
        faults: Faults | None = None,
    ) -> None:
        made = ends if ends is not None else (Braze(), Webhook(), Klaviyo(), Customerio())
        self.ends = {each.name: each for each in made}
        self.set_faults(faults or Faults())
        listening = socket.create_server((host, port), backlog=256)
        self.url = f"http://{host}:{listening.getsockname()[1]}"
        self._loop = asyncio.new_event_loop()
        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.2)
        self._thread = threading.Thread(
            target=self._serve, args=(listening,), name="far-ends", daemon=True
        )
        self._started = threading.Event()
        self._thread.start()
        self._started.wait()
        logger.info("far ends answer on %s", self.url)

    def __getitem__(self, name: str) -> Any:
        return self.ends[name]

    def set_faults(self, faults: Faults) -> None:
        """From now on, this goes wrong."""
        self._dice = Dice(faults)

    def close(self) -> None:
        """Stop, and hang up on whoever is connected."""
        if not self._loop.is_closed():
            asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> FarEnds:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _serve(self, listening: socket.socket) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._runner.setup())
        self._loop.run_until_complete(web.SockSite(self._runner, listening).start())
        self._loop.call_soon(self._started.set)
        self._loop.run_forever()
        self._loop.run_until_complete(_ended())
        self._loop.close()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_get("/health", self._health)
        application.router.add_put("/_faults", self._put_faults)
        for end in self.ends.values():
            application.router.add_get(f"/{end.name}/_holds", self._count(end))
            application.router.add_get(f"/{end.name}/_holds/{{user:.+}}", self._show(end))
            for route in end.routes():
                application.router.add_route(
                    route.method, f"/{end.name}{route.path}", self._faulty(end, route.handler)
                )
        return application

    def _faulty(self, end: End, handler: Any) -> _Handler:
        async def handled(request: web.Request) -> web.StreamResponse:
            end.requests[request.path] += 1
            request[FAULT] = fault = self._dice.throw()
            faults = self._dice.faults
            if fault is not None:
                end.faults[fault] += 1
            if fault == "delay":
                await asyncio.sleep(faults.delay_s)
            if fault == "throttle":
                return end.throttled(faults.throttle_s)
            if fault in ("error", "unavailable"):
                return end.failed(500 if fault == "error" else 503)
            try:
                await request.read()
            except ConnectionResetError:  # the sender was killed
                return web.Response(status=500)  # goes nowhere
            if fault == "reset":
                return _reset(request)
            response: web.Response = await handler(request)
            if fault == "lost":
                return _reset(request)
            if fault == "half":
                return await _half(request, response)
            return response

        return handled

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _put_faults(self, request: web.Request) -> web.Response:
        try:
            self.set_faults(Faults.of(await json_object(request) or {}))
        except ValueError as error:
            return answer({"message": str(error)}, 400)
        return answer({"faults": dict(self._dice.faults.shares())})

    def _count(self, end: End) -> _Handler:
        async def counted(_request: web.Request) -> web.StreamResponse:
            return answer({"users": len(end.users()), "requests": dict(end.requests)})

        return counted

    def _show(self, end: End) -> _Handler:
        async def shown(request: web.Request) -> web.StreamResponse:
            found = end.holds(request.match_info["user"])
            return answer(found) if found is not None else answer({"message": "unknown"}, 404)

        return shown


async def _ended() -> None:
    """Cancel what still waits, such as an answer that is late by configuration."""
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for each in rest:
        each.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


def _reset(request: web.Request) -> web.Response:
    """Reset the connection: no FIN, no answer."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        transport.abort()
    return web.Response(status=500)  # goes nowhere


async def _half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send the head and half of the body of an answer, then hang up."""
    body = bytes(whole.body) if isinstance(whole.body, (bytes, bytearray)) else b""
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = max(len(body), 2)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
