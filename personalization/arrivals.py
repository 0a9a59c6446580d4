"""Whether all of an upload is there: a folder arrives file by file, its largest last.

`aws s3 cp --recursive` sends ten files at a time, and one of more than 8 MB in parts, so that
config.json is there long before the interactions are.  S3 does not say when a folder is complete:
no upload in parts under way, and nothing new for some seconds, is the best sign there is.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from personalization.aws import S3Path, aws_errors, error_code
from personalization.objects import listing

logger = logging.getLogger(__name__)

# An upload in parts was given up if no part has come for so long: parts are small (8 MB, unless a
# client was told otherwise), and whoever sends one needs seconds.
_GIVEN_UP: Final = dt.timedelta(minutes=10)
# Where nobody may look at the parts, it is one that was begun before that.
_GIVEN_UP_UNSEEN: Final = dt.timedelta(days=1)
_LOOK_EVERY_S: Final = 2.0


@dataclass(frozen=True)
class Arriving:
    """Something that may not be all there.

    again_in_s  when to look again
    """

    what: str
    again_in_s: float


def still_arriving(
    s3: Any, places: Iterable[S3Path], settle_s: float, now: dt.datetime
) -> Arriving | None:
    """Return what still arrives at the places; None when they are quiet.

    places    files, and folders with a closing "/"; nothing else counts, whatever lies beside them
    settle_s  for how long nothing must have been written there
    """
    places = tuple(places)
    for place in places:
        for path in _in_parts(s3, place, now):
            return Arriving(f"{path} is being uploaded in parts", _LOOK_EVERY_S)
    objects = [it for place in places for it in listing(s3, place) if _is_at(place, it.path.key)]
    if not objects:
        return None
    newest = max(objects, key=lambda it: it.modified)
    age_s = (now - newest.modified).total_seconds()
    if age_s >= settle_s:
        return None
    return Arriving(f"{newest.path} has just been written", min(settle_s - age_s, settle_s))


def _is_at(place: S3Path, key: str) -> bool:
    return key == place.key or place.key.endswith("/")


def _in_parts(s3: Any, place: S3Path, now: dt.datetime) -> Iterator[S3Path]:
    """Yield what is being uploaded in parts at the place."""
    doing = f"listing the uploads in parts of {place}"
    paginator = s3.get_paginator("list_multipart_uploads")
    pages = paginator.paginate(Bucket=place.bucket, Prefix=place.key)
    for page in _allowed(pages, doing, "s3:ListBucketMultipartUploads") or ():
        for it in page.get("Uploads", ()):
            if _is_at(place, it["Key"]) and _goes_on(s3, place.bucket, it, now):
                yield S3Path(place.bucket, it["Key"])


def _goes_on(s3: Any, bucket: str, upload: dict[str, Any], now: dt.datetime) -> bool:
    """Whether a part of it has come of late, or it was begun of late."""
    begun: dt.datetime = upload["Initiated"]
    if begun >= now - _GIVEN_UP:
        return True
    doing = f"listing the parts of {S3Path(bucket, upload['Key'])}"
    pages = s3.get_paginator("list_parts").paginate(
        Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"]
    )
    parts = _allowed(pages, doing, "s3:ListMultipartUploadParts")
    if parts is None:
        return begun >= now - _GIVEN_UP_UNSEEN
    came = [it["LastModified"] for page in parts for it in page.get("Parts", ())]
    return bool(came) and max(came) >= now - _GIVEN_UP


def _allowed(pages: Iterable[Any], doing: str, permission: str) -> list[Any] | None:
    """Return the pages of an answer; none for what is over by now, None if it is not allowed."""
    with aws_errors(doing):
        try:
            return list(pages)
        except ClientError as error:
            if error_code(error) == "NoSuchUpload":
                return []
            if error_code(error) != "AccessDenied":
                raise
            # Worth a warning and no more: most uploads are over long before anybody looks.
            logger.warning(
                "%s is not allowed (%s), so whether one is under way is not known",
                *(doing, permission),
            )
            return None
