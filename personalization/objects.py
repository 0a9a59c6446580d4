"""Objects in S3 as files on disk, and back."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from boto3.exceptions import RetriesExceededError, S3UploadFailedError
from botocore.exceptions import ClientError

from personalization.aws import NOT_THERE, S3Path, aws_errors, error_code, translated
from personalization.errors import RetryableError, shortened

# Name of the metadata that tells an object's SHA-256, in hex.
_DIGEST: Final = "sha256"
# Folders of copies: complete, and on the way.
_SET, _BUILDING = "set-", ".building-"
_DAY_S: Final = 86_400


@dataclass(frozen=True)
class S3Object:
    """An object as a listing tells it.  size in bytes; modified in UTC."""

    path: S3Path
    size: int
    etag: str
    modified: dt.datetime


@dataclass(frozen=True)
class Content:
    """An object's bytes, and what S3 said of it with them (`ETag`, `VersionId`, …)."""

    data: bytes
    head: Mapping[str, Any]


def as_folder(path: S3Path) -> S3Path:
    """Return the folder of that name, with a closing "/"; the bucket itself has none."""
    key = path.key.rstrip("/")
    return S3Path(path.bucket, f"{key}/" if key else "")


def listing(s3: Any, prefix: S3Path, *, deep: bool = True) -> tuple[S3Object, ...]:
    """Return all objects whose key starts with the prefix's, by key.

    Without `deep` only those directly in it: folders below it are left out.
    """
    request = {"Bucket": prefix.bucket, "Prefix": prefix.key}
    if not deep:
        request["Delimiter"] = "/"
    with aws_errors(f"listing {prefix}"):
        pages = list(s3.get_paginator("list_objects_v2").paginate(**request))
    entries = [entry for page in pages for entry in page.get("Contents", ())]
    return tuple(
        S3Object(
            S3Path(prefix.bucket, entry["Key"]), entry["Size"], entry["ETag"], entry["LastModified"]
        )
        for entry in sorted(entries, key=lambda it: str(it["Key"]))
    )


def folders(s3: Any, prefix: S3Path) -> tuple[S3Path, ...]:
    """Return the folders directly in the folder, by name."""
    request = {"Bucket": prefix.bucket, "Prefix": prefix.key, "Delimiter": "/"}
    with aws_errors(f"listing {prefix}"):
        pages = list(s3.get_paginator("list_objects_v2").paginate(**request))
    found = (it["Prefix"] for page in pages for it in page.get("CommonPrefixes", ()))
    return tuple(S3Path(prefix.bucket, key) for key in sorted(found))


def content(s3: Any, path: S3Path) -> Content | None:
    """Return what is in the object, all of it in memory; None if there is no such object."""
    with aws_errors(f"reading {path}"):
        answer = _unless_gone(s3.get_object, path)
        return Content(answer["Body"].read(), answer) if answer else None


def head(s3: Any, path: S3Path) -> Mapping[str, Any] | None:
    """Return what S3 says of the object without its bytes, None if there is no such object.

    HEAD has no body that could tell a bucket that is not there from an object that is not there.
    """
    with aws_errors(f"looking at {path}"):
        return _unless_gone(s3.head_object, path)


def _unless_gone(ask: Callable[..., Mapping[str, Any]], path: S3Path) -> Mapping[str, Any] | None:
    try:
        return ask(Bucket=path.bucket, Key=path.key)
    except ClientError as error:
        if error_code(error) in NOT_THERE:
            return None
        raise


def download(s3: Any, path: S3Path, target: Path) -> Path:
    """Write the object to a file, whole or not at all.  Safe to repeat."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with _transfer_errors(f"downloading {path}"):
        s3.download_file(path.bucket, path.key, str(partial))
    return partial.replace(target)


def upload(s3: Any, file: Path, path: S3Path, content_type: str = "text/csv") -> None:
    """Write the file to an object, unless the object is a copy of it already.

    A copy is known by its digest, kept in the object's metadata: a repeat leaves it as it is, with
    the time at which it was written, by which others know that nothing is new.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    there = head(s3, path)
    if there and there["Metadata"].get(_DIGEST) == digest:
        return
    extra = {"ContentType": content_type, "Metadata": {_DIGEST: digest}}
    with _transfer_errors(f"uploading {path}"):
        s3.upload_file(str(file), path.bucket, path.key, ExtraArgs=extra)


@contextmanager
def _transfer_errors(doing: str) -> Iterator[None]:
    """Raise what boto3's transfers end with as ours: besides botocore's errors, two of its own."""
    with aws_errors(doing):
        try:
            yield
        except S3UploadFailedError as error:
            said = error.__context__  # it only puts words around that
            if not isinstance(said, ClientError):
                raise
            raise translated(said, doing) from error
        except RetriesExceededError as error:
            raise RetryableError(f"{doing} failed: {shortened(error.last_exception)}") from error


def remove(s3: Any, path: S3Path) -> None:
    """Remove the object.  Safe to repeat."""
    with aws_errors(f"removing {path}"):
        s3.delete_object(Bucket=path.bucket, Key=path.key)


def kept_copies(s3: Any, objects: Sequence[S3Object], home: Path) -> Path:
    """Return a folder of `home` with copies of these very objects.

    What is there is not downloaded again.  Safe to repeat and to run twice at once: the folder is
    renamed into place when complete.  Sets of older versions, but the latest, are removed.
    """
    home.mkdir(parents=True, exist_ok=True)
    rows = "\n".join(f"{it.path}\t{it.size}\t{it.etag}" for it in objects)
    folder = home / f"{_SET}{hashlib.sha256(rows.encode()).hexdigest()[:16]}"
    if folder.exists():
        os.utime(folder)  # the latest is the one used last
        return folder
    for leftover in home.glob(f"{_BUILDING}*"):  # of a run that was killed
        if _age_s(leftover) > _DAY_S:
            shutil.rmtree(leftover, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=_BUILDING, dir=home))
    try:
        for number, it in enumerate(objects):
            download(s3, it.path, building / f"{number:05d}-{it.path.name}")
        earlier = sorted(home.glob(f"{_SET}*"), key=_age_s)
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    # A run that reads the set before may still be under way.
    for old in [it for it in earlier if it != folder][1:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:  # another run has just removed it
        return 0.0
