"""Klaviyo's bulk profile imports: jobs that run on after their answer, and what they did not take.

Source: Klaviyo API reference, "Bulk import profiles", "Get bulk import profiles job", "Get errors
for bulk import profiles job", "Rate limits, status codes, and errors"; its guide to the import
("does not support setting fields to null").  Words of errors are ours.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from aiohttp import web

from personalization.local.far_ends.end import End, answer, json_object

_MAX_PROFILES, _MAX_BODY, _MAX_PROFILE = 10_000, 5_000_000, 100_000
_STATES = ("queued", "processing", "complete")
_JOBS = "/api/profile-bulk-import-jobs"
_PAGE = 100


class Klaviyo(End):
    """One account; it knows profiles by `external_id`.  A job moves on whenever it is looked at."""

    name: ClassVar[str] = "klaviyo"

    def __init__(self, *, keys: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._keys = dict(keys or {"local": "full"})
        self._profiles: dict[str, dict[str, Any]] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post(_JOBS, self._begin),
            web.get(_JOBS, self._list),
            web.get(f"{_JOBS}/{{job}}", self._look),
            web.get(f"{_JOBS}/{{job}}/import-errors", self._errors),
        ]

    def holds(self, user: str) -> dict[str, Any] | None:
        return self._profiles.get(user)

    def users(self) -> list[str]:
        return list(self._profiles)

    def throttled(self, wait_s: float) -> web.Response:
        return _error(429, "Request was throttled", {"Retry-After": f"{wait_s:.0f}"})

    def _refused(self, request: web.Request) -> web.Response | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Klaviyo-API-Key" or key not in self._keys:
            return _error(401, "Incorrect authentication credentials")
        if "revision" not in request.headers:
            return _error(400, "The revision header is required")
        return None

    async def _begin(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        if len(await request.read()) > _MAX_BODY:
            return _error(413, "The payload is larger than 5 MB")
        body = await json_object(request)
        try:
            profiles = (body or {})["data"]["attributes"]["profiles"]["data"]
        except (KeyError, TypeError):
            return _error(400, "The payload is not a bulk import job")
        if not isinstance(profiles, list) or not 1 <= len(profiles) <= _MAX_PROFILES:
            return _error(400, f"A job takes 1 to {_MAX_PROFILES:,} profiles")
        job = f"job-{next(self._ids)}"
        errors = [wrong for each in profiles if (wrong := self._import(each, request))]
        self._jobs[job] = {"total": len(profiles), "errors": errors, "looks": 0}
        return answer({"data": self._shown(job)}, 202)

    def _import(self, profile: Any, request: web.Request) -> dict[str, Any] | None:
        """Take one profile, or return its error."""
        attributes = profile.get("attributes", {}) if isinstance(profile, dict) else {}
        user = attributes.get("external_id", "")
        wrong = ""
        if not isinstance(user, str) or not user:
            wrong = "A profile needs an identifier"
        elif len(orjson.dumps(profile)) > _MAX_PROFILE:
            wrong = "The profile is larger than 100 KB"
        elif "__invalid" in attributes.get("properties", {}):
            wrong = "The property __invalid is not allowed"
        if wrong:
            return {
                "code": "invalid",
                "title": "Invalid profile",
                "detail": wrong,
                "about": profile,
            }
        self.note(user, request)
        held = self._profiles.setdefault(user, {})
        given = attributes.get("properties", {}).items()
        held.update((name, value) for name, value in given if value is not None)
        return None

    async def _list(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        return answer({"data": [self._shown(job) for job in self._jobs][:_PAGE]})

    async def _look(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        job = request.match_info["job"]
        if job not in self._jobs:
            return _error(404, "There is no such job")
        self._jobs[job]["looks"] += 1
        return answer({"data": self._shown(job)})

    async def _errors(self, request: web.Request) -> web.Response:
        if refused := self._refused(request):
            return refused
        job = request.match_info["job"]
        start = int(request.query.get("page[cursor]", "0"))
        errors = self._jobs[job]["errors"]
        page = [
            {
                "type": "import-error",
                "id": f"{job}-{start + number}",
                "attributes": {
                    "code": each["code"],
                    "title": each["title"],
                    "detail": each["detail"],
                    "source": {"pointer": "/data/attributes/profiles/data"},
                    "original_payload": each["about"],
                },
            }
            for number, each in enumerate(errors[start : start + _PAGE])
        ]
        after = None
        if start + _PAGE < len(errors):
            after = str(request.url.with_query({"page[cursor]": str(start + _PAGE)}))
        return answer({"data": page, "links": {"next": after}})

    def _shown(self, job: str) -> dict[str, Any]:
        about = self._jobs[job]
        status = _STATES[min(about["looks"], len(_STATES) - 1)]
        failed = len(about["errors"]) if status == "complete" else 0
        done = about["total"] - failed if status == "complete" else 0
        counts = {"total_count": about["total"], "completed_count": done, "failed_count": failed}
        return {
            "type": "profile-bulk-import-job",
            "id": job,
            "attributes": {"status": status, **counts},
        }


def _error(status: int, detail: str, headers: dict[str, str] | None = None) -> web.Response:
    errors = [{"status": status, "title": "Error", "detail": detail}]
    return answer({"errors": errors}, status, headers)
