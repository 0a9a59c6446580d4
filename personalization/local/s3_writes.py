"""Conditional writes to S3, one after the other.

S3 decides `If-None-Match` and `If-Match` as one step with the write; moto looks first and writes
then, so that two at the same moment may both succeed.  This stands in front of moto.
Can go when moto does both under one lock (5.2.5 does not).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Objects share locks: a few too many waits, and no lock that has to be forgotten.
_LOCKS: Final = 64


class ConditionalWrites:
    """A WSGI application that lets no two conditional writes to an object be answered at once."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        conditions = {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH"} & set(environ)
        if environ["REQUEST_METHOD"] in ("GET", "HEAD") or not conditions:
            return self._inner(environ, start_response)
        with self._locks[hash(environ["PATH_INFO"]) % _LOCKS]:
            return self._inner(environ, start_response)
