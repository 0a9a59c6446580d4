"""Pinpoint's endpoints: where a user can be reached, and what is known about it.

Source: botocore, pinpoint 2016-12-01, shapes `EndpointRequest`, `EndpointResponse` and the
documentation of `UpdateEndpoint`; Pinpoint developer guide, "Quotas" (endpoints).
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from personalization.local.pinpoint_segments import iso_now
from personalization.local.wire import ServiceError

MAX_PER_USER = 15
MAX_ATTRIBUTES = 250
MAX_NAME = 50
MAX_VALUE = 100
_NOT_IN_IDS = frozenset("${}")
_GROUPS = ("Demographic", "Location", "Metrics")  # merged member by member


class Endpoints:
    """The endpoints of one application, by id (which has no case) and by user.

    What belongs to the user (`UserAttributes`) is kept once and shown on all its endpoints.
    """

    def __init__(self, application: str) -> None:
        self._application = application
        self._endpoints: dict[str, dict[str, Any]] = {}
        self._of_user: dict[str, list[str]] = {}
        self._user_attributes: dict[str, dict[str, list[str]]] = {}
        self._at_address: dict[tuple[str, str], str] = {}

    def __contains__(self, endpoint_id: str) -> bool:
        return endpoint_id.lower() in self._endpoints

    def get(self, endpoint_id: str) -> dict[str, Any]:
        """Return an EndpointResponse.  Raises NotFoundException."""
        return self._shown(self._endpoint(endpoint_id))

    def channel(self, endpoint_id: str) -> str:
        """Return the channel type of an endpoint that exists."""
        return str(self._endpoints[endpoint_id.lower()]["ChannelType"])

    def ids_of_user(self, user: str) -> tuple[str, ...]:
        """Return the ids of the user's endpoints, oldest first; none for a stranger."""
        return tuple(self._of_user.get(user, ()))

    def of_user(self, user: str) -> list[dict[str, Any]]:
        """Return the user's endpoints.  Raises NotFoundException for a user without any."""
        if not self.ids_of_user(user):
            raise ServiceError("NotFoundException", f"User {user} was not found")
        return [self.get(each) for each in self.ids_of_user(user)]

    def put(self, endpoint_id: str, request: Mapping[str, Any]) -> None:
        """Create or update: given members replace, others stay.

        Values of an attribute replace those it had; no values remove it.  Another endpoint with
        the same address becomes INACTIVE.  Raises BadRequestException and changes nothing.
        """
        key = endpoint_id.lower()
        known = self._endpoints.get(key)
        _check(endpoint_id, request, new=known is None)
        user = dict(request.get("User", {}))
        self._check_room(key, user.get("UserId"))
        now = iso_now()
        endpoint = known or {"Id": endpoint_id, "CreationDate": now, "OptOut": "NONE"}
        endpoint["EffectiveDate"] = request.get("EffectiveDate", now)
        endpoint["EndpointStatus"] = request.get("EndpointStatus", "ACTIVE")
        for name in ("Address", "ChannelType", "OptOut", "RequestId"):
            if name in request:
                endpoint[name] = request[name]
        for name in _GROUPS:
            if name in request:
                endpoint[name] = {**endpoint.get(name, {}), **request[name]}
        if "Attributes" in request:
            endpoint["Attributes"] = _merged(endpoint.get("Attributes", {}), request["Attributes"])
        self._endpoints[key] = endpoint
        self._assign(endpoint, user)
        self._take_address(key, endpoint)

    def delete(self, endpoint_id: str) -> dict[str, Any]:
        """Return the endpoint that no longer is.  Raises NotFoundException."""
        endpoint = self._endpoint(endpoint_id)
        shown = self._shown(endpoint)
        self._leave_user(endpoint)
        self._at_address.pop(_address(endpoint), None)
        del self._endpoints[endpoint_id.lower()]
        return shown

    def delete_user(self, user: str) -> list[dict[str, Any]]:
        """Return the user's endpoints, all deleted.  Raises NotFoundException."""
        self.of_user(user)
        return [self.delete(each) for each in self.ids_of_user(user)]

    def _endpoint(self, endpoint_id: str) -> dict[str, Any]:
        endpoint = self._endpoints.get(endpoint_id.lower())
        if endpoint is None:
            raise ServiceError("NotFoundException", f"Endpoint {endpoint_id} was not found")
        return endpoint

    def _shown(self, endpoint: Mapping[str, Any]) -> dict[str, Any]:
        shown = {key: value for key, value in endpoint.items() if key != "UserId"}
        shown["ApplicationId"] = self._application
        shown["CohortId"] = str(zlib.crc32(endpoint["Id"].lower().encode()) % 100)
        if user := endpoint.get("UserId"):
            shown["User"] = {
                "UserId": user,
                "UserAttributes": self._user_attributes.get(user, {}),
            }
        return shown

    def _check_room(self, key: str, user: str | None) -> None:
        others = self._of_user.get(user or "", [])
        if key not in others and len(others) >= MAX_PER_USER:
            said = f"Exceeded maximum endpoint per user count: {MAX_PER_USER}"
            raise ServiceError("BadRequestException", said)

    def _assign(self, endpoint: dict[str, Any], user: Mapping[str, Any]) -> None:
        name = user.get("UserId", endpoint.get("UserId"))
        if name is None:
            return
        if endpoint.get("UserId") != name:
            self._leave_user(endpoint)
            endpoint["UserId"] = name
            self._of_user.setdefault(name, []).append(endpoint["Id"].lower())
        if given := user.get("UserAttributes"):
            self._user_attributes[name] = _merged(self._user_attributes.get(name, {}), given)

    def _leave_user(self, endpoint: dict[str, Any]) -> None:
        user = endpoint.pop("UserId", None)
        if user is None:
            return
        self._of_user[user].remove(endpoint["Id"].lower())
        if not self._of_user[user]:
            del self._of_user[user]
            self._user_attributes.pop(user, None)

    def _take_address(self, key: str, endpoint: dict[str, Any]) -> None:
        address = _address(endpoint)
        if not address[1]:
            return
        other = self._at_address.get(address)
        if other not in (None, key) and _address(self._endpoints.get(other, {})) == address:
            self._endpoints[other]["EndpointStatus"] = "INACTIVE"
        self._at_address[address] = key


