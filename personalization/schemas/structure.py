"""A schema as a flat Avro record: what Personalize can read at all."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from personalization.errors import ConfigError, Finding, shortened
from personalization.shapes import meant

# Source: Personalize developer guide, "Schema data types".
TYPES: Final = ("float", "double", "int", "long", "string", "boolean")
# Source: Avro specification, "Names".
_AVRO_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_RECORD_KEYS: Final = ("type", "name", "namespace", "version", "fields", "doc", "aliases")
_FIELD_KEYS: Final = (
    *("name", "type", "categorical", "textual", "itemName"),
    *("doc", "default", "order", "aliases"),
)


@dataclass(frozen=True)
class Field:
    """One column.  `types` are its Avro types without null, which `nullable` stands for."""

    name: str
    types: tuple[str, ...]
    categorical: bool = False
    textual: bool = False
    nullable: bool = False
    item_name: bool = False


@dataclass(frozen=True)
class Schema:
    """A record and its columns, in the order of the schema."""

    name: str
    fields: tuple[Field, ...]


def parse(schema: str | Mapping[str, Any]) -> Schema:
    """Return the schema's name and columns.

    Raises ConfigError, with a finding for each fault, if it is not JSON or not a flat Avro record
    of the types that Personalize supports.
    """
    document = _document(schema) if isinstance(schema, str) else schema
    faults = [fault for fault in structure(document, "schema") if fault.severity == "error"]
    if faults:
        raise ConfigError("the schema is not a flat Avro record that Personalize can read", faults)
    return Schema(document["name"], tuple(as_field(raw) for raw in document["fields"]))


def structure(schema: Any, where: str) -> Iterator[Finding]:
    """Yield what keeps `schema` from being a flat Avro record, and its unknown keys as warnings."""
    found = list(_record(schema, where))
    yield from found
    if not any(fault.severity == "error" for fault in found):
        yield from _avro(schema, where)


def _record(schema: Any, where: str) -> Iterator[Finding]:
    if not isinstance(schema, Mapping):
        yield Finding(where, f"is {said(schema)}", "must be an Avro record: a JSON object")
        return
    yield from _unknown_keys(schema, _RECORD_KEYS, where)
    if schema.get("type") != "record":
        yield Finding(f"{where}.type", f"is {said(schema.get('type'))}", 'must be "record"')
    name, fields = schema.get("name"), schema.get("fields")
    if not isinstance(name, str) or not _AVRO_NAME.fullmatch(name):
        yield Finding(f"{where}.name", f"is {said(name)}", "must be the name of the dataset type")
    if not isinstance(fields, list) or not fields:
        yield Finding(f"{where}.fields", f"is {said(fields)}", "must list at least one field")
        return
    for index, raw in enumerate(fields):
        yield from _column(raw, index, where)
    yield from _clashes(fields, where)


def said(value: Any) -> str:
    """Return the value as JSON, shortened, for a message."""
    return "missing" if value is None else shortened(json.dumps(value, default=str), 80)


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"the schema is not JSON: {shortened(error)}") from error


def as_field(raw: Mapping[str, Any]) -> Field:
    """Return the column of a field in which `structure` found no error."""
    union = raw["type"] if isinstance(raw["type"], list) else [raw["type"]]
    return Field(
        name=raw["name"],
        types=tuple(name for name in union if name != "null"),
        categorical=raw.get("categorical") is True,
        textual=raw.get("textual") is True,
        nullable="null" in union,
        item_name=raw.get("itemName") is True,
    )


def _column(raw: Any, index: int, where: str) -> Iterator[Finding]:
    path = f"{where}.fields[{index}]"
    if not isinstance(raw, Mapping):
        yield Finding(path, f"is {said(raw)}", 'must be an object with "name" and "type"')
        return
    yield from _unknown_keys(raw, _FIELD_KEYS, path)
    name = raw.get("name")
    if not isinstance(name, str) or not _AVRO_NAME.fullmatch(name):
        allowed = "must be letters, digits and _, and not start with a digit"
        yield Finding(f"{path}.name", f"is {said(name)}", allowed)
    for key in ("categorical", "textual", "itemName"):
        if key in raw and not isinstance(raw[key], bool):
            yield Finding(f"{path}.{key}", f"is {said(raw[key])}", "must be true or false")
    yield from _type(raw.get("type"), name, f"{path}.type")


def _type(declared: Any, name: Any, path: str) -> Iterator[Finding]:
    union = declared if isinstance(declared, list) else [declared]
    some = [member for member in union if member != "null"]
    if len(some) != 1 or some[0] not in TYPES or union.count("null") > 1:
        allowed = f'must be one of {", ".join(TYPES)}, or a pair with null: ["null", "string"]'
        yield Finding(path, f"of {said(name)} is {said(declared)}", allowed)
    elif isinstance(declared, list) and len(declared) == 1:
        problem = f"of {said(name)} is the union {said(declared)} of one type"
        yield Finding(path, problem, f'"{some[0]}" says the same', "warning")


def _clashes(fields: list[Any], where: str) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for index, raw in enumerate(fields):
        name = raw.get("name") if isinstance(raw, Mapping) else None
        if not isinstance(name, str):
            continue
        key = re.sub(r"[^A-Za-z0-9]", "", name)
        if key in seen:
            problem = f'is "{name}", which Personalize cannot tell from "{seen[key]}"'
            allowed = "names must differ in their letters and digits"
            yield Finding(f"{where}.fields[{index}].name", problem, allowed)
        seen.setdefault(key, name)


def _avro(schema: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Let an Avro library have the last word: defaults, aliases and the like."""
    try:
        fastavro.parse_schema(dict(schema))
    except (UnknownType, SchemaParseException, AttributeError, KeyError, TypeError) as error:
        # The last three: should it trip over a malformed member instead of naming it.
        yield Finding(where, f"is not valid Avro: {shortened(error)}")


def _unknown_keys(found: Mapping[str, Any], known: tuple[str, ...], path: str) -> Iterator[Finding]:
    for key in found:
        if key not in known:
            yield Finding(f"{path}.{key}", "is not a known key", meant(key, known), "warning")
