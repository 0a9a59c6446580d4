"""Customer Profiles' objects: types that a domain has made, and objects of them with profiles.

Source: botocore, customer-profiles 2020-08-15, shapes `PutProfileObjectTypeRequest`,
`ObjectTypeField` ("_source.<name>" to "_profile.<field>"), `ObjectTypeKey` (UNIQUE: the object's
own key; PROFILE: finds the profile) and `BatchPutProfileObjectResponse`.  Types are made of keys
and fields given in full; templates are not here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

from personalization.local.profiles_store import Profiles, as_fields, path_of
from personalization.local.wire import ServiceError

_SOURCE = "_source."


class Objects:
    """The object types and objects of one domain."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._types: dict[str, dict[str, Any]] = {}
        self._objects: dict[str, dict[str, tuple[str | None, str]]] = {}

    def put_type(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Make or replace a type.  Raises BadRequestException if it has no usable key."""
        if "TemplateId" in params:
            said = "the local AWS has no object type templates"
            raise ServiceError("NotImplementedException", said, 501)
        name = params["ObjectTypeName"]
        _unique(params)
        now = dt.datetime.now(dt.UTC)
        made = self._types.get(name, {}).get("CreatedAt", now)
        kept = {key: value for key, value in params.items() if key != "DomainName"}
        self._types[name] = {**kept, "CreatedAt": made, "LastUpdatedAt": now}
        return self._types[name]

    def get_type(self, name: str) -> dict[str, Any]:
        """Return a type.  Raises ResourceNotFoundException."""
        if name not in self._types:
            raise ServiceError("ResourceNotFoundException", f"Object type {name} was not found")
        return self._types[name]

    def put(self, name: str, items: Iterable[Mapping[str, str]]) -> dict[str, Any]:
        """Put objects, each for itself; return a `BatchPutProfileObjectResponse`."""
        about = self.get_type(name)
        done, failed = [], []
        for item in items:
            try:
                key = self._put(about, item["Object"])
            except ServiceError as error:
                failed.append({"Id": item["Id"], "Code": error.status, "Message": error.message})
            else:
                done.append({"Id": item["Id"], "ProfileObjectUniqueKey": key})
        return {"Successful": done, "Failed": failed}

    def of_profile(self, name: str, profile_id: str) -> list[dict[str, str]]:
        """Return a profile's objects of a type."""
        self.get_type(name)
        return [
            {"ObjectTypeName": name, "ProfileObjectUniqueKey": key, "Object": text}
            for key, (owner, text) in self._objects.get(name, {}).items()
            if owner == profile_id
        ]

    def _put(self, about: Mapping[str, Any], text: str) -> str:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ServiceError("BadRequestException", "Object is not a JSON object")
        fields = about["Fields"]
        field = fields[_unique(about)]
        key = found.get(field["Source"].removeprefix(_SOURCE))
        if not isinstance(key, str) or not key:
            raise ServiceError("BadRequestException", f"Object has no {field['Source']}")
        owner = self._owner(about, found, path_of(field["Target"]), key)
        kept = self._objects.setdefault(about["ObjectTypeName"], {})
        kept[key] = (owner, text)
        return key

    def _owner(
        self, about: Mapping[str, Any], found: Mapping[str, Any], path: str, key: str
    ) -> str | None:
        values = {}
        for each in about["Fields"].values():
            value = found.get(each["Source"].removeprefix(_SOURCE))
            if "Target" in each and isinstance(value, str):
                values[path_of(each["Target"])] = value
        fields = as_fields(values)
        owner = self._profiles.by_field(path).get(key)
        if owner is None:
            return self._profiles.create(fields) if about.get("AllowProfileCreation") else None
        self._profiles.update(owner, fields)
        return owner


def _unique(about: Mapping[str, Any]) -> str:
    """Return the one field that is both the object's key and the profile's."""
    for keys in about.get("Keys", {}).values():
        for key in keys:
            names = key.get("FieldNames", [])
            if {"UNIQUE", "PROFILE"} <= set(key.get("StandardIdentifiers", [])) and names:
                field = about.get("Fields", {}).get(names[0], {})
                if field.get("Source", "").startswith(_SOURCE) and "Target" in field:
                    return str(names[0])
    said = "a type needs a key that is PROFILE and UNIQUE, over a field with a source and a target"
    raise ServiceError("BadRequestException", said)
