"""Parameters against botocore's own service model, as strictly as the service itself.

boto3 checks required members, types and lower bounds; it checks no upper bound, pattern or enum.
This does all of them, finds everything rather than the first thing, and so serves both ends:
the parameter file (before anything is called) and the local AWS (as the service would answer).
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, cast

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape

Constraint = Literal["required", "unknown", "type", "min", "max", "pattern", "enum"]


@dataclass(frozen=True)
class Violation:
    """One member that breaks its shape.

    path     where, as in `solutionConfig.eventsConfig.eventParametersList[0].weight`
    value    what was found there (None for a missing member)
    allowed  the bound, pattern, type name or choices that it breaks
    """

    path: str
    constraint: Constraint
    value: Any
    allowed: Any
    shape: str

    @property
    def problem(self) -> str:
        """What is wrong, in words, without the path."""
        match self.constraint:
            case "required":
                return "is missing"
            case "unknown":
                return "is not a known key"
            case "type":
                return f"is {_kind_of(self.value)}: {brief(self.value)}"
            case "min" | "max" if isinstance(self.value, (str, list, dict)):
                return f"has length {len(self.value)}"
            case _:
                return f"is {brief(self.value)}"

    @property
    def repair(self) -> str:
        """What is allowed there."""
        sized = isinstance(self.value, (str, list, dict))
        match self.constraint:
            case "required":
                return f"{self.allowed} is required"
            case "unknown":
                return f"known keys: {', '.join(self.allowed)}"
            case "type":
                return f"must be {self.allowed}"
            case "min":
                return f"must {'have length' if sized else 'be'} at least {self.allowed}"
            case "max":
                return f"must {'have length' if sized else 'be'} at most {self.allowed}"
            case "pattern":
                return f"must match {self.allowed}"
            case _:
                return f"must be one of {', '.join(self.allowed)}"


@lru_cache(maxsize=16)
def service_model(service: str) -> ServiceModel:
    """Return botocore's newest model of the service, without making a session or a client."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service_name=service)


def input_shape(service: str, operation: str) -> Shape:
    """Return the shape of an operation's input, such as `("personalize", "CreateSolution")`."""
    return service_model(service).operation_model(operation).input_shape


def violations(shape: Shape, value: Any, path: str = "") -> Iterator[Violation]:
    """Yield all that breaks `shape` in `value`, in the model's order.

    Timestamps may be numbers, datetimes or ISO strings.  A member that is null counts as missing.
    """
    checker = {"structure": _structure, "list": _list, "map": _map}.get(shape.type_name, _scalar)
    yield from checker(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    if not isinstance(value, Mapping):
        yield Violation(path, "type", value, "an object", shape.name)
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield Violation(_join(path, name), "required", None, name, shape.name)
    for name, member in value.items():
        if name not in shape.members:
            known = tuple(shape.members)
            yield Violation(_join(path, name), "unknown", member, known, shape.name)
        elif member is not None:
            yield from violations(shape.members[name], member, _join(path, name))


def _list(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        yield Violation(path, "type", value, "a list", shape.name)
        return
    yield from _bounds(shape, value, len(value), path)
    for index, member in enumerate(value):
        yield from violations(shape.member, member, f"{path}[{index}]")


def _map(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    if not isinstance(value, Mapping):
        yield Violation(path, "type", value, "an object", shape.name)
        return
    yield from _bounds(shape, value, len(value), path)
    for key, member in value.items():
        yield from violations(shape.key, key, _join(path, str(key)))
        yield from violations(shape.value, member, _join(path, str(key)))


# botocore's type names, what they are called in a message, and what Python may hold for them.
_SCALARS: dict[str, tuple[str, tuple[type, ...]]] = {
    "string": ("a string", (str,)),
    "character": ("a string", (str,)),
    "integer": ("an integer", (int,)),
    "long": ("an integer", (int,)),
    "float": ("a number", (int, float)),
    "double": ("a number", (int, float)),
    "boolean": ("true or false", (bool,)),
    "blob": ("bytes", (bytes, bytearray, str)),
    "timestamp": ("a timestamp", (int, float, str, dt.datetime)),
}


def _scalar(shape: Any, value: Any, path: str) -> Iterator[Violation]:
    name, types = cast("tuple[str, Any]", _SCALARS[shape.type_name])
    is_bool = isinstance(value, bool)
    fits = isinstance(value, types) and is_bool == (shape.type_name == "boolean")
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        yield Violation(path, "type", value, name, shape.name)
        return
    if shape.type_name in ("string", "character"):
        yield from _bounds(shape, value, len(value), path)
        yield from _text(shape, value, path)
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _bounds(shape, value, value, path)


def _text(shape: Any, value: str, path: str) -> Iterator[Violation]:
    pattern = _compiled(shape.metadata.get("pattern", ""))
    # Some patterns (`.*:.*:.+`) take time that grows with the cube of the length.
    readable = len(value) <= _LONGEST_TO_MATCH
    if pattern and readable and not pattern.fullmatch(_folded(value)):
        yield Violation(path, "pattern", value, shape.metadata["pattern"], shape.name)
    if shape.enum and value not in shape.enum:
        yield Violation(path, "enum", value, tuple(shape.enum), shape.name)


def _bounds(shape: Any, value: Any, size: float, path: str) -> Iterator[Violation]:
    widest = _INTEGERS.get(shape.type_name)
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    low = -widest - 1 if low is None and widest else low
    high = widest if high is None else high
    if low is not None and size < low:
        yield Violation(path, "min", value, low, shape.name)
    if high is not None and size > high:
        yield Violation(path, "max", value, high, shape.name)


_LONGEST_TO_MATCH = 3000
# Source: Smithy specification, "Simple types": integer is 32 bits, long 64, both signed.
_INTEGERS = {"integer": 2**31 - 1, "long": 2**63 - 1}
# The models' patterns are Java's.  Python's `re` lacks \p{…}, so letters, digits and spaces beyond
# ASCII are folded into one private character each, and the classes name that character.
_FOLDED = {"L": "\ue000", "N": "\ue001", "Z": "\ue002"}
_CLASSES = {"L": "a-zA-Z\ue000", "N": "0-9\ue001", "Z": " \ue002", "ASCII": r"\x00-\x7f"}
_CLASS = re.compile(r"\\p\{(L|N|Z|ASCII)\}")


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str] | None:
    if not pattern:
        return None
    # A class inside brackets joins them; one outside gets brackets of its own.
    bracketed = re.sub(
        r"\[(?:[^\]\\]|\\.)*\]",
        lambda found: _CLASS.sub(lambda name: _CLASSES[name[1]], found[0]),
        pattern,
    )
    python = _CLASS.sub(lambda name: f"[{_CLASSES[name[1]]}]", bracketed)
    return re.compile(python, re.ASCII)  # as in Java, \d and \w mean ASCII


def _folded(value: str) -> str:
    if value.isascii():
        return value
    return "".join(
        char if char.isascii() else _FOLDED.get(unicodedata.category(char)[0], char)
        for char in value
    )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def meant(key: object, known: Collection[str]) -> str:
    """Return which of the known keys an unknown one may have been meant to be, or all of them."""
    close = difflib.get_close_matches(str(key), known, n=1)
    return f"did you mean {close[0]}?" if close else f"known keys: {', '.join(known)}"


def brief(value: Any) -> str:
    """Return the value as Python writes it, in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
