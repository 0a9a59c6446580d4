"""Recommendations as attributes of Customer.io's people, audiences as manual segments.

What the Track API reference says, and what had to be chosen ("Send multiple requests", "Add people
to a manual segment", "Remove people from a manual segment", "Find your account region"):

- A batch of identify calls is smaller than 500 KB, each smaller than 32 KB.  100 requests a second
  is fair use.  207 names those that were not taken by `batch_index`.
- An attribute is removed by setting it to an empty string.
- A manual segment is made in Customer.io and has a number, which `segments` gives by the audience's
  name: people join it by `add_customers` and leave it by `remove_customers`, 1,000 ids a request.
  An audience without a number is an attribute of its name, true or removed.
- `check` asks for the account's region, a read that needs the same credentials.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import Field, SecretStr

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
from personalization.connectors.http import Door, Endpoint, ThroughADoor, accepted
from personalization.connectors.registry import register
from personalization.connectors.tuning import Tuning
from personalization.errors import shortened

_HEAD, _TAIL = b'{"batch":[', b"]}"
MAX_BODY, MAX_OPERATION, MAX_IDS = 500_000, 32_000, 1_000
_SEGMENT = "_segment"  # begins the names in a line that are no attributes but moves


class CustomerioConfig(ConnectorConfig):
    """Which workspace, in which region."""

    kind: Literal["customerio"] = "customerio"
    endpoint: Endpoint = Field(
        "https://track.customer.io",
        description="Host of the Track API; `https://track-eu.customer.io` in the EU.",
    )
    site_id: SecretStr = Field(description="Site id of the Track API's credentials.")
    api_key: SecretStr = Field(description="API key of the Track API's credentials.")
    segments: Tuning[dict[str, Annotated[int, Field(ge=1)]]] = Field(
        {},
        description="Numbers of manual segments by the audience that goes into each, such as "
        "`{'ITEMSgenresAction': 7}`. Other audiences are attributes.",
    )
    requests_per_second: Tuning[float] = Field(
        100, gt=0, le=1_000, description="Requests begun in a second, at most."
    )
    in_flight: Tuning[int] = Field(
        8, ge=1, le=64, description="Requests not yet answered, at most."
    )
    timeout_s: Tuning[float] = Field(
        30, gt=0, le=300, description="Seconds until a request is given up."
    )


@register
class Customerio(Connector[CustomerioConfig], ThroughADoor):
    """One batch of identify calls a batch, or one call a segment and direction."""

    kind: ClassVar[str] = "customerio"
    config_class: ClassVar[type[ConnectorConfig]] = CustomerioConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"attributes"})
    limits: ClassVar[Limits] = Limits(max_bytes=MAX_BODY)

    def __init__(self, config: CustomerioConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        pair = f"{config.site_id.get_secret_value()}:{config.api_key.get_secret_value()}"
        self._door = Door(
            config.endpoint,
            {
                "Authorization": f"Basic {b64encode(pair.encode()).decode()}",
                "Content-Type": "application/json",
            },
            timeout_s=config.timeout_s,
            at_once=config.in_flight,
        )

    def check(self) -> None:
        """Ask for the account's region, a read."""
        self._door.look("/api/v1/accounts/region")

    @property
    def attribute_limits(self) -> RequestLimits:
        return RequestLimits(
            max_rows=MAX_IDS,
            max_bytes=MAX_BODY - len(_HEAD) - len(_TAIL) - 1,
            per_second=self.config.requests_per_second,
            in_flight=self.config.in_flight,
            max_line_bytes=MAX_OPERATION,
        )

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        kept = {name: value for name, value in (constants or {}).items() if name != "id"}
        return Rendering(
            user_key="id",
            prefix=prefix or "",
            constants=kept,
            wrap='{"type":"person","action":"identify","identifiers":{"id":$user},'
            '"attributes":{$attributes}}',
            cleared='""',
        )

    def membership(self, audience: str) -> Membership:
        if number := self.config.segments.get(audience):
            name = f'"{_SEGMENT}{number}"'  # one each: who changes segments leaves one for another
            return Membership(f"{name}:[{number},true]", f"{name}:[{number},false]")
        return Membership(f"{json.dumps(audience)}:true", f'{json.dumps(audience)}:""')

    def payload(self, lines: Sequence[bytes]) -> bytes:
        return _HEAD + b",".join(lines) + _TAIL

    async def deliver(
        self,
        lines: Sequence[bytes],
        *,
        key: str,  # noqa: ARG002 (Customer.io takes no idempotency key)
    ) -> Delivered:
        if f'"{_SEGMENT}'.encode() in lines[0]:
            return await self._moved(lines)
        return await self._identified(lines)

    async def _identified(self, lines: Sequence[bytes]) -> Delivered:
        answer = accepted(
            await self._door.send("POST", "/api/v2/batch", self.payload(lines)), self._door.place
        )
        return _delivered(answer.json().get("errors") or (), len(lines), self._door.place)

    async def _moved(self, lines: Sequence[bytes]) -> Delivered:
        """Let people join and leave segments, and set what else their lines say.

        Joining twice is joining once.
        """
        moves: dict[tuple[int, bool], list[str]] = {}
        others: dict[int, bytes] = {}
        for index, line in enumerate(lines):
            about = orjson.loads(line)
            attributes = about["attributes"]
            for name in [it for it in attributes if it.startswith(_SEGMENT)]:
                segment, joins = attributes.pop(name)
                moves.setdefault((segment, joins), []).append(about["identifiers"]["id"])
            if attributes:
                others[index] = orjson.dumps(about)
        for (segment, joins), ids in moves.items():
            verb = "add" if joins else "remove"
            accepted(
                await self._door.send(
                    "POST",
                    f"/api/v1/segments/{segment}/{verb}_customers",
                    orjson.dumps({"ids": ids}),
                ),
                self._door.place,
            )
        if not others:
            return Delivered(len(lines))
        there = await self._identified(list(others.values()))
        whom = list(others)
        rejected = tuple(replace(it, index=whom[it.index]) for it in there.rejected)
        return Delivered(len(lines) - len(rejected), rejected)


def _delivered(errors: Sequence[Any], count: int, place: str) -> Delivered:
    reasons: dict[int, str] = {}
    for error in errors:
        index = error.get("batch_index") if isinstance(error, dict) else None
        if not isinstance(index, int) or not 0 <= index < count:
            raise BatchRefused(f"{place} refused somebody in a batch and did not say whom")
        said = ": ".join(str(error[name]) for name in ("reason", "message") if error.get(name))
        reasons[index] = shortened(said or "no reason was given")
    rejected = tuple(Rejected(index, reasons[index]) for index in sorted(reasons))
    return Delivered(count - len(rejected), rejected)
