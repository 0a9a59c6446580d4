"""One resource at a time: do what is to be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from personalization.aws import aws_errors, error_code
from personalization.errors import FatalError, RetryableError
from personalization.resources.account import Account
from personalization.resources.actual import Found
from personalization.resources.deciding import Decision, Policy, decide
from personalization.resources.desired import Resource, a_second_later
from personalization.resources.kinds import SCHEMA

# How many names are tried for a job: names are told apart by the second.
_NAMES: Final = 5


def ensure(
    personalize: Any,
    account: Account,
    resource: Resource,
    arns: Mapping[str, str],
    policy: Policy,
) -> tuple[Decision, str]:
    """Decide, then do it: return what was done and the ARN of the resource, ACTIVE or on the way.

    Safe to repeat: whatever an earlier call made is found and kept.
    Raises FatalError where the resource is blocked, RetryableError where Personalize says "later".
    """
    for _ in range(_NAMES):
        decision = decide(personalize, account, resource, arns, policy)
        if decision.action == "blocked":
            raise FatalError(f"{resource.kind.title} {resource.name} {decision.reason}")
        if decision.found and decision.action in ("keep", "wait"):
            return decision, decision.found.arn
        if decision.found and decision.action == "update":
            _update(personalize, decision.found, decision.update or {})
            return decision, decision.found.arn
        if arn := _create(personalize, resource, arns):
            return decision, arn
        # The name was taken between our look and our call.  Either what took it is what we want,
        # which the next look tells, or it is another job of the same second.
        resource = a_second_later(resource)
    raise RetryableError(f"{resource.kind.title} {resource.name} exists but cannot be found yet")


def _update(personalize: Any, found: Found, changes: Mapping[str, Any]) -> None:
    if "tags" in changes:
        request = {"resourceArn": found.arn, "tags": changes["tags"]}
        _call(personalize, "tag_resource", request, f"tagging {found.arn}")
        return
    request = {found.kind.arn_member: found.arn, **changes}
    _call(personalize, found.kind.method("update"), request, f"updating {found.arn}")


def _create(personalize: Any, resource: Resource, arns: Mapping[str, str]) -> str | None:
    """Create it and return its ARN; None if the name is taken."""
    request = dict(resource.parameters)
    request |= {parameter: arns[key] for parameter, key in resource.references.items()}
    if resource.kind == SCHEMA:
        request["schema"] = json.dumps(request["schema"])
    what = f"{resource.kind.title} {resource.name}"
    try:
        answer = _call(personalize, resource.kind.method("create"), request, f"creating {what}")
    except FatalError as error:
        if _exists_already(error):
            return None
        raise
    return str(answer[resource.kind.arn_member])


def _call(personalize: Any, method: str, request: Mapping[str, Any], doing: str) -> Any:
    with aws_errors(doing):
        return getattr(personalize, method)(**request)


def _exists_already(error: FatalError) -> bool:
    cause = error.__cause__
    return isinstance(cause, ClientError) and error_code(cause) == "ResourceAlreadyExistsException"
