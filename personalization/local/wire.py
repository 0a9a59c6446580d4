"""One AWS service over HTTP: its model and a table of handlers.

Routing, parsing, validation, serialisation and the shape of errors come from botocore's model of
the service, so that a handler sees plain parameters and returns a plain result.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from botocore.model import OperationModel
from werkzeug.wrappers import Request, Response

from personalization.local import parsing, routing, serialising, validation
from personalization.shapes import service_model, violations

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

logger = logging.getLogger(__name__)

ACCOUNT = "123456789012"  # moto's default, so that one account owns everything
REGION = "us-east-1"


@dataclass(frozen=True)
class Context:
    """One call: where it goes, and the validated parameters by the model's member names."""

    account: str
    region: str
    operation: str
    params: dict[str, Any]


Handler = Callable[[Context], Mapping[str, Any]]


class ServiceError(Exception):
    """What the caller gets as a botocore ClientError.

    code    the exception shape's name, such as `ResourceNotFoundException`
    status  only for codes that the service's model does not have; theirs comes from the model
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Service:
    """One service of botocore's, answered by a table of handlers; a WSGI application.

    name        botocore's client name, such as `personalize` or `customer-profiles`
    handlers    operation name to handler; operations without one answer 501, naming themselves
    elsewhere   operations that someone else answers (moto): the server passes them on
    """

    def __init__(
        self,
        name: str,
        handlers: Mapping[str, Handler],
        *,
        elsewhere: frozenset[str] = frozenset(),
    ) -> None:
        self.name = name
        self.model = service_model(name)
        strangers = (set(handlers) | elsewhere) - set(self.model.operation_names)
        if strangers:
            raise ValueError(f"{name} has no operations {', '.join(sorted(strangers))}")
        self.handlers = dict(handlers)
        self.elsewhere = elsewhere
        self.signing_name: str = self.model.signing_name
        self._is_json = self.model.metadata["protocol"] == "json"
        self._routes = [] if self._is_json else routing.routes(self.model)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        return iter(self.answer(Request(environ))(environ, start_response))

    def finds(self, request: Request) -> tuple[str, dict[str, str]] | None:
        """Return the operation that a request asks for, and the labels of its path, if any."""
        if self._is_json:
            prefix, _, operation = request.headers.get("X-Amz-Target", "").rpartition(".")
            known = operation in self.model.operation_names
            ours = prefix == self.model.metadata["targetPrefix"]
            return (operation, {}) if known and ours else None
        return routing.find(self._routes, request)

    def close(self) -> None:
        """Stop whatever the service has going.  Nothing, unless a subclass says otherwise."""

    def answer(self, request: Request) -> Response:
        """Return the response to one request; errors are responses too."""
        request_id = str(uuid.uuid4())
        try:
            answer = self._answer(request)
        except ServiceError as error:
            answer = self._failure(error, request_id)
        except Exception:  # the boundary: the caller gets AWS's 500, the log gets the traceback
            logger.exception("%s failed on %s %s", self.name, request.method, request.path)
            said = f"the local AWS failed inside {self.name}; its log has the traceback"
            answer = self._failure(ServiceError("InternalFailure", said, 500), request_id)
        answer.headers["x-amzn-RequestId"] = request_id
        return answer

    def _answer(self, request: Request) -> Response:
        found = self.finds(request)
        if found is None:
            asked = request.headers.get("X-Amz-Target") or f"{request.method} {request.path}"
            said = f"{self.name} has no operation for {asked}"
            raise ServiceError("UnknownOperationException", said, 404)
        name, labels = found
        handler = self.handlers.get(name)
        if handler is None:
            said = f"the local AWS does not answer {self.name} {name}"
            raise ServiceError("NotImplementedException", said, HTTPStatus.NOT_IMPLEMENTED)
        operation = self.model.operation_model(name)
        params = self._checked(operation, request, labels)
        scope = routing.Scope.of(request.environ)
        context = Context(ACCOUNT, scope.region if scope else REGION, name, params)
        return serialising.response(operation, handler(context))

    def _checked(
        self, operation: OperationModel, request: Request, labels: Mapping[str, str]
    ) -> dict[str, Any]:
        try:
            params = parsing.parameters(operation, request, labels)
        except parsing.Unreadable as error:
            raise ServiceError("SerializationException", str(error)) from error
        if operation.input_shape is None:
            return params
        if found := list(violations(operation.input_shape, params)):
            raise ServiceError(self._invalid, validation.message(found))
        try:
            opened: dict[str, Any] = parsing.opened(operation.input_shape, params)
        except parsing.Unreadable as error:
            raise ServiceError(self._invalid, str(error)) from error
        return opened

    @property
    def _invalid(self) -> str:
        known = {shape.name for shape in self.model.error_shapes}
        names = ("InvalidInputException", "BadRequestException", "ValidationException")
        return next((name for name in names if name in known), "ValidationException")

    def _failure(self, error: ServiceError, request_id: str) -> Response:
        """Return an error as the protocol writes it.

        JSON 1.1: `__type` in the body, 400.  rest-json: the header `x-amzn-errortype`, and the
        status and members of the model's exception shape.
        """
        shape = next((each for each in self.model.error_shapes if each.name == error.code), None)
        about = (shape.metadata.get("error") or {}) if shape else {}
        status = about.get("httpStatusCode", 400 if shape else error.status)
        members = list(shape.members) if shape else ["message"]
        body = {name: error.message for name in members if name.lower() == "message"}
        body |= {name: request_id for name in members if name == "RequestID"}
        if self._is_json:
            body["__type"] = error.code
        kind = "application/x-amz-json-1.1" if self._is_json else "application/json"
        answer = Response(status=status, content_type=kind)
        answer.set_data(json.dumps(body))
        answer.headers["x-amzn-errortype"] = error.code
        return answer
