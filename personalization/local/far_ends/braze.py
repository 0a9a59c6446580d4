"""Braze's `/users/track`, as far as attributes of users known by `external_id` go.

Source: Braze API reference, "User track", "User attributes object", "API limits", "Errors and
responses", "Export custom attributes"; user guide, "Custom attribute data types".  The words of
errors are Braze's where those pages or public clients quote them ("'external_id' or 'braze_id' or
'user_alias' is required"); the others are ours.  What Braze queues is applied here at once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import orjson
from aiohttp import web

from personalization.local.far_ends.end import End, answer, json_object

_PERMISSIONS = frozenset({"users.track", "custom_attributes.get"})
# Keys and strings, array elements, bytes of an object or of an array of objects.
_MAX_TEXT, _MAX_ARRAY, _MAX_OBJECT = 255, 500, 100_000
_WINDOW_S = 3.0
_PAGE = 50
_RESERVED = frozenset({"external_id", "_update_existing_only"})
_WHO = "'external_id' or 'braze_id' or 'user_alias' is required"


class Braze(End):
    """One workspace.

    keys         API keys and their permissions
    max_objects  in a request; 50 for a newer contract
    per_window   requests in each 3 seconds
    """

    name: ClassVar[str] = "braze"

    def __init__(
        self,
        *,
        keys: Mapping[str, frozenset[str]] | None = None,
        max_objects: int = 75,
        max_body: int = 4_000_000,
        per_window: int = 3_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__()
        self._keys = dict(keys or {"local": _PERMISSIONS})
        self._max_objects = max_objects
        self._max_body = max_body
        self._per_window = per_window
        self._clock = clock
        self._window = (0.0, 0)
        self._profiles: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/users/track", self._track),
            web.get("/custom_attributes", self._custom_attributes),
        ]

    def holds(self, user: str) -> dict[str, Any] | None:
        return self._profiles.get(user)

    def users(self) -> list[str]:
        return list(self._profiles)

    def start_with(self, profiles: Iterable[Mapping[str, Any]]) -> None:
        """Hold these profiles, objects with an `external_id`, before anything is sent."""
        for each in profiles:
            rest = {name: value for name, value in each.items() if name != "external_id"}
            self._profiles[each["external_id"]] = rest

    def revoke(self, key: str) -> None:
        """From now on nobody gets in with this key."""
        self._keys.pop(key, None)

    def throttled(self, wait_s: float) -> web.Response:
        headers = {
            "X-RateLimit-Limit": str(self._per_window),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(math.ceil(self._clock() + wait_s)),
        }
        return answer({"message": "You have exceeded your rate limit"}, 429, headers)

    def _may(self, request: web.Request, permission: str) -> web.Response | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or key not in self._keys:
            return answer({"message": "Invalid API key"}, 401)
        if permission not in self._keys[key]:
            return answer({"message": f"This API key lacks the permission {permission}"}, 403)
        return None

    def _counted(self) -> web.Response | None:
        """Return a 429 if this window is used up."""
        now = self._clock()
        start, count = self._window
        if now >= start + _WINDOW_S:
            start, count = now, 0
        self._window = (start, count + 1)
        if count >= self._per_window:
            return self.throttled(start + _WINDOW_S - now)
        return None

    async def _track(self, request: web.Request) -> web.Response:
        if refused := self._may(request, "users.track") or self._counted():
            return refused
        if len(await request.read()) > self._max_body:
            return answer({"message": "Request entity too large"}, 413)
        body = await json_object(request)
        objects = body.get("attributes") if body else None
        if not isinstance(objects, list) or not objects:
            return answer({"message": "'attributes' must be an array of objects"}, 400)
        if set(body or ()) - {"attributes", "partner"}:
            return answer({"message": "The local Braze takes attributes only"}, 400)
        if len(objects) > self._max_objects:
            said = f"A request holds at most {self._max_objects} objects, not {len(objects)}"
            return answer({"message": said}, 400)
        errors = [
            {"type": wrong, "input_array": "attributes", "index": index}
            for index, each in enumerate(objects)
            if (wrong := self._apply(each, request))
        ]
        taken = {"message": "success", "attributes_processed": len(objects) - len(errors)}
        return answer(taken | ({"errors": errors} if errors else {}), 201)

    def _apply(self, given: Any, request: web.Request) -> str:
        """Apply one object, or return what is wrong with it."""
        if not isinstance(given, dict):
            return "an object was expected"
        user = given.get("external_id")
        if not isinstance(user, str) or not user:
            return _WHO
        for name, value in given.items():
            if wrong := _wrong(name, value):
                return wrong
        if given.get("_update_existing_only") is True and user not in self._profiles:
            return ""
        self.note(user, request)
        profile = self._profiles.setdefault(user, {})
        for name, value in given.items():
            if name not in _RESERVED:
                _set(profile, name, value)
        return ""

    async def _custom_attributes(self, request: web.Request) -> web.Response:
        if refused := self._may(request, "custom_attributes.get"):
            return refused
        names = sorted({name for profile in self._profiles.values() for name in profile})
        start = int(request.query.get("cursor", "0"))
        page = names[start : start + _PAGE]
        headers = {}
        if start + _PAGE < len(names):
            at = str(request.url.with_query(cursor=str(start + _PAGE)))
            headers["Link"] = f'<{at}>; rel="next"'
        shown = [{"name": name, "status": "Active"} for name in page]
        return answer({"message": "success", "attributes": shown}, 200, headers)


def _wrong(name: str, value: Any) -> str:
    if not name or len(name) > _MAX_TEXT:
        return f"attribute names have 1 to {_MAX_TEXT} characters"
    if isinstance(value, str) and len(value) > _MAX_TEXT:
        return f"the value of {name} is longer than {_MAX_TEXT} characters"
    if isinstance(value, list):
        if len(value) > _MAX_ARRAY:
            return f"the array {name} has more than {_MAX_ARRAY} elements"
        if any(isinstance(each, str) and len(each) > _MAX_TEXT for each in value):
            return f"a value of {name} is longer than {_MAX_TEXT} characters"
    if isinstance(value, dict) or (isinstance(value, list) and value and _nested(value)):
        if len(orjson.dumps(value)) > _MAX_OBJECT:
            return f"the object {name} is larger than {_MAX_OBJECT:,} bytes"
        if isinstance(value, list) and any(_has_null(each) for each in value):
            return f"an object in {name} has an invalid value: null"
    return ""


def _nested(value: list[Any]) -> bool:
    return any(isinstance(each, dict) for each in value)


def _has_null(value: Any) -> bool:
    return isinstance(value, dict) and any(each is None for each in value.values())


def _set(profile: dict[str, Any], name: str, value: Any) -> None:
    """Set an attribute: null removes it, `{"add": […]}` and `{"remove": […]}` change an array.

    An array is a set: of elements that are the same, the first stays.  An array of objects is not.
    """
    if value is None:
        profile.pop(name, None)
    elif isinstance(value, dict) and set(value) <= {"add", "remove"}:
        held = [each for each in profile.get(name, ()) if each not in value.get("remove", ())]
        profile[name] = _once([*held, *value.get("add", ())])
    elif isinstance(value, list) and not _nested(value):
        profile[name] = _once(value)
    else:
        profile[name] = value


def _once(elements: list[Any]) -> list[Any]:
    return list({orjson.dumps(each): each for each in elements}.values())
