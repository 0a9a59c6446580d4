"""KEY=VALUE, as typed, made into a flow's parameters; what is wrong is told with the way out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from personalization.errors import ConfigError, Finding
from personalization.shapes import brief, meant

P = TypeVar("P", bound=BaseModel)


def as_parameters(model: type[P], typed: Sequence[str], flow: str) -> P:
    """Return the parameters.  Raises ConfigError that carries all that is wrong with them.

    A value is text where the parameter is, else JSON: `dataset_group=2024` names a group, and
    `at_once=4` is a number.
    """
    settings: dict[str, Any] = {}
    for text in typed:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"{text!r} is not a setting; write KEY=VALUE")
        if key in settings:
            raise ConfigError(f"{key} is given twice; take one out")
        field = model.model_fields.get(key)
        settings[key] = value if field and _is_text(field.annotation) else _value(value)
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        faults = error.errors()
        # A list none of whose members is valid is called too short, too.
        around = {it["loc"][:depth] for it in faults for depth in range(len(it["loc"]))}
        findings = [_finding(model, it, flow) for it in faults if it["loc"] not in around]
        raise ConfigError(f"{flow} cannot be run with these parameters", findings) from error


def _is_text(annotation: Any) -> bool:
    if get_origin(annotation) is Literal:
        return any(isinstance(it, str) for it in get_args(annotation))
    return annotation is str or any(_is_text(it) for it in get_args(annotation))


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text  # such as `plan_only=yes`


def _finding(model: type[BaseModel], fault: ErrorDetails, flow: str) -> Finding:
    where = ".".join(str(part) for part in fault["loc"])
    around = _model_at(model, fault["loc"][:-1])
    match fault["type"]:
        case "extra_forbidden":
            return Finding(
                where,
                "is not a known key",
                meant(fault["loc"][-1], around.model_fields),
                source=flow,
            )
        case "missing":
            said = around.model_fields[str(fault["loc"][-1])].description or ""
            return Finding(where, "is missing", f"write {where}=…: {said}", source=flow)
        case "value_error":  # in our own words
            return Finding(where, str(fault["ctx"]["error"]), source=flow)
        case "model_type" | "model_attributes_type":
            keys = ", ".join(_model_at(model, fault["loc"]).model_fields)
            allowed = f"must be a JSON object; known keys: {keys}"
        case _:
            allowed = re.sub(r"^(Input|String|Tuple) should ", "must ", fault["msg"])
    return Finding(where, f"is {brief(fault['input'])}", allowed, source=flow)


def _model_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> type[BaseModel]:
    for part in loc:
        field = model.model_fields.get(str(part))
        if field and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
    return model
