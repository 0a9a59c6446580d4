"""Keys and types of the parameter file: pydantic's errors as findings of ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from personalization.config.document import step
from personalization.config.model import ParameterFile
from personalization.errors import Finding
from personalization.shapes import Violation

# pydantic's error types that mean "something of another type", and what is wanted.
_WANTED = {
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dict_type": "an object",
    "tuple_type": "a list",
}


def built(document: Any) -> tuple[ParameterFile | None, list[Finding]]:
    """Return the file, or None and what is wrong with its keys, types, schedules and ages.

    Members that are null are left to `nulls`.
    """
    if not isinstance(document, dict):
        problem = Violation("", "type", document, "an object", "").problem
        return None, [Finding("", problem, "a parameter file is a JSON object")]
    try:
        return ParameterFile.model_validate(document), []
    except ValidationError as error:
        # Tags at the root are checked with all other tags.
        faults = [f for f in error.errors() if f["input"] is not None and f["loc"][0] != "tags"]
        return None, [_finding(fault) for fault in faults]


def nulls(value: Any, path: str = "") -> Iterator[Finding]:
    """Yield every member that is null, but for those of Avro schemas, where null has a meaning."""
    if value is None:
        yield Finding(path, "is null", "leave the key out, or give it a value")
    elif isinstance(value, dict):
        for key, member in value.items():
            if not (key == "schema" and path.endswith(".schema.serviceConfig")) or member is None:
                yield from nulls(member, step(path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from nulls(member, step(path, index))


def _finding(fault: ErrorDetails) -> Finding:
    path = ""
    for part in fault["loc"]:
        path = step(path, part)
    match fault["type"]:
        case "extra_forbidden":
            return Finding(path, "is not a known key", _known(fault["loc"]))
        case "missing":
            return Finding(path, "is missing", f"{fault['loc'][-1]} is required")
        case kind if kind in _WANTED:
            violation = Violation(path, "type", fault["input"], _WANTED[kind], "")
            return Finding(path, violation.problem, violation.repair)
        case _:  # a schedule or an age, in our own words
            return Finding(path, fault["msg"])


def _known(loc: tuple[int | str, ...]) -> str:
    """Say what the key at `loc` may have been meant to be."""
    model: type[BaseModel] = ParameterFile
    for part in (part for part in loc[:-1] if isinstance(part, str)):
        model = next(m for alias, m in _parts(model) if alias == part)
    keys = [alias for alias in _aliases(model) if "." not in alias]
    if close := difflib.get_close_matches(str(loc[-1]), keys, n=1):
        return f"did you mean {close[0]}?"
    homes = [home for home in _homes(ParameterFile, "") if home.endswith(f".{loc[-1]}")]
    there = f"; it belongs at {' or '.join(homes)}" if homes else ""
    return f"known keys: {', '.join(keys)}{there}"


def _aliases(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _parts(model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield each member that is a model, or holds models, with the model."""
    for name, field in model.model_fields.items():
        for inner in (field.annotation, *_arguments(field.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield field.alias or name, inner


def _arguments(annotation: Any) -> Iterator[Any]:
    for argument in get_args(annotation):
        yield argument
        yield from _arguments(argument)


def _homes(model: type[BaseModel], path: str) -> Iterator[str]:
    """Yield the path of every key of the file, lists marked with []."""
    for alias in _aliases(model):
        yield step(path, alias)
    for alias, inner in _parts(model):
        listed = alias in _lists(model)
        yield from _homes(inner, step(path, alias) + ("[]" if listed else ""))


def _lists(model: type[BaseModel]) -> set[str]:
    return {
        field.alias or name
        for name, field in model.model_fields.items()
        if str(field.annotation).startswith("tuple")
    }
