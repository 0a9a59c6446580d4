"""Large S3 objects served from where moto keeps them, a piece at a time.

moto answers a GET, ranged or not, with a copy of the whole object; boto3 downloads in parallel
ranges of 8 MB, so that 256 MB were copied 32 times.  This stands in front of moto: moto still
decides (as for a HEAD) whether there is an answer and what its headers are, we send the bytes.
Can go when moto reads ranges from its buffer (5.2.5 does not).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from moto.s3.models import s3_backends
from werkzeug.datastructures import Headers
from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Response

from personalization.local.wire import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LARGE = 1 << 20  # bytes; below this a copy costs nothing and moto may do as it does
PIECE = 256 << 10  # bytes read at a time, under the object's lock

# Query parameters of a plain GetObject; any other asks for something else (acl, tagging, part).
_PLAIN = re.compile(r"versionId|x-id|X-Amz-[\w-]+|AWSAccessKeyId|Signature|Expires", re.IGNORECASE)
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class LargeReads:
    """A WSGI application that answers GETs of large objects and hands the rest to moto."""

    def __init__(self, moto: WSGIApplication) -> None:
        self._moto = moto

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        answer = self._answer(environ)
        return (answer or self._moto)(environ, start_response)

    def _answer(self, environ: WSGIEnvironment) -> Response | None:
        key = _large_object(environ) if environ["REQUEST_METHOD"] == "GET" else None
        if key is None:
            return None
        about = {**environ, "REQUEST_METHOD": "HEAD"}
        asked = about.pop("HTTP_RANGE", None)
        _, status, headers = run_wsgi_app(self._moto, about, buffered=True)
        extent = _extent(asked, key.size)
        if status != "200 OK" or headers.get("ETag") != key.etag or extent is None:
            return None  # a condition failed, or the object has just been replaced: moto says so
        return _response(key, headers, extent, partial=asked is not None)


def _large_object(environ: WSGIEnvironment) -> Any | None:
    """Return moto's object for a plain GET of `/bucket/key`, if there is one and it is large."""
    path = environ["PATH_INFO"].encode("latin-1").decode()
    bucket, _, name = path.lstrip("/").partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    backend = s3_backends[ACCOUNT]["aws"]
    plain = all(_PLAIN.fullmatch(parameter) for parameter in query)
    if not name or not plain or bucket not in backend.buckets:
        return None
    key = backend.get_object(bucket, name, version_id=query.get("versionId", [None])[0])
    is_large = key is not None and key.size >= LARGE and key.storage_class == "STANDARD"
    return key if is_large else None


def _extent(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return the first byte and the one after the last; None for what moto should judge.

    Source: RFC 9110 §14.1.2 (byte ranges: both ends inclusive, `-n` for the last n).
    """
    if asked is None:
        return 0, size
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    return (start, stop) if start < stop else None


def _response(key: Any, headers: Headers, extent: tuple[int, int], *, partial: bool) -> Response:
    start, stop = extent
    headers["Accept-Ranges"] = "bytes"
    headers["Content-Length"] = str(stop - start)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{key.size}"
    checksum = f"x-amz-checksum-{(key.checksum_algorithm or '').lower()}"
    if stop - start < key.size:  # a checksum covers the object, not a part of it
        for name in [name for name, _ in headers if name.lower().startswith("x-amz-checksum-")]:
            del headers[name]
    elif checksum in headers and key.checksum_type:
        # moto's HEAD leaves out what its GET says of uploads in parts.
        headers["x-amz-checksum-type"] = key.checksum_type
        if key.checksum_type == "COMPOSITE":
            headers[checksum] = f"{key.checksum_value}-{key.checksum_parts}"
    return Response(_pieces(key, start, stop), 206 if partial else 200, headers)


def _pieces(key: Any, start: int, stop: int) -> Iterator[bytes]:
    """Yield the bytes from `start` up to `stop`; several readers may take turns."""
    while start < stop:
        with key.lock:
            key._value_buffer.seek(start)
            piece = key._value_buffer.read(min(PIECE, stop - start))
        if not piece:
            raise EOFError(f"{key.name} lost its bytes from {start} on while it was being read")
        yield piece
        start += len(piece)
