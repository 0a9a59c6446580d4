"""A request as the parameters its operation's model describes: the way in.

The protocols are AWS's JSON 1.1 (everything in the body) and rest-json (path, query string,
headers and body).  Source: Smithy specification, "AWS JSON 1.1 protocol" and "AWS restJson1
protocol"; where a member travels stands in botocore's model (`location`, `locationName`,
`payload`, `jsonvalue`).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel, Shape
from botocore.utils import parse_timestamp
from werkzeug.wrappers import Request


class Unreadable(ValueError):
    """The body, or a value in it, is not what the protocol says it is."""


def parameters(
    operation: OperationModel, request: Request, labels: Mapping[str, str]
) -> dict[str, Any]:
    """Return what the caller passed, by member name; members that the model lacks are dropped.

    labels  the parts of the path, by the names they have in the model's requestUri
    Timestamps become aware datetimes, blobs bytes.  Values of a wrong type stay as they came, for
    the validation to name.  Raises Unreadable.
    """
    shape = operation.input_shape
    if shape is None:
        return {}
    if operation.service_model.metadata["protocol"] == "json":
        return _members(shape, _document(request.get_data()))
    found = {
        name: value
        for name, member in shape.members.items()
        if (value := _outside_the_body(name, member, request, labels)) is not None
    }
    payload = shape.serialization.get("payload")
    if payload is None:
        return found | _members(shape, _document(request.get_data()))
    if shape.members[payload].type_name in ("blob", "string"):
        data = request.get_data()
        text = shape.members[payload].type_name == "string"
        return found | {payload: data.decode() if text else data}
    if request.get_data():
        found[payload] = _value(shape.members[payload], _document(request.get_data()))
    return found


def opened(shape: Shape, value: Any, path: str = "") -> Any:
    """Return a valid value with its `jsonvalue` strings read as the JSON they hold."""
    if shape.type_name == "structure":
        return {
            name: opened(shape.members[name], member, f"{path}.{name}" if path else name)
            for name, member in value.items()
        }
    if shape.type_name == "list":
        return [opened(shape.member, each, f"{path}[{i}]") for i, each in enumerate(value)]
    if shape.serialization.get("jsonvalue"):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise Unreadable(f"'{path}' must be a string that holds JSON: {error}") from error
    return value


def _document(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    try:
        document = json.loads(body)
    except ValueError as error:
        raise Unreadable(f"the request's body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Unreadable("the request's body is not a JSON object")
    return document


def _members(shape: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, member in shape.members.items():
        value = document.get(member.serialization.get("name", name))
        if value is not None and "location" not in member.serialization:
            found[name] = _value(member, value)
    return found


def _value(shape: Any, value: Any) -> Any:
    match shape.type_name, value:
        case "structure", dict():
            return _members(shape, value)
        case "list", list():
            return [_value(shape.member, each) for each in value]
        case "map", dict():
            return {key: _value(shape.value, each) for key, each in value.items()}
        case "timestamp", int() | float() | str() if not isinstance(value, bool):
            return _moment(value)
        case "blob", str():
            try:
                return base64.b64decode(value, validate=True)
            except binascii.Error as error:
                raise Unreadable(f"a blob is not base64: {error}") from error
        case _:
            return value


def _outside_the_body(
    name: str, shape: Any, request: Request, labels: Mapping[str, str]
) -> Any | None:
    wire_name = shape.serialization.get("name", name)
    match shape.serialization.get("location"):
        case "uri":
            return _from_text(shape, labels[wire_name])
        case "querystring" if shape.type_name == "list":
            texts = request.args.getlist(wire_name)
            return [_from_text(shape.member, text) for text in texts] or None
        case "querystring" if wire_name in request.args:
            return _from_text(shape, request.args[wire_name])
        case "header" if wire_name in request.headers:
            return _from_text(shape, request.headers[wire_name])
        case "headers":
            prefix = wire_name.lower()
            return {
                key[len(prefix) :]: text
                for key, text in request.headers.items()
                if key.lower().startswith(prefix)
            } or None
        case _:
            return None


def _from_text(shape: Any, text: str) -> Any:
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "timestamp":
                return _moment(text)
            case "boolean" if text in ("true", "false"):
                return text == "true"
    except ValueError:  # the validation says what it should have been
        pass
    return text


def _moment(value: float | str) -> dt.datetime:
    """Return the moment that epoch seconds, ISO 8601 or RFC 822 text stands for."""
    try:
        moment: dt.datetime = parse_timestamp(value)
    except (ValueError, OverflowError) as error:
        raise Unreadable(f"{value!r} is not a timestamp") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
