"""Recommendations as custom properties of Klaviyo's profiles, by bulk import jobs.

What Klaviyo's API reference says, and what had to be chosen ("Bulk import profiles", "Get bulk
import profiles job", "Get errors for bulk import profiles job", "Rate limits, status codes, and
errors"):

- A job takes 10,000 profiles, 5 MB, 100 KB a profile; it creates or updates.  10 jobs a second, 150
  a minute.  429 says `Retry-After`.
- A job runs on after its answer (202).  It is followed until it is `complete` or `cancelled`; then
  its import errors, each with the profile it is about, say who was not taken.
- Null changes nothing in a bulk import, so an attribute is cleared by an empty array, which it is
  when it holds recommendations; an audience is left by `false`.
- `check` lists one bulk import job, a read, with the scopes that following jobs needs anyway.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

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
from personalization.connectors.http import Answer, Door, Endpoint, ThroughADoor, accepted
from personalization.connectors.registry import register
from personalization.connectors.tuning import Tuning
from personalization.errors import RetryableError, shortened

_HEAD = b'{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":['
_TAIL = b"]}}}}"
_JOBS = "/api/profile-bulk-import-jobs"
MAX_PROFILES, MAX_BODY, MAX_PROFILE = 10_000, 5_000_000, 100_000


class KlaviyoConfig(ConnectorConfig):
    """Which account, and how its jobs are followed."""

    kind: Literal["klaviyo"] = "klaviyo"
    endpoint: Endpoint = Field("https://a.klaviyo.com", description="Host of the API.")
    api_key: SecretStr = Field(
        description="Private key with the scopes lists:read, profiles:read, lists:write and "
        "profiles:write."
    )
    revision: Tuning[str] = Field(
        "2026-07-15", pattern=r"^20\d\d-\d\d-\d\d$", description="Revision of the API."
    )
    jobs_per_second: Tuning[float] = Field(
        2.5, gt=0, le=10, description="Jobs begun in a second: 150 a minute in the middle tier."
    )
    look_every_s: Tuning[float] = Field(
        5, gt=0, le=600, description="Seconds between looks at a job."
    )
    give_up_after_s: Tuning[float] = Field(
        1800, gt=0, description="Seconds after which an unfinished job is left to a later run."
    )
    timeout_s: Tuning[float] = Field(
        60, gt=0, le=300, description="Seconds until a request is given up."
    )


@register
class Klaviyo(Connector[KlaviyoConfig], ThroughADoor):
    """One bulk import job a batch, followed to its end."""

    kind: ClassVar[str] = "klaviyo"
    config_class: ClassVar[type[ConnectorConfig]] = KlaviyoConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"attributes"})
    limits: ClassVar[Limits] = Limits(max_bytes=MAX_BODY)

    def __init__(self, config: KlaviyoConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._door = Door(
            config.endpoint,
            {
                "Authorization": f"Klaviyo-API-Key {config.api_key.get_secret_value()}",
                "revision": config.revision,
                "Content-Type": "application/vnd.api+json",
                "Accept": "application/vnd.api+json",
            },
            timeout_s=config.timeout_s,
            at_once=8,
        )

    def check(self) -> None:
        """List bulk import jobs, a read."""
        self._door.look(_JOBS)

    @property
    def attribute_limits(self) -> RequestLimits:
        return RequestLimits(
            max_rows=MAX_PROFILES,
            max_bytes=MAX_BODY - len(_HEAD) - len(_TAIL),
            per_second=self.config.jobs_per_second,
            in_flight=4,
            max_line_bytes=MAX_PROFILE,
        )

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        kept = {name: value for name, value in (constants or {}).items() if name != "external_id"}
        return Rendering(
            user_key="external_id",
            prefix=prefix or "",
            constants=kept,
            wrap='{"type":"profile","attributes":{"external_id":$user,"properties":{$attributes}}}',
            cleared="[]",
        )

    def membership(self, audience: str) -> Membership:
        return Membership(f"{json.dumps(audience)}:true", f"{json.dumps(audience)}:false")

    def payload(self, lines: Sequence[bytes]) -> bytes:
        return _HEAD + b",".join(lines) + _TAIL

    async def deliver(
        self,
        lines: Sequence[bytes],
        *,
        key: str,  # noqa: ARG002 (Klaviyo takes no idempotency key)
    ) -> Delivered:
        answer = accepted(
            await self._door.send("POST", _JOBS, self.payload(lines)), self._door.place
        )
        job = str(self._part(answer, "id"))
        failed = await self._followed(job)
        reasons = await self._errors(job) if failed else {}
        users = {_user(line): index for index, line in enumerate(lines)} if reasons else {}
        found = {users[user]: reason for user, reason in reasons.items() if user in users}
        if len(found) < failed:
            raise BatchRefused(
                f"{self._door.place} failed {failed} profiles of job {job} and named {len(found)}"
            )
        rejected = tuple(Rejected(index, found[index]) for index in sorted(found))
        return Delivered(len(lines) - len(rejected), rejected)

    async def _followed(self, job: str) -> int:
        """Return how many profiles failed, once the job has ended."""
        waited = 0.0
        while waited <= self.config.give_up_after_s:
            state = self._part(await self._get(f"{_JOBS}/{job}"), "attributes")
            if state.get("status") == "complete":
                return int(state.get("failed_count") or 0)
            if state.get("status") == "cancelled":
                raise RetryableError(f"{self._door.place} cancelled job {job}")
            await asyncio.sleep(self.config.look_every_s)
            waited += self.config.look_every_s
        raise RetryableError(
            f"{self._door.place} had not finished job {job} after {waited:g} s; it may yet"
        )

    async def _errors(self, job: str) -> dict[str, str]:
        """Return why profiles were not taken, by external id."""
        found: dict[str, str] = {}
        path: str | None = f"{_JOBS}/{job}/import-errors"
        while path:
            page = (await self._get(path)).json()
            for each in page.get("data") or ():
                about = each.get("attributes") or {}
                said = about.get("detail") or about.get("title") or about.get("code", "")
                if user := _external_id(about.get("original_payload")):
                    found[user] = shortened(said)
            link = (page.get("links") or {}).get("next")
            path = link[link.index(_JOBS) :] if link else None
        return found

    def _part(self, answer: Answer, name: str) -> Any:
        data = answer.json().get("data")
        if not isinstance(data, dict) or not data.get(name):
            raise RetryableError(f"{self._door.place} answered {answer.said}, without data.{name}")
        return data[name]

    async def _get(self, path: str) -> Answer:
        """GET, patiently: what was begun is not begun again because of one look that failed."""
        for _ in range(5):
            try:
                return accepted(await self._door.send("GET", path), self._door.place)
            except RetryableError as error:
                trouble = error
                await asyncio.sleep(error.retry_after_s or self.config.look_every_s)
        raise trouble


def _user(line: bytes) -> str:
    return str(orjson.loads(line)["attributes"]["external_id"])


def _external_id(payload: Any) -> str | None:
    """Return whom an error is about; the payload is a profile, with or without its envelope."""
    if not isinstance(payload, dict):
        return None
    inner = payload.get("attributes", payload)
    found = inner.get("external_id") if isinstance(inner, dict) else None
    return str(found) if found is not None else None
