"""Which service and which operation an HTTP request is for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from botocore.model import OperationModel, ServiceModel
from werkzeug.wrappers import Request

_SCOPE = re.compile(r"Credential=[^/]*/[^/]*/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")


@dataclass(frozen=True)
class Scope:
    """Who a request is signed for, from SigV4's credential scope."""

    region: str
    service: str

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Scope | None:
        """Return the scope of the Authorization header, or None where there is none.

        Source: AWS IAM user guide, "Elements of an AWS API request signature".
        """
        found = _SCOPE.search(environ.get("HTTP_AUTHORIZATION", ""))
        return cls(found["region"], found["service"]) if found else None


@dataclass(frozen=True)
class Route:
    """One operation's method and path, as a pattern over raw paths."""

    method: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    operation: str


def routes(model: ServiceModel) -> list[Route]:
    """Return a rest-json service's routes, fixed paths before those with labels in their place."""
    operations = [model.operation_model(name) for name in model.operation_names]
    operations.sort(key=lambda each: re.sub(r"\{[^}]*\}", "\uffff", each.http["requestUri"]))
    return [_route(each) for each in operations]


def find(among: list[Route], request: Request) -> tuple[str, dict[str, str]] | None:
    """Return the operation and the decoded labels of the first route that fits.

    Works on the path as sent: a label, such as a user id, may hold an encoded slash.
    """
    path = str(request.environ.get("RAW_URI") or request.path).partition("?")[0]
    for route in among:
        if route.method == request.method and (match := route.path.fullmatch(path)):
            values = map(unquote, match.groups())
            return route.operation, dict(zip(route.labels, values, strict=True))
    return None


def _route(operation: OperationModel) -> Route:
    uri = operation.http["requestUri"].partition("?")[0]
    parts = re.split(r"\{([^}]*)\}", uri)  # fixed, label, fixed, label, …
    labels = parts[1::2]
    pattern = "".join(
        re.escape(part) if index % 2 == 0 else "(.+)" if part.endswith("+") else "([^/]+)"
        for index, part in enumerate(parts)
    )
    names = tuple(label.removesuffix("+") for label in labels)
    return Route(operation.http["method"], re.compile(f"{pattern}/?"), names, operation.name)
