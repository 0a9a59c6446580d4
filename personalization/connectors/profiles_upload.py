"""The file that Customer Profiles is sent: the audience's ids, each with the mark of this import.

Nothing is held in memory: S3 is read as a stream, the rewritten file goes to a temporary file
(its length must be known before the PUT begins) and from there to the presigned URL as a stream.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import io
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import httpx

from personalization.aws import S3Path, aws_errors
from personalization.columns import PINPOINT_ENDPOINT_ID
from personalization.connectors.audience_file import AudienceFile
from personalization.errors import FatalError, RetryableError, shortened

_CHUNK_BYTES = 1 << 20
_SSE_C = "x-amz-server-side-encryption-customer-"


@contextmanager
def marked(
    file: AudienceFile, s3: Any, *, id_column: str, mark_column: str, mark: str
) -> Iterator[IO[bytes]]:
    """Yield an open file with the columns `id_column` (the audience's ids) and `mark_column`.

    Raises FatalError if the audience's file has another header than `Id`.
    """
    with tempfile.TemporaryFile() as rewritten:
        text = io.TextIOWrapper(rewritten, encoding="utf-8", newline="", write_through=False)
        out = csv.writer(text, lineterminator="\n")
        out.writerow([id_column, mark_column])
        out.writerows([identity, mark] for identity in _ids(file, s3))
        text.flush()
        rewritten.seek(0)
        yield rewritten
        text.detach()


def is_empty(file: AudienceFile, s3: Any) -> bool:
    """Return whether there is nobody below the header.  Raises FatalError as `marked` does."""
    return next(_ids(file, s3), None) is None


def put(
    url: str, token: str | None, body: IO[bytes], transport: httpx.BaseTransport | None
) -> None:
    """Send the file to a presigned URL.  `token` is the SSE-C key that S3 is to encrypt it with.

    Raises RetryableError for trouble that a new URL and another try may end, FatalError otherwise.
    The URL is a secret for as long as it is valid, so no message holds it.
    """
    size = body.seek(0, io.SEEK_END)
    body.seek(0)
    headers = {"Content-Length": str(size), **_encryption(token)}
    patience = httpx.Timeout(60.0)  # seconds without any progress, not for the whole upload
    try:
        with httpx.Client(transport=transport, timeout=patience) as http:
            answer = http.put(url, content=_chunks(body), headers=headers)
    except httpx.TransportError as error:
        raise RetryableError(f"the upload to Customer Profiles broke off: {error!r}") from error
    if answer.is_success:
        return
    said = f"{answer.status_code}: {shortened(answer.text)}"
    if answer.status_code in (408, 429) or answer.is_server_error or "expired" in answer.text:
        raise RetryableError(f"the upload to Customer Profiles was put off with {said}")
    raise FatalError(f"the upload to Customer Profiles was refused with {said}")


def _ids(file: AudienceFile, s3: Any) -> Iterator[str]:
    place = file.location
    with aws_errors(f"reading {place}"):
        body = s3.get_object(Bucket=place.bucket, Key=place.key, **file.pin)["Body"]
        rows = csv.reader(io.TextIOWrapper(body, encoding="utf-8-sig", newline=""), strict=True)
        try:
            _require_header(place, next(rows, []))
            for row in rows:
                if row:
                    yield row[0]
        except (csv.Error, UnicodeDecodeError) as error:
            raise FatalError(f"{place} is not the CSV it should be: {error}") from error


def _require_header(place: S3Path, header: list[str]) -> None:
    if header != [PINPOINT_ENDPOINT_ID]:
        found = shortened(", ".join(header)) or "nothing"
        raise FatalError(f"{place} has the header {found}; an audience file has one column, Id")


def _encryption(token: str | None) -> Mapping[str, str]:
    """Return the headers that GetUploadJobPath's model asks for.

    Source: botocore, customer-profiles 2020-08-15, `GetUploadJobPathResponse.ClientToken`; the
    digest is that of the decoded key: Amazon S3 user guide, "Using server-side encryption with
    customer-provided keys (SSE-C)".
    """
    if token is None:
        return {}
    try:
        key = base64.b64decode(token, validate=True)
    except binascii.Error as error:
        raise FatalError("Customer Profiles sent a ClientToken that is not base64") from error
    digest = base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()
    return {f"{_SSE_C}algorithm": "AES256", f"{_SSE_C}key": token, f"{_SSE_C}key-MD5": digest}


def _chunks(body: IO[bytes]) -> Iterator[bytes]:
    while chunk := body.read(_CHUNK_BYTES):
        yield chunk
