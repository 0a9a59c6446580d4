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

# An upload in parts that was begun before that was given up, and nobody has cleared it away.
_GIVEN_UP: Final = dt.timedelta(days=1)
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
    """Return what still arrives at the places, files or folders; None when they are quiet.

    settle_s  for how long nothing must have been written there
    """
    places = tuple(places)
    for place in places:
        for path in _in_parts(s3, place, now - _GIVEN_UP):
            return Arriving(f"{path} is being uploaded in parts", _LOOK_EVERY_S)
    objects = [it for place in places for it in listing(s3, place)]
    if not objects:
        return None
    newest = max(objects, key=lambda it: it.modified)
    age_s = (now - newest.modified).total_seconds()
    if age_s >= settle_s:
        return None
    return Arriving(f"{newest.path} has just been written", min(settle_s - age_s, settle_s))


def _in_parts(s3: Any, place: S3Path, since: dt.datetime) -> Iterator[S3Path]:
    """Yield what is being uploaded in parts at the place."""
    doing = f"listing the uploads in parts of {place}"
    with aws_errors(doing):
        try:
            request = {"Bucket": place.bucket, "Prefix": place.key}
            pages = list(s3.get_paginator("list_multipart_uploads").paginate(**request))
        except ClientError as error:
            if error_code(error) != "AccessDenied":
                raise
            # Worth a warning and no more: most uploads are over long before anybody looks.
            logger.warning(
                "%s is not allowed (s3:ListBucketMultipartUploads), so whether one is under way "
                "is not known",
                doing,
            )
            return
    for page in pages:
        for it in page.get("Uploads", ()):
            if it["Initiated"] >= since:
                yield S3Path(place.bucket, it["Key"])
