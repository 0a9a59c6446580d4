"""A handler's result as the response its operation's model describes: the way out."""

from __future__ import annotations

import base64
import datetime as dt
import email.utils
import json
from collections.abc import Mapping
from typing import Any

from botocore.model import OperationModel
from werkzeug.wrappers import Response


def response(operation: OperationModel, result: Mapping[str, Any]) -> Response:
    """Return the HTTP response that carries `result`.

    Members that are None are left out, as AWS does.  Raises KeyError for a member that the model
    does not know: that is a mistake of the handler, and callers would never see the value.
    """
    shape = operation.output_shape
    if operation.service_model.metadata["protocol"] == "json":
        body = {} if shape is None else _structure(shape, result)
        return Response(json.dumps(body), 200, content_type="application/x-amz-json-1.1")
    answer = Response(status=operation.http.get("responseCode", 200))
    if shape is None:
        return answer
    for name, value in result.items():
        if value is not None:
            _outside_the_body(answer, shape.members[name], name, value)
    payload = shape.serialization.get("payload")
    if payload is None:
        answer.set_data(json.dumps(_structure(shape, result)))
        answer.content_type = "application/json"
    elif shape.members[payload].type_name in ("blob", "string"):
        answer.set_data(result[payload])
    elif result.get(payload) is not None:
        answer.set_data(json.dumps(_value(shape.members[payload], result[payload])))
        answer.content_type = "application/json"
    return answer


def _outside_the_body(answer: Response, shape: Any, name: str, value: Any) -> None:
    wire_name = shape.serialization.get("name", name)
    match shape.serialization.get("location"):
        case "statusCode":
            answer.status_code = int(value)
        case "header":
            answer.headers[wire_name] = _header(shape, value)
        case "headers":
            for key, text in value.items():
                answer.headers[f"{wire_name}{key}"] = str(text)


def _structure(shape: Any, value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        member.serialization.get("name", name): _value(member, each)
        for name, each in value.items()
        if each is not None
        # A KeyError here is a handler that returns what the model does not know.
        and "location" not in (member := shape.members[name]).serialization
    }


def _value(shape: Any, value: Any) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(shape, value)
        case "list":
            return [_value(shape.member, each) for each in value]
        case "map":
            return {key: _value(shape.value, each) for key, each in value.items()}
        case "timestamp":
            return _timestamp(value, shape.serialization.get("timestampFormat", "unixTimestamp"))
        case "blob":
            return base64.b64encode(value).decode()
        case "string" if shape.serialization.get("jsonvalue"):
            return json.dumps(value)
        case _:
            return value


def _header(shape: Any, value: Any) -> str:
    match shape.type_name:
        case "timestamp":
            return str(_timestamp(value, shape.serialization.get("timestampFormat", "rfc822")))
        case "boolean":
            return "true" if value else "false"
        case _:
            return str(value)


def _timestamp(moment: dt.datetime, style: str) -> float | str:
    match style:
        case "iso8601":
            text = moment.astimezone(dt.UTC).isoformat(timespec="milliseconds")
            return text.replace("+00:00", "Z")
        case "rfc822":
            return email.utils.format_datetime(moment.astimezone(dt.UTC), usegmt=True)
        case _:
            return round(moment.timestamp(), 3)
