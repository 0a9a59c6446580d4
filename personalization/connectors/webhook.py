"""Recommendations for anybody who can take a signed POST.

A request is a JSON array of objects, one a user, with these headers:

    Idempotency-Key  the same whenever the same users are sent again, and never for others
    X-Timestamp      Unix seconds
    X-Signature      `v1=` and the hex of HMAC-SHA256(secret, "<timestamp>.<body>")

A URL is called as it is written.  What some hosts want behind a `?` is often a key, so it is a
secret of its own, `query`.

An audience is an attribute of its name: true, or null for who left.  The far end answers 2xx when
it has the batch.  It may name those it does not take, in a JSON object:
`{"rejected": [{"index": 3, "reason": "unknown user"}]}`.  400, 413 and 422 refuse a batch for what
is in it: its halves are tried.  409 means later: a batch of this key is being worked on.
`Retry-After` is kept.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, SecretStr, field_validator

from personalization.aws import Clients
from personalization.connectors.base import (
    BatchRefused,
    Connector,
    ConnectorConfig,
    Delivered,
    Limits,
    Membership,
    Rejected,
    Rendering,
    RequestLimits,
    Takes,
)
from personalization.connectors.http import Door, SecureUrl, ThroughADoor, accepted
from personalization.connectors.registry import register
from personalization.connectors.tuning import Tuning
from personalization.errors import FatalError, RetryableError, shortened

_BRACKETS = 2
# Source: RFC 3986, 3.4: a query's characters, but for a second `?`, which is one too many.
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/%-]+")


class WebhookConfig(ConnectorConfig):
    """Where to POST, how to sign, how much at once."""

    kind: Literal["webhook"] = "webhook"
    url: SecureUrl = Field(description="Receives one POST a batch.")
    query: SecretStr | None = Field(
        None, description="What is sent after the URL and a `?`, such as `code=…`."
    )
    secret: SecretStr = Field(min_length=8, description="Key of the signature, shared with it.")
    batch_size: Tuning[int] = Field(500, ge=1, le=100_000, description="Users in a request.")
    max_bytes: Tuning[int] = Field(
        1_000_000, ge=1_000, le=100_000_000, description="Bytes in a request's body, at most."
    )
    user_key: str = Field("user_id", min_length=1, description="Name of the user's id.")
    requests_per_second: Tuning[float] = Field(
        50, gt=0, le=100_000, description="Requests begun in a second, at most."
    )
    in_flight: Tuning[int] = Field(
        8, ge=1, le=256, description="Requests not yet answered, at most."
    )
    timeout_s: Tuning[float] = Field(
        30, gt=0, le=300, description="Seconds until a request is given up."
    )

    @field_validator("query")
    @classmethod
    def _is_a_query(cls, query: SecretStr | None) -> SecretStr | None:
        if query is not None and not _QUERY.fullmatch(query.get_secret_value()):
            raise ValueError("write what stands after the ?, such as code=…, percent-encoded")
        return query


@register
class Webhook(Connector[WebhookConfig], ThroughADoor):
    """One signed POST a batch."""

    kind: ClassVar[str] = "webhook"
    config_class: ClassVar[type[ConnectorConfig]] = WebhookConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"attributes"})
    limits: ClassVar[Limits] = Limits()

    def __init__(
        self,
        config: WebhookConfig,
        clients: Clients,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(config, clients)
        self._clock = clock
        self._query = f"?{config.query.get_secret_value()}" if config.query else ""
        self._door = Door(
            config.url,
            {"Content-Type": "application/json"},
            timeout_s=config.timeout_s,
            at_once=config.in_flight,
        )

    def check(self) -> None:
        """Ask which methods the URL takes (OPTIONS), which RFC 9110 calls safe.

        Proves that somebody answers there.  That the secret is the right one, only a delivery can
        prove: there is no signed call that changes nothing at every webhook.  The query is not
        sent: HTTP clients log URLs.  Where there is one, 404 proves nothing without it.
        """
        place, status = self._door.place, self._door.ask("OPTIONS").status
        if status >= 500:
            raise RetryableError(f"{place} answered {status}")
        if status in (404, 410) and not self._query:
            raise FatalError(f"{place} has nothing at this URL: {status}; check it")

    @property
    def attribute_limits(self) -> RequestLimits:
        return RequestLimits(
            max_rows=self.config.batch_size,
            max_bytes=self.config.max_bytes - _BRACKETS,
            per_second=self.config.requests_per_second,
            in_flight=self.config.in_flight,
        )

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        key = self.config.user_key
        kept = {name: value for name, value in (constants or {}).items() if name != key}
        return Rendering(user_key=key, prefix=prefix or "", constants=kept)

    def membership(self, audience: str) -> Membership:
        return Membership(f"{json.dumps(audience)}:true", f"{json.dumps(audience)}:null")

    async def deliver(self, lines: Sequence[bytes], *, key: str) -> Delivered:
        body = self.payload(lines)
        headers = {"Idempotency-Key": key, **self._signature(body)}
        answer = accepted(
            await self._door.send("POST", self._query, body, headers), self._door.place
        )
        return _delivered(answer.json().get("rejected", ()), len(lines), self._door.place)

    def _signature(self, body: bytes) -> dict[str, str]:
        stamp = str(int(self._clock()))
        secret = self.config.secret.get_secret_value().encode()
        digest = hmac.new(secret, f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
        return {"X-Timestamp": stamp, "X-Signature": f"v1={digest}"}


def _delivered(rejected: Any, count: int, place: str) -> Delivered:
    reasons: dict[int, str] = {}
    for each in rejected if isinstance(rejected, list) else ():
        index = each.get("index") if isinstance(each, dict) else None
        if not isinstance(index, int) or not 0 <= index < count:
            raise BatchRefused(f"{place} rejected a user that was not in the batch")
        reasons[index] = shortened(each.get("reason", "no reason was given"))
    found = tuple(Rejected(index, reasons[index]) for index in sorted(reasons))
    return Delivered(count - len(found), found)
