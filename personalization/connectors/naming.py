"""Names that every destination accepts, made from names that people write."""

from __future__ import annotations

import hashlib
import re

# Source: botocore, customer-profiles 2020-08-15, shape `name` (of a segment definition).  Pinpoint
# states no rule; using the same names there makes an audience recognisable in both.
_ACCEPTED = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MAX_LENGTH = 64
_DIGEST_LENGTH = 12


def segment_name(audience: str) -> str:
    """Return the segment's name for a logical audience: always the same, never shared.

    An acceptable name stays as it is.  Any other gets its foreign characters replaced, is cut, and
    ends in 48 bits of its SHA-256, so that names which differ only in those stay apart.
    """
    if _ACCEPTED.fullmatch(audience):
        return audience
    digest = hashlib.sha256(audience.encode("utf-8", "surrogatepass")).hexdigest()
    readable = re.sub(r"[^a-zA-Z0-9_]+", "-", audience).strip("-")
    readable = readable[: _MAX_LENGTH - _DIGEST_LENGTH - 1].rstrip("-") or "audience"
    return f"{readable}-{digest[:_DIGEST_LENGTH]}"
