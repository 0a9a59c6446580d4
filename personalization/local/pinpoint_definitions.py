"""Endpoint definitions as Pinpoint imports them, from CSV or newline-delimited JSON.

Source: Pinpoint user guide, "Importing segments" (segment files, supported attributes).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from personalization.shapes import service_model, violations

Definition = dict[str, Any]
Setter = Callable[[Definition, str], None]

# Members of the API's endpoint that files cannot set (the guide names both).
_NOT_IN_FILES = frozenset({"EndpointStatus", "EffectiveDate"})
_MAP_PREFIXES = ("Attributes.", "User.UserAttributes.")


class Unusable(ValueError):
    """The file as a whole cannot be read; the message says why."""


def from_csv(lines: Iterable[str]) -> Iterator[Definition | str]:
    """Yield each row's definition, or what is wrong with the row.  Raises Unusable.

    The header holds attribute paths; a repeated one gives an attribute several values.  Empty
    cells are not set.
    """
    rows = csv.reader(lines, strict=True)
    header = _next(rows)
    if not header:
        raise Unusable("the file is empty")
    setters = [_setter(path.strip()) for path in header]
    while (row := _next(rows)) is not None:
        if not row:
            continue
        if len(row) != len(setters):
            yield f"the row has {len(row)} values and the header {len(setters)}"
            continue
        definition: Definition = {}
        try:
            for setter, cell in zip(setters, row, strict=True):
                if cell:
                    setter(definition, cell)
        except ValueError as error:
            yield str(error)
            continue
        yield _wrong_channel(definition) or definition


def from_json(lines: Iterable[str]) -> Iterator[Definition | str]:
    """Yield each line's definition, or what is wrong with the line."""
    for line in lines:
        if not line.strip():
            continue
        try:
            definition = json.loads(line)
        except json.JSONDecodeError as error:
            yield f"the line is not JSON: {error}"
            continue
        if not isinstance(definition, dict):
            yield "the line is not a JSON object"
            continue
        shape = service_model("pinpoint").shape_for("EndpointBatchItem")
        wrong = "; ".join(f"{each.path} {each.problem}" for each in violations(shape, definition))
        yield wrong or definition


def _wrong_channel(definition: Definition) -> str:
    """Return what is wrong with the one member that a CSV's setters cannot have got right."""
    channel = definition.get("ChannelType")
    known = channel is None or channel in _channels()
    return (
        "" if known else f"ChannelType is {channel!r}; it must be one of {', '.join(_channels())}"
    )


@lru_cache(maxsize=1)
def _channels() -> tuple[str, ...]:
    return tuple(service_model("pinpoint").shape_for("ChannelType").enum)


def _next(rows: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        raise Unusable(f"the file is not CSV: {error}") from error
    except UnicodeDecodeError as error:
        raise Unusable(f"the file is not UTF-8: {error}") from error


def _setter(path: str) -> Setter:
    """Return what puts a cell of the column `path` into a definition.  Raises Unusable."""
    for prefix in _MAP_PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            return _appending(prefix.rstrip(".").split("."), path[len(prefix) :])
    parts = path.split(".")
    shape: Any = service_model("pinpoint").shape_for("EndpointBatchItem")
    for part in parts:
        if shape.type_name == "map":
            shape = shape.value
        elif shape.type_name == "structure" and part in shape.members:
            shape = shape.members[part]
        else:
            raise Unusable(f"{path!r} is not an attribute of an endpoint")
    if shape.type_name not in ("string", "double") or path in _NOT_IN_FILES:
        raise Unusable(f"{path!r} is not an attribute that files can set")
    return _setting(parts, number=shape.type_name == "double")


def _appending(group: list[str], name: str) -> Setter:
    def append(definition: Definition, cell: str) -> None:
        for part in group:
            definition = definition.setdefault(part, {})
        definition.setdefault(name, []).append(cell)

    return append


def _setting(parts: list[str], *, number: bool) -> Setter:
    *groups, name = parts

    def put(definition: Definition, cell: str) -> None:
        for part in groups:
            definition = definition.setdefault(part, {})
        if not number:
            definition[name] = cell
            return
        try:
            definition[name] = float(cell)
        except ValueError as error:
            raise ValueError(f"{'.'.join(parts)} is not a number: {cell!r}") from error

    return put
