"""Recommendations as attributes of Pinpoint's users, by batches of endpoints.  Legacy, too.

Source: botocore, pinpoint 2016-12-01: what belongs to a user (`UserAttributes`, lists of strings)
is set by updating any one of the user's endpoints, 100 in a batch; no values remove an attribute.
Pinpoint user guide, "Quotas": names of 50 and values of 100 characters.  An endpoint's id is not
its user's, so it is asked for, a call a user: that is why this is slow, and why there is no other
way to do it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
from botocore.exceptions import ClientError

from personalization.aws import NOT_THERE, aws_errors, error_code
from personalization.connectors.base import BatchRefused, Delivered, Rejected, RequestLimits
from personalization.errors import shortened

MAX_NAME, MAX_VALUE = 50, 100
# Source: Pinpoint developer guide, "Quotas" (15 KB an endpoint).
LIMITS = RequestLimits(max_rows=100, max_bytes=1_500_000, per_second=10, in_flight=2)
_AT_ONCE = 8


def put(pinpoint: Any, application: str, lines: Sequence[bytes]) -> Delivered:
    """Set the attributes of a batch of users.  Safe to repeat.

    Users without an endpoint, and those with an attribute that Pinpoint would drop, are rejected.
    """
    users = [orjson.loads(line) for line in lines]
    reasons: dict[int, str] = {}
    attributes: dict[int, Mapping[str, list[str]]] = {}
    for at, user in enumerate(users):
        found = {name: _texts(value) for name, value in user["attributes"].items()}
        if wrong := _wrong(found):
            reasons[at] = wrong
        else:
            attributes[at] = found
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        endpoints = dict(
            zip(
                attributes,
                pool.map(
                    lambda at: _endpoint(pinpoint, application, users[at]["user_id"]), attributes
                ),
                strict=True,
            )
        )
    reasons |= {at: "has no endpoint" for at, endpoint in endpoints.items() if endpoint is None}
    items = [
        {
            "Id": endpoint,
            "User": {"UserId": users[at]["user_id"], "UserAttributes": attributes[at]},
        }
        for at, endpoint in endpoints.items()
        if endpoint is not None
    ]
    if items:
        _update(pinpoint, application, items)
    rejected = tuple(Rejected(at, reasons[at]) for at in sorted(reasons))
    return Delivered(len(lines) - len(rejected), rejected)


def _update(pinpoint: Any, application: str, items: list[dict[str, Any]]) -> None:
    doing = f"updating endpoints of Pinpoint application {application!r}"
    with aws_errors(doing):
        try:
            pinpoint.update_endpoints_batch(
                ApplicationId=application, EndpointBatchRequest={"Item": items}
            )
        except ClientError as error:
            if error_code(error) in ("BadRequestException", "PayloadTooLargeException"):
                said = shortened(error.response["Error"].get("Message", ""))
                raise BatchRefused(f"{doing} was refused: {said}") from error
            raise


def _endpoint(pinpoint: Any, application: str, user: str) -> str | None:
    """Return the id of one endpoint of a user: the first, so that repeats meet the same."""
    with aws_errors(f"reading endpoints of Pinpoint application {application!r}"):
        try:
            answer = pinpoint.get_user_endpoints(ApplicationId=application, UserId=user)
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                return None
            raise
    return min((str(each["Id"]) for each in answer["EndpointsResponse"]["Item"]), default=None)


def _texts(value: Any) -> list[str]:
    """Return an attribute as Pinpoint holds it; null is no value, in a list an empty one."""
    if value is None:
        return []
    each = value if isinstance(value, list) else [value]
    return [
        it if isinstance(it, str) else "" if it is None else orjson.dumps(it).decode()
        for it in each
    ]


def _wrong(attributes: Mapping[str, list[str]]) -> str:
    for name, values in attributes.items():
        if len(name) > MAX_NAME:
            return f"attribute name {name[:MAX_NAME]}… is longer than {MAX_NAME} characters"
        if any(len(value) > MAX_VALUE for value in values):
            return f"a value of {name} is longer than {MAX_VALUE} characters"
    return ""
