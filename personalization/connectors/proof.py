"""What a check of a destination proves, and what it cannot.

A check reads something, for want of anything else that changes nothing.  A key that may deliver
need not be allowed to read: being refused that proves nothing against the key.
"""

from __future__ import annotations

from typing import Any, Final

from botocore.exceptions import ClientError

from personalization.aws import error_code
from personalization.connectors.base import Connector
from personalization.errors import FatalError

# What AWS says to whom it knows and does not allow.  The other 403s are about the key itself.
# Source: botocore, s3, customer-profiles, pinpoint; HeadBucket has no body and gives its status.
_NOT_ALLOWED: Final = frozenset(
    {"403", "AccessDenied", "AccessDeniedException", "ForbiddenException"}
)


class MayNotRead(FatalError):
    """The key may not make the read that checks it; whether it may deliver is not said."""


def unproven(connector: Connector[Any]) -> str:
    """Check a destination; return why nothing is proven, if it may not be read; empty if it may.

    Raises FatalError for what is proven wrong (the key, the host, the bucket, …), RetryableError
    for what may pass.
    """
    try:
        connector.check()
    except MayNotRead as error:
        return str(error)
    except FatalError as error:
        cause = error.__cause__
        if isinstance(cause, ClientError) and error_code(cause) in _NOT_ALLOWED:
            return str(error)
        raise
    return ""
