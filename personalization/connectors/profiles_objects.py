"""Recommendations as objects of Customer Profiles, by BatchPutProfileObject.

Source: botocore, customer-profiles 2020-08-15: 10 objects a call, 256,000 characters each, failures
by item with an HTTP status; a profile's own attributes hold 255 characters at most, which is why a
list of recommendations is an object of a type that the domain has for it.  The type is made once,
with `user_id` as its PROFILE and UNIQUE key, so that an object replaces the user's last one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError

from personalization.aws import aws_errors, error_code
from personalization.connectors.base import BatchRefused, Delivered, Rejected, RequestLimits
from personalization.errors import shortened

# The model states no rate, so pace and concurrency are ours: cautious; throttling slows down.
LIMITS = RequestLimits(
    max_rows=10, max_bytes=2_600_000, per_second=10, in_flight=4, max_line_bytes=256_000
)
_REFUSED = ("BadRequestException",)


def put(profiles: Any, domain: str, object_type: str, lines: Sequence[bytes]) -> Delivered:
    """Put a batch of objects.  Safe to repeat: an object replaces the one with its key."""
    items = [{"Id": str(at), "Object": line.decode()} for at, line in enumerate(lines)]
    doing = f"putting {object_type} objects into domain {domain!r}"
    with aws_errors(doing):
        try:
            answer = profiles.batch_put_profile_object(
                DomainName=domain, ObjectTypeName=object_type, Items=items
            )
        except ClientError as error:
            if error_code(error) in _REFUSED:
                said = shortened(error.response["Error"].get("Message", ""))
                raise BatchRefused(f"{doing} was refused: {said}") from error
            raise
    rejected = tuple(
        Rejected(
            int(each["Id"]),
            f"{each['Code']}: {shortened(each.get('Message', 'no reason was given'))}",
            later=each["Code"] >= 500 or each["Code"] == 429,
        )
        for each in sorted(answer.get("Failed", ()), key=lambda it: int(it["Id"]))
    )
    return Delivered(len(lines) - len(rejected), rejected)
