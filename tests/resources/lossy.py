"""A way to the local AWS on which an answer gets lost: the work is done, and nobody is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@contextmanager
def losing_one_answer(endpoint_url: str, operation: str) -> Iterator[tuple[str, list[str]]]:
    """Yield an address that passes everything on, and the operations that were asked for there.

    The first answer to `operation` never arrives: the connection is closed instead.
    """
    asked: list[str] = []
    far = urlsplit(endpoint_url)

    class Passing(BaseHTTPRequestHandler):
        def _pass_on(self) -> None:
            name = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
            asked.append(name)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = HTTPConnection(str(far.hostname), far.port)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if name == operation and asked.count(name) == 1:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for key, value in answer.getheaders():
                if key.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(key, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = _pass_on

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Passing)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
