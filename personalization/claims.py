"""Who works on what: a claim is an object in S3 that names one run.

Claims are taken with conditional writes, which S3 decides one after the other: `If-None-Match: *`
makes an object only where there is none, `If-Match` replaces it only if nobody else has meanwhile.
Of many that ask for one claim at the same time, exactly one gets it.  Nothing is locked, and
nothing has to be given back: a run that failed or crashed, or that nobody knows, has lost it.  One
that a person cancelled keeps it, so that no copy of the same event undoes what the person wished.

Source: S3 user guide, "How to prevent object overwrites with conditional writes" (412, 409, 404).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from personalization.aws import NOT_THERE, S3Path, aws_errors, error_code
from personalization.errors import ConfigError, RetryableError, shortened
from personalization.objects import content, head
from personalization.parameters import Upload

logger = logging.getLogger(__name__)

FOLDER: Final = "claims/"
# How a run is doing: it ended well, or otherwise, or as a person wished; it goes on, or will; it
# is not known any more.
State = Literal["succeeded", "failed", "cancelled", "going", "gone"]
IsOver = Callable[[str], State]

# Answers to a conditional write that was too late, or at the same time as another.
_TOO_LATE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_MOST_TRIES: Final = 20


class Claim(BaseModel):
    """Who has something.

    path and etag  of the object that says so; they are not written into it
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    holder: str = Field(description="Id of the run that has it.")
    attempt: int = Field(1, ge=1, description="Which run it is that tries, from 1.")
    since: dt.datetime = Field(description="When it was taken, UTC.")
    completed: dt.datetime | None = Field(None, description="When its run succeeded, UTC.")
    cancelled: dt.datetime | None = Field(None, description="When its run was seen cancelled, UTC.")
    about: Mapping[str, str | None] = Field({}, description="What is claimed, for people.")
    path: S3Path = Field(S3Path(""), exclude=True)
    etag: str = Field("", exclude=True)


def claim(
    s3: Any,
    path: S3Path,
    holder: str,
    is_over: IsOver,
    *,
    about: Mapping[str, str | None] | None = None,
    recurring: bool = False,
) -> Claim:
    """Take the claim at `path` for `holder` if it can be had; return the claim that stands.

    is_over    how the run of a given id is doing
    recurring  what succeeded, or was cancelled, is to be done again: then its claim can be had, too
    It is `holder`'s if `.holder` says so; it may have been before.  Safe to repeat, and to be
    called by many at once.
    """
    for _ in range(_MOST_TRIES):
        wanted = Claim(holder=holder, since=_now(), about=about or {}, path=path)
        if taken := _written(s3, wanted, IfNoneMatch="*"):
            return taken
        standing = read(s3, path)
        if standing is None:
            continue  # it has just been removed
        if standing.holder == holder:
            return _uncancelled(s3, standing)
        if (standing.completed or standing.cancelled) and not recurring:
            return standing
        state = "succeeded" if standing.completed else is_over(standing.holder)
        if state == "going" or (state == "succeeded" and not recurring):
            return standing
        if state == "cancelled" and not recurring:
            return cancel(s3, standing)
        attempt = 1 if state == "succeeded" else standing.attempt + 1
        if taken := _written(
            s3, wanted.model_copy(update={"attempt": attempt}), IfMatch=standing.etag
        ):
            logger.info("%s is taken over from %s, which %s", path, standing.holder, state)
            return taken
    raise RetryableError(f"{path} changes hands too quickly to be claimed; try again later")


def complete(s3: Any, mine: Claim) -> bool:
    """Write into the claim that its run has succeeded; return whether it still was the run's."""
    if mine.completed:
        return True
    done = mine.model_copy(update={"completed": _now()})
    return _written(s3, done, IfMatch=mine.etag) is not None or _is_complete(s3, mine)


def cancel(s3: Any, standing: Claim) -> Claim:
    """Write into the claim that its run was cancelled, so that it stays so when the run is gone."""
    cancelled = standing.model_copy(update={"cancelled": _now()})
    return _written(s3, cancelled, IfMatch=standing.etag) or cancelled


def _uncancelled(s3: Any, mine: Claim) -> Claim:
    """A run that was cancelled and is retried wants its work done again."""
    if mine.cancelled is None:
        return mine
    going = mine.model_copy(update={"cancelled": None})
    return _written(s3, going, IfMatch=mine.etag) or mine


def read(s3: Any, path: S3Path) -> Claim | None:
    """Return the claim at `path`, None if there is none.

    Raises ConfigError for an object that is no claim.
    """
    written = content(s3, path)
    if written is None:
        return None
    try:
        found = Claim.model_validate_json(written.data)
    except ValidationError as error:
        said = shortened(error.errors()[0]["msg"])
        raise ConfigError(
            f"{path} is no claim ({said}); nobody but the flows may write to {FOLDER}: remove it"
        ) from error
    return found.model_copy(update={"path": path, "etag": written.head["ETag"]})


@dataclass(frozen=True)
class Identity:
    """What makes an upload that upload and no other.

    version   its version id; in a bucket without versions its ETag and when it was written, so that
              uploading the same file again is a new upload
    modified  when it was written, UTC
    """

    path: S3Path
    version: str
    modified: dt.datetime

    @property
    def digest(self) -> str:
        """A name for it that fits into a key."""
        return hashlib.sha256(f"{self.path.key}\n{self.version}".encode()).hexdigest()[:32]

    def claim_path(self, flow: str) -> S3Path:
        """Return where a flow's claim to it is kept."""
        return S3Path(self.path.bucket, f"{FOLDER}{flow}/{self.digest}.json")


def identify(s3: Any, upload: Upload) -> Identity | None:
    """Return which upload it is, None if the object has been deleted since."""
    there = head(s3, upload.path)
    if there is None:
        return None
    modified: dt.datetime = there["LastModified"].astimezone(dt.UTC)
    return Identity(upload.path, _version(upload, there, modified), modified)


def _version(upload: Upload, there: Mapping[str, Any], modified: dt.datetime) -> str:
    # "null" is the version of what was written while the bucket kept none.
    for version in (upload.version_id, there.get("VersionId")):
        if version and version != "null":
            return str(version)
    etag = str(there["ETag"]).strip('"')
    return f"{etag} {modified:%Y-%m-%dT%H:%M:%SZ}"


def _written(s3: Any, wanted: Claim, **condition: str) -> Claim | None:
    """Write the claim under the condition and return it as it stands; None if it does not hold."""
    path = wanted.path
    with aws_errors(f"writing {path}"):
        try:
            answer = s3.put_object(
                Bucket=path.bucket,
                Key=path.key,
                Body=wanted.model_dump_json(indent=1).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if error_code(error) in _TOO_LATE | NOT_THERE:
                return None
            raise
    return wanted.model_copy(update={"etag": answer["ETag"]})


def _is_complete(s3: Any, mine: Claim) -> bool:
    """Whether the claim was completed all the same: the answer that said so was lost."""
    standing = read(s3, mine.path)
    return standing is not None and standing.holder == mine.holder and bool(standing.completed)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
