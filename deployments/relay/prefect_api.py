"""Prefect's API as the relay needs it: is it there, and does it take these events?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import httpx
from prefect.client.base import ServerType
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from personalization.connectors.http import Answer, wait_s
from personalization.errors import ConfigError, FatalError, RetryableError, shortened

_NO_CONTENT: Final = 204
_LATER: Final = frozenset({408, 425, 429})
_ABOUT_THE_EVENTS: Final = frozenset({413, 422})
_STUMBLED: Final = 500
_WHO_ARE_YOU: Final = frozenset({401, 403})


class Refused(FatalError):
    """The server does not take these events; others it may.

    for_good  it says that they are wrong; else it stumbled over them, and may not the next time
    """

    def __init__(self, message: str, *, for_good: bool) -> None:
        super().__init__(message)
        self.for_good = for_good


class PrefectApi:
    """Asks once: whoever asks decides when to ask again."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        self.url = str(client.api_url).rstrip("/")

    def check(self) -> None:
        """Raise RetryableError unless the server is there.

        Health is the one thing that a server tells without asking who asks, and Prefect Cloud may
        keep it to itself: there any answer will do.
        """
        answer = self._asked("GET", "/health")
        if answer.status_code >= 400 and self._client.server_type is not ServerType.CLOUD:
            raise self._trouble(answer)

    def post(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Hand over the events.  Raises Refused, or RetryableError if the server took none.

        Safe to repeat: an event that Prefect has seen is known by its id.
        """
        answer = self._asked("POST", "/events", json=list(events))
        status = answer.status_code
        if status == _NO_CONTENT:
            return
        if status in _ABOUT_THE_EVENTS or status == _STUMBLED:
            raise Refused(
                f"Prefect at {self.url} refused {len(events)} event(s) with {_said(answer)}",
                for_good=status != _STUMBLED,
            )
        raise self._trouble(answer)

    def _asked(
        self, method: Literal["GET", "POST"], path: Literal["/health", "/events"], **body: Any
    ) -> httpx.Response:
        try:
            return self._client.request(method, path, **body)
        except httpx.HTTPStatusError as error:
            return error.response
        except httpx.HTTPError as error:
            said = shortened(error) or type(error).__name__
            raise RetryableError(f"Prefect at {self.url} is out of reach: {said}") from error
        except ValueError as error:  # JSON that is none, where the client asks for a CSRF token
            raise RetryableError(
                f"Prefect at {self.url} answered nonsense: {shortened(error)}; set PREFECT_API_URL "
                "to the address of the API: it ends in /api, or names a workspace"
            ) from error

    def _trouble(self, answer: httpx.Response) -> RetryableError:
        status = answer.status_code
        if status in _LATER or status >= 500:
            return _later(answer, self.url)
        if status in _WHO_ARE_YOU:
            way_out = "set PREFECT_API_KEY (Prefect Cloud) or PREFECT_API_AUTH_STRING to a good one"
        else:
            way_out = (
                "set PREFECT_API_URL to the address of the API: it ends in /api, or names a "
                "workspace"
            )
        return RetryableError(f"Prefect at {self.url} answered {_said(answer)}; {way_out}")


@contextmanager
def prefect_api(timeout_s: float) -> Iterator[PrefectApi]:
    """Open the API that Prefect's settings name, with the credentials they hold.

    timeout_s  seconds to connect, to send and to be answered, each
    Raises ConfigError if they name none: Prefect would start a temporary server, which forgets.
    """
    url = PREFECT_API_URL.value()
    if not url:
        raise ConfigError(
            "there is no Prefect server to tell; set PREFECT_API_URL to its API, such as "
            "http://127.0.0.1:4200/api"
        )
    hooks = {"response": [_raise_what_prefect_would_wait_for]}
    # Prefect's client tries to connect four times.
    given = {"timeout": httpx.Timeout(timeout_s, connect=timeout_s / 4), "event_hooks": hooks}
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(httpx_settings=given, sync_client=True) as client,
    ):
        yield PrefectApi(client)


def _raise_what_prefect_would_wait_for(answer: httpx.Response) -> None:
    """Raise at once what Prefect's client sleeps over, deaf to signals, even if told not to retry.

    Source: prefect 3.8, client/base.py, `_send_with_retry`.
    """
    if answer.status_code in _LATER or answer.status_code > _STUMBLED:
        answer.read()
        raise _later(answer, str(answer.request.url))


def _later(answer: httpx.Response, place: str) -> RetryableError:
    asked = wait_s(Answer(answer.status_code, answer.headers, b""))
    return RetryableError(f"Prefect at {place} answered {_said(answer)}", retry_after_s=asked)


def _said(answer: httpx.Response) -> str:
    words = shortened(answer.text)
    return f"{answer.status_code}: {words}" if words else f"{answer.status_code}"
