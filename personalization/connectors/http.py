"""What destinations that are reached by plain HTTPS share: one door, and what its answers mean.

Sending goes through aiohttp: measured on loopback it makes several thousand requests a second where
httpx makes three hundred, and Braze alone takes a thousand.  A check is one call and uses httpx.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import httpx
import orjson
from pydantic import AfterValidator
from yarl import URL

from personalization.connectors.base import BatchRefused, TakesAttributes
from personalization.connectors.proof import MayNotRead
from personalization.errors import FatalError, RetryableError, shortened

# Statuses that a later try may change.  425 and 408 say so themselves.  409 is the usual answer to
# an idempotency key whose first request is still being worked on.
_LATER = frozenset({408, 409, 425, 429})
_UNKNOWN, _NOT_ALLOWED = 401, 403
# Statuses that are about this body: others may pass.
_ABOUT_THE_BODY = frozenset({400, 413, 422})
# Nobody is asked to wait longer than this at once, whatever a header says.
MAX_WAIT_S = 900.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def _secure(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("write https://host/path, without user, query or fragment")
    if not url.isascii() or any(it.isspace() for it in url):
        raise ValueError("write it percent-encoded, without blanks")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("only https goes over a network: keys and customers' data are sent")
    return url


# A URL that is called as it is, down to its last slash.
SecureUrl = Annotated[str, AfterValidator(_secure)]
# A URL that paths are put behind.
Endpoint = Annotated[SecureUrl, AfterValidator(lambda url: url.rstrip("/"))]


@dataclass(frozen=True)
class Answer:
    """What came back, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """2xx."""
        return 200 <= self.status < 300

    def json(self) -> dict[str, Any]:
        """Return the body's JSON object; empty if it is none."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def said(self) -> str:
        """The status, and the far end's own words if they stand where messages stand.

        Anything else in a body is left out: it may repeat what was sent.
        """
        words = _message(self.json())
        return f"{self.status}: {shortened(words)}" if words else f"{self.status}"


class Door:
    """The way to one destination, from `open` to `close`, in one event loop.

    place    how errors name it; never a URL with a key in it
    headers  sent with every request
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, timeout_s: float, at_once: int
    ) -> None:
        self._url = url
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None
        self.place = urlsplit(url).netloc

    async def open(self) -> None:
        """Connections are kept alive and reused from here on, through a proxy if there is one.

        Proxies are those of the environment (HTTPS_PROXY, NO_PROXY), as for a check.
        """
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=self._timeout_s),
            connector=aiohttp.TCPConnector(limit=self._at_once),
            trust_env=True,
        )

    async def close(self) -> None:
        """Hang up."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return an answer that is 2xx or about the body; raise what else there may be.

        Raises RetryableError when there was no whole answer, or one that means later; FatalError
        when the key is not good enough.
        """
        if self._session is None:
            raise FatalError(f"{self.place} was called before it was opened")
        # As it is written: what is decoded and encoded again may be another signature.
        url = URL(f"{self._url}{path}", encoded=True)
        try:
            async with self._session.request(
                method, url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = Answer(response.status, response.headers, await response.read())
        except TimeoutError as error:
            raise RetryableError(
                f"{self.place} did not answer within {self._timeout_s:g} s"
            ) from error
        except aiohttp.ClientError as error:
            said = shortened(_words(error)) or type(error).__name__
            raise RetryableError(f"{self.place} is out of reach: {said}") from error
        return sorted_out(answer, self.place)

    def look(self, path: str) -> Answer:
        """GET, from where there is no event loop.  Raises as `send` does, and for any other 4xx.

        403 is MayNotRead: the key is known, and has not got this permission.
        """
        answer = self.ask("GET", path)
        if answer.status == _NOT_ALLOWED:
            raise MayNotRead(_refused(answer, self.place))
        if not sorted_out(answer, self.place).ok:
            raise FatalError(f"{self.place} refused GET {path} with {answer.said}")
        return answer

    def ask(self, method: str, path: str = "") -> Answer:
        """Return any answer, from where there is no event loop.

        Raises FatalError if there is no such host, RetryableError if it does not answer.
        """
        try:
            response = httpx.request(
                method, f"{self._url}{path}", headers=self._headers, timeout=self._timeout_s
            )
        except httpx.TransportError as error:
            if _is_unknown_host(error):
                raise FatalError(
                    f"there is no host {self.place}: {shortened(error)}; check the endpoint"
                ) from error
            raise RetryableError(f"{self.place} is out of reach: {shortened(error)}") from error
        return Answer(response.status_code, response.headers, response.content)


class ThroughADoor(TakesAttributes):
    """A destination of attributes that has one door: `_door`, made by its constructor."""

    _door: Door

    async def open(self, run: str) -> None:  # noqa: ARG002 (every run goes through the same door)
        await self._door.open()

    async def close(self, *, complete: bool) -> None:  # noqa: ARG002 (nothing is left to finish)
        await self._door.close()


def sorted_out(answer: Answer, place: str) -> Answer:
    """Return an answer that is 2xx or about the body that was sent; raise what others mean."""
    if answer.status in _LATER or answer.status >= 500:
        raise RetryableError(f"{place} answered {answer.said}", retry_after_s=wait_s(answer))
    if answer.status in (_UNKNOWN, _NOT_ALLOWED):
        raise FatalError(_refused(answer, place))
    if answer.ok or answer.status in _ABOUT_THE_BODY:
        return answer
    raise FatalError(f"{place} answered {answer.said}; check the endpoint")


def _refused(answer: Answer, place: str) -> str:
    return (
        f"{place} refused the key with {answer.said}; check the key, its permissions and that it "
        "belongs to this endpoint"
    )


def accepted(answer: Answer, place: str) -> Answer:
    """Return a 2xx answer.  Raises BatchRefused for one about the body."""
    if not answer.ok:
        raise BatchRefused(f"{place} refused a batch with {answer.said}")
    return answer


def wait_s(answer: Answer) -> float | None:
    """Return the seconds after which the far end wants to be asked again, if it says so.

    `Retry-After` is seconds or a date (RFC 9110 §10.2.3); `X-RateLimit-Reset` is Unix seconds
    (Braze API reference, "Rate limits").  Moments are measured by the far end's own clock, its
    `Date`, so that ours may be wrong.
    """
    now = _moment(answer.headers.get("Date", "")) or dt.datetime.now(dt.UTC).timestamp()
    after = answer.headers.get("Retry-After", "")
    if _number(after) is not None:
        return _bounded(_number(after) or 0.0)
    if (at := _moment(after)) is not None:
        return _bounded(at - now)
    if (reset := _number(answer.headers.get("X-RateLimit-Reset", ""))) is not None:
        return _bounded(reset - now)
    return None


def _words(error: aiohttp.ClientError) -> str:
    """Return what an error says, without the URL that some repeat: a key may be in it."""
    return error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)


def _is_unknown_host(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error is not None and error.errno == socket.EAI_NONAME


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_WAIT_S)


def _number(text: str) -> float | None:
    return float(text) if text.strip().replace(".", "", 1).isdecimal() else None


def _moment(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def _message(body: Mapping[str, Any]) -> str:
    """Find the words in the shapes that services use: message, error, errors[].detail."""
    for key in ("message", "error", "detail", "title", "reason"):
        if isinstance(body.get(key), str):
            return str(body[key])
    for key in ("errors", "meta"):
        inner = body.get(key)
        first = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(first, dict) and (words := _message(first)):
            return words
        if isinstance(first, str):
            return first
    return ""
