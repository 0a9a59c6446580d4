"""When uploads in parts were begun.

moto tells of every upload in progress that it was begun in 2010; who wants to know whether one is
still coming in needs the truth.  This stands in front of moto and remembers.
Can go when moto tells when an upload was initiated (5.2.5 does not).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ID: Final = re.compile(rb"<UploadId>([^<]+)</UploadId>")
_LISTED: Final = re.compile(
    rb"(<UploadId>([^<]+)</UploadId>(?:(?!</Upload>).)*<Initiated>)[^<]*", re.DOTALL
)


class UploadTimes:
    """A WSGI application that corrects ListMultipartUploads."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner
        self._begun: dict[bytes, bytes] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if "uploads" not in query or environ["REQUEST_METHOD"] not in ("GET", "POST"):
            return self._inner(environ, start_response)
        pieces, status, headers = run_wsgi_app(self._inner, environ, buffered=True)
        body = b"".join(pieces)
        if environ["REQUEST_METHOD"] == "POST":
            now = dt.datetime.now(dt.UTC)
            for it in _ID.findall(body):
                self._begun[it] = f"{now:%Y-%m-%dT%H:%M:%S}.000Z".encode()
        else:
            body = _LISTED.sub(self._corrected, body)
        headers["Content-Length"] = str(len(body))
        return Response(body, status, headers)(environ, start_response)

    def _corrected(self, found: re.Match[bytes]) -> bytes:
        before, upload = found.groups()
        return before + self._begun[upload] if upload in self._begun else found.group()
