"""Recommendations and audiences as custom attributes of Braze's users.

What Braze's API reference says, and what had to be chosen ("User track", "API limits", "Errors and
responses", "User attributes object", "Export custom attributes"):

- A request holds at most 75 objects, all arrays together; 50 under newer contracts: `batch_size`.
  Its body is at most 4 MB.  3,000 requests in 3 seconds is the default speed.
- 2xx with `errors` means that those objects were not processed and all others were.  Each error
  names the array and the index.  An error without an index cannot be mapped to a user: then the
  batch counts as refused, and its halves are tried, which is harmless as setting an attribute
  twice is.
- During maintenance Braze answers `queued`: taken, applied later.
- There is no idempotency key; setting attributes needs none.  Updates of one user that overtake
  each other do harm, so a user is in one request of a run only.
- `null` removes an attribute.  There is no API that creates a segment: an audience is an attribute
  that a segment in Braze filters by, a boolean of its own or a word in a common array.
- Nothing that can be read proves the permission `users.track`.  `check` lists custom attributes,
  which needs `custom_attributes.get`: it proves the endpoint and the key.  Without that permission
  (403) it proves the endpoint only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import AliasChoices, Field, SecretStr

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

MAX_BODY = 4_000_000
_HEAD, _TAIL = b'{"attributes":[', b"]}"
# As the Amazon Personalize Connectors named attributes when a job gave no prefix.
DEFAULT_PREFIX = "recommendation_"
# Sources: Braze API reference, "User track" (success) and "Errors and responses" (queued).
_TAKEN = ("success", "queued")


class BrazeConfig(ConnectorConfig):
    """Which workspace, with which key, and how much at once."""

    kind: Literal["braze"] = "braze"
    endpoint: Endpoint = Field(
        validation_alias=AliasChoices("endpoint", "rest_endpoint_url"),
        description="REST endpoint of the workspace's cluster, such as "
        "`https://rest.iad-01.braze.com`.",
    )
    api_key: SecretStr = Field(
        description="REST API key with `users.track`; with `custom_attributes.get` the check can "
        "prove it."
    )
    batch_size: Tuning[int] = Field(
        75, ge=1, le=75, description="Users in a request; newer contracts allow 50."
    )
    update_existing_only: Tuning[bool] = Field(
        False, description="Leave out users whom Braze does not know yet, instead of creating them."
    )
    audience_attribute: Tuning[str | None] = Field(
        None,
        min_length=1,
        max_length=255,
        description="Array attribute with the names of a user's audiences. Without it every "
        "audience is a boolean attribute of its own name.",
    )
    requests_per_second: Tuning[float] = Field(
        1000, gt=0, le=100_000, description="Requests begun in a second, at most."
    )
    in_flight: Tuning[int] = Field(
        16, ge=1, le=256, description="Requests not yet answered, at most."
    )
    timeout_s: Tuning[float] = Field(
        30, gt=0, le=300, description="Seconds until a request is given up."
    )


@register
class Braze(Connector[BrazeConfig], ThroughADoor):
    """One `/users/track` request a batch, one object a user."""

    kind: ClassVar[str] = "braze"
    config_class: ClassVar[type[ConnectorConfig]] = BrazeConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"attributes"})
    limits: ClassVar[Limits] = Limits(max_bytes=MAX_BODY)

    def __init__(self, config: BrazeConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._door = Door(
            config.endpoint,
            {
                "Authorization": f"Bearer {config.api_key.get_secret_value()}",
                "Content-Type": "application/json",
            },
            timeout_s=config.timeout_s,
            at_once=config.in_flight,
        )

    def check(self) -> None:
        """List custom attributes, a read."""
        self._door.look("/custom_attributes")

    @property
    def attribute_limits(self) -> RequestLimits:
        return RequestLimits(
            max_rows=self.config.batch_size,
            max_bytes=MAX_BODY - len(_HEAD) - len(_TAIL),
            per_second=self.config.requests_per_second,
            in_flight=self.config.in_flight,
        )

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        kept = {name: value for name, value in (constants or {}).items() if name != "external_id"}
        if self.config.update_existing_only:
            kept["_update_existing_only"] = True
        return Rendering(
            user_key="external_id",
            prefix=DEFAULT_PREFIX if prefix is None else prefix,
            constants=kept,
            sets=True,
        )

    def membership(self, audience: str) -> Membership:
        name = json.dumps(audience)
        if self.config.audience_attribute is None:
            return Membership(f"{name}:true", f"{name}:null")
        array = json.dumps(self.config.audience_attribute)
        return Membership(f'{array}:{{"add":[{name}]}}', f'{array}:{{"remove":[{name}]}}')

    def payload(self, lines: Sequence[bytes]) -> bytes:
        return _HEAD + b",".join(lines) + _TAIL

    async def deliver(
        self,
        lines: Sequence[bytes],
        *,
        key: str,  # noqa: ARG002 (Braze takes no idempotency key)
    ) -> Delivered:
        answer = accepted(
            await self._door.send("POST", "/users/track", self.payload(lines)), self._door.place
        )
        said = answer.json()
        if said.get("message") not in _TAKEN:
            raise BatchRefused(f"{self._door.place} refused a batch with {answer.said}")
        return _delivered(said.get("errors") or [], len(lines), self._door.place)


def _delivered(errors: Any, count: int, place: str) -> Delivered:
    reasons: dict[int, str] = {}
    for error in errors if isinstance(errors, list) else [errors]:
        index = error.get("index") if isinstance(error, dict) else None
        if type(index) is not int or not 0 <= index < count:
            said = error.get("type", "") if isinstance(error, dict) else error
            raise BatchRefused(f"{place} refused somebody in a batch: {shortened(said)}")
        reason = shortened(error.get("type", "no reason was given"))
        reasons[index] = f"{reasons[index]}; {reason}" if index in reasons else reason
    rejected = tuple(Rejected(index, reasons[index]) for index in sorted(reasons))
    return Delivered(count - len(rejected), rejected)