def generated_id(channel: str, address: str) -> str:
    """Return the id of an endpoint that was imported without one: the same for the same address.

    Ours; Pinpoint's look alike (`lcuxhxpqh/ytkitku2zynrqb2ce`), how they are made is not public.
    """
    digest = hashlib.sha256(f"{channel}\n{address}".encode()).digest()
    return base64.b64encode(digest)[:26].decode().lower()


def _check(endpoint_id: str, request: Mapping[str, Any], *, new: bool) -> None:
    if wrong := next(_wrong(endpoint_id, request, new=new), None):
        raise ServiceError("BadRequestException", wrong)


def _wrong(endpoint_id: str, request: Mapping[str, Any], *, new: bool) -> Iterator[str]:
    if not endpoint_id or _NOT_IN_IDS & set(endpoint_id):
        yield f"Invalid endpoint id {endpoint_id!r}: it must not be empty or contain $, {{ or }}"
    if new and "ChannelType" not in request:
        yield "ChannelType is required for a new endpoint"
    if new and "Address" not in request and request.get("ChannelType") != "IN_APP":
        yield "Address is required for a new endpoint"
    attributes = request.get("Attributes", {})
    of_user = request.get("User", {}).get("UserAttributes", {})
    for given in (attributes, of_user):
        if len(given) > MAX_ATTRIBUTES:
            yield f"More than {MAX_ATTRIBUTES} attributes"
        for name, values in given.items():
            if len(name) > MAX_NAME:
                yield f"Attribute name {name[:60]!r} is longer than {MAX_NAME} characters"
            if any(len(value) > MAX_VALUE for value in values):
                yield f"A value of attribute {name!r} is longer than {MAX_VALUE} characters"


def _merged(old: Mapping[str, list[str]], given: Mapping[str, list[str]]) -> dict[str, list[str]]:
    both = {**old, **given}
    return {name: list(values) for name, values in both.items() if values}


def _address(endpoint: Mapping[str, Any]) -> tuple[str, str]:
    return endpoint.get("ChannelType", ""), endpoint.get("Address", "")
