"""The audience's file on S3, as it is right now."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from typing import Any

from personalization.aws import S3Path, aws_errors
from personalization.connectors.base import Limits
from personalization.connectors.importing import Audience
from personalization.errors import FatalError


@dataclass(frozen=True)
class AudienceFile:
    """One version of one object.

    pin       arguments that make GetObject return this version or refuse
    version   16 hex digits of a SHA-256 over location and version id or ETag
    modified  when it was written, by S3's clock
    """

    location: S3Path
    size: int
    modified: dt.datetime
    pin: dict[str, str]
    version: str


def found(location: S3Path, s3: Any) -> AudienceFile:
    """Return what is there.  Raises FatalError that names the location if nothing is."""
    with aws_errors(f"looking at {location}"):
        head = s3.head_object(Bucket=location.bucket, Key=location.key)
    etag, version_id = head["ETag"], head.get("VersionId")
    # A bucket without versioning says nothing, one with suspended versioning says "null".
    versioned = version_id not in (None, "null")
    pin = {"VersionId": version_id} if versioned else {"IfMatch": etag}
    digest = hashlib.sha256(f"{location}\n{version_id if versioned else etag}".encode())
    return AudienceFile(
        location, head["ContentLength"], head["LastModified"], pin, digest.hexdigest()[:16]
    )


def importable(audience: Audience, s3: Any, kind: str, limits: Limits) -> AudienceFile:
    """Return the audience's file.  Raises FatalError if it is too big."""
    file = found(audience.location, s3)
    within(file.size, audience.location, kind, limits)
    return file


def within(size: int, location: S3Path, kind: str, limits: Limits) -> None:
    """Raise FatalError if `size` bytes are more than one import takes."""
    if limits.max_bytes is not None and size > limits.max_bytes:
        raise FatalError(
            f"{location} makes {size:,} bytes and {kind} takes at most {limits.max_bytes:,} "
            "an import; split the audience, or take its top by rank"
        )
