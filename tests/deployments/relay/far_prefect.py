"""A server that answers as Prefect's API does, or as badly as a test wants.  Real HTTP."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Events = list[dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """What to answer a POST of events with.

    kept   whether the server has taken the events nevertheless
    cut    hang up in the middle of the answer
    reset  hang up without one
    late_s seconds to think first
    """

    status: int = 204
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    reset: bool = False
    kept: bool = False
    late_s: float = 0


TAKEN = Answer(204, kept=True)
Policy = Callable[[Events], Answer]


class FarPrefect:
    """Prefect's API on 127.0.0.1, up from construction.

    policy  what to answer to a POST of events
    health  status of /health
    """

    def __init__(self, policy: Policy = lambda _events: TAKEN) -> None:
        self.policy = policy
        self.health = 200
        self.taken: Events = []
        self.offered: list[list[str]] = []
        self.headers: list[dict[str, str]] = []
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/api"

    @property
    def keys(self) -> list[str]:
        """The keys of the events that were taken, in order."""
        return [it["payload"]["key"] for it in self.taken]

    def up(self) -> None:
        far = self

        class Handler(BaseHTTPRequestHandler):  # HTTP/1.0: a connection for each request
            def do_GET(self) -> None:
                if self.path == "/api/health":
                    far.tell(self, Answer(far.health, "true"))
                else:  # the CSRF token: a server without protection says so
                    far.tell(self, Answer(422, '{"detail": "CSRF protection is disabled."}'))

            def do_POST(self) -> None:
                events = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                far.headers.append({name.lower(): it for name, it in self.headers.items()})
                far.offered.append([it["id"] for it in events])
                answer = far.policy(events)
                if answer.kept:
                    far.taken += events
                far.tell(self, answer)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """From now on connections are refused."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def tell(self, to: BaseHTTPRequestHandler, answer: Answer) -> None:
        time.sleep(answer.late_s)
        if answer.reset:
            to.connection.shutdown(socket.SHUT_RDWR)
            return
        try:
            to.send_response(answer.status)
            for name, value in answer.headers.items():
                to.send_header(name, value)
            if answer.status != 204:
                body = answer.body.encode()
                to.send_header("Content-Length", str(len(body) + (10 if answer.cut else 0)))
            to.end_headers()
            if answer.status != 204:
                to.wfile.write(body)
        except OSError:
            return  # whoever asked has hung up
