"""What the relay is doing, for people and for whoever restarts it: one page of JSON."""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from personalization.errors import ConfigError

log = logging.getLogger(__name__)


class Health:
    """Told by the relay how things go; tells it to others.

    alive_s  seconds without a sign of life after which the relay counts as stuck
    """

    def __init__(
        self,
        queue: str,
        prefect: str,
        *,
        alive_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.trouble: str | None = "not yet begun"
        self._alive_s = alive_s
        self._places = {"queue": queue, "prefect": prefect}
        self._last: dict[str, dt.datetime] = {}
        self._clock = clock
        self._signed_at = clock()

    def alive(self) -> None:
        """Say that the relay is not stuck, whatever else."""
        self._signed_at = self._clock()

    def happened(self, what: str) -> None:
        """Note the moment of a `poll` or a `delivery`: both need what they need to be there."""
        self.alive()
        self.trouble = None
        self._last[what] = dt.datetime.now(dt.UTC)

    def state(self) -> str:
        """Return `relaying`, `waiting` for something that is away, or `stuck`."""
        if self._clock() - self._signed_at > self._alive_s:
            return "stuck"
        return "waiting" if self.trouble else "relaying"

    def page(self) -> dict[str, Any]:
        """Return what there is to know, ready for JSON."""
        last = {name: self._last.get(name) for name in ("poll", "delivery")}
        return {
            "state": self.state(),
            "trouble": self.trouble,
            **{f"last_{name}": it.isoformat() if it else None for name, it in last.items()},
            "counts": dict(self.counts),
            **self._places,
        }


@contextmanager
def answering(page: Callable[[], dict[str, Any]], host: str, port: int) -> Iterator[str]:
    """Serve the page until left; yield the URL of /health.  Port 0 takes any free one.

    /health  whether the relay is alive: 200 unless its state is `stuck`, then 503.  Started anew,
             it would wait for what is away as it does now, and give back what it holds
    /ready   whether uploads go through: 200 while its state is `relaying`, else 503
    """
    try:
        server = ThreadingHTTPServer((host, port), partial(_Page, page))
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --health-port, or "
            "0 for any free one"
        ) from error
    thread = threading.Thread(
        target=server.serve_forever, args=(0.1,), name="relay-health", daemon=True
    )
    thread.start()
    try:
        yield f"http://{host}:{server.server_port}/health"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


# The states in which each path answers 200.
_WELL: Final = {"/health": {"relaying", "waiting"}, "/ready": {"relaying"}}


class _Page(BaseHTTPRequestHandler):
    timeout = 5  # seconds for a request to be told

    def __init__(self, page: Callable[[], dict[str, Any]], *arguments: Any) -> None:
        self._page = page
        super().__init__(*arguments)

    def do_GET(self) -> None:
        if self.path not in _WELL:
            self.send_error(404, explain=f"there are only {' and '.join(_WELL)}")
            return
        page = self._page()
        body = json.dumps(page, indent=2).encode()
        self.send_response(200 if page["state"] in _WELL[self.path] else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)
