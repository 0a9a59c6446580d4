"""Customer Profiles' profiles: standard fields, custom attributes, and finding them by keys.

Source: botocore, customer-profiles 2020-08-15, shape `Profile`, `SearchProfiles`' documentation
(predefined keys) and `UpdateProfile`'s ("an empty string value means that any existing value will
be removed; not specifying a string value means that any value already there will be kept").
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from personalization.local.wire import ServiceError
from personalization.shapes import service_model

_ADDRESSES = ("Address", "ShippingAddress", "MailingAddress", "BillingAddress")
_EMAILS = ("EmailAddress", "PersonalEmailAddress", "BusinessEmailAddress")
_PHONES = ("PhoneNumber", "MobilePhoneNumber", "HomePhoneNumber", "BusinessPhoneNumber")
# Predefined keys over standard fields.  The others (_orderId, _zendeskUserId, …) belong to
# object types, which are not here.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "_account": ("AccountNumber",),
    "_email": _EMAILS,
    "_phone": _PHONES,
    "_profileId": ("ProfileId",),
}
_FULL_NAME = ("FirstName", "MiddleName", "LastName")
_MAX_VALUE = 255  # shape `sensitiveString1To255`
# Parts of a request that are not parts of a profile.
_NOT_FIELDS = ("DomainName", "ProfileId")

Profile = dict[str, Any]


class Profiles:
    """The profiles of one domain, by id."""

    def __init__(self) -> None:
        self._profiles: dict[str, Profile] = {}

    def __iter__(self) -> Iterator[Profile]:
        return iter(list(self._profiles.values()))

    def __len__(self) -> int:
        return len(self._profiles)

    def find(self, profile_id: str) -> Profile | None:
        """Return the profile, if there is one."""
        return self._profiles.get(profile_id)

    def create(self, fields: Mapping[str, Any]) -> str:
        """Return the id, 32 hex digits, of a new profile."""
        profile_id = uuid.uuid4().hex
        self._profiles[profile_id] = {"ProfileId": profile_id}
        self._change(self._profiles[profile_id], fields)
        return profile_id

    def update(self, profile_id: str, fields: Mapping[str, Any]) -> None:
        """Set what is given, remove what is given as "", keep the rest."""
        self._change(self._existing(profile_id), fields)

    def delete(self, profile_id: str) -> None:
        """Forget the profile.  Raises ResourceNotFoundException."""
        self._existing(profile_id)
        del self._profiles[profile_id]

    def search(self, keys: Mapping[str, Iterable[str]], *, every: bool) -> list[Profile]:
        """Return the profiles that have a value of every key, or of any.

        Raises BadRequestException for a key that this domain does not know.
        """
        wanted = {key: set(values) for key, values in keys.items()}
        found = []
        for profile in self:
            hits = {key: values & set(values_of(profile, key)) for key, values in wanted.items()}
            if all(hits.values()) if every else any(hits.values()):
                by = [{"KeyName": key, "Values": sorted(hit)} for key, hit in hits.items() if hit]
                found.append({**profile, "FoundByItems": by})
        return found

    def by_field(self, path: str) -> dict[str, str]:
        """Return the ids of the profiles that have a value at the path, by that value.

        Where several profiles share a value, the oldest.
        """
        index: dict[str, str] = {}
        for profile in self:
            if value := get(profile, path):
                index.setdefault(value, profile["ProfileId"])
        return index

    def _existing(self, profile_id: str) -> Profile:
        if profile_id not in self._profiles:
            said = f"Profile {profile_id} was not found"
            raise ServiceError("ResourceNotFoundException", said)
        return self._profiles[profile_id]

    def _change(self, profile: Profile, fields: Mapping[str, Any]) -> None:
        for name, value in fields.items():
            if name in _NOT_FIELDS:
                continue
            if name == "Attributes" or name in _ADDRESSES:
                value = _kept({**profile.get(name, {}), **value})  # noqa: PLW2901
            if value in ("", {}):
                profile.pop(name, None)
            else:
                profile[name] = value


def values_of(profile: Profile, key: str) -> list[str]:
    """Return a profile's values of a search key.  Raises BadRequestException for an unknown one."""
    if key == "_fullName":
        return [" ".join(profile[name] for name in _FULL_NAME if name in profile)]
    if key not in _KEYS:
        said = (
            f"Key {key} is not searchable in this domain; there are _fullName, {', '.join(_KEYS)}"
        )
        raise ServiceError("BadRequestException", said)
    return [profile[name] for name in _KEYS[key] if name in profile]


def path_of(target: str) -> str:
    """Return the path in a profile that a mapping's target names, such as `Address.City`.

    Raises BadRequestException for a target outside the standard profile.
    """
    root, _, path = target.partition(".")
    first, _, rest = path.partition(".")
    standard: Any = service_model("customer-profiles").shape_for("Profile").members
    shape = standard.get(first)
    is_text = shape is not None and shape.type_name == "string" and not rest
    is_inner = first == "Attributes" or first in _ADDRESSES
    known = is_inner and (rest in shape.members if first in _ADDRESSES else bool(rest))
    if root != "_profile" or not (is_text or known) or first == "ProfileId":
        raise ServiceError("BadRequestException", f"{target!r} is not a field of a profile")
    return path


def get(profile: Profile, path: str) -> str:
    """Return the value at a path, or "" where there is none."""
    first, _, rest = path.partition(".")
    value = profile.get(first, "")
    return str(value.get(rest, "") if isinstance(value, dict) else value)


def as_fields(values: Mapping[str, str]) -> dict[str, Any]:
    """Return values by path as the fields that `update` takes; empty values are left out.

    Raises BadRequestException for a value that is too long.
    """
    fields: dict[str, Any] = {}
    for path, value in values.items():
        if len(value) > _MAX_VALUE:
            said = f"the value of {path} is longer than {_MAX_VALUE} characters"
            raise ServiceError("BadRequestException", said)
        first, _, rest = path.partition(".")
        if value and rest:
            fields.setdefault(first, {})[rest] = value
        elif value:
            fields[first] = value
    return fields


def _kept(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value != ""}
