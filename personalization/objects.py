"""Objects in S3 as files on disk, and back."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from personalization.aws import NOT_THERE, S3Path, aws_errors, error_code

# Name of the metadata that tells an object's SHA-256, in hex.
_DIGEST: Final = "sha256"


@dataclass(frozen=True)
class S3Object:
    """An object as a listing tells it.  size in bytes; modified in UTC."""

    path: S3Path
    size: int
    etag: str
    modified: dt.datetime


def listing(s3: Any, prefix: S3Path) -> tuple[S3Object, ...]:
    """Return all objects whose key starts with the prefix's, by key."""
    with aws_errors(f"listing {prefix}"):
        pages = list(
            s3.get_paginator("list_objects_v2").paginate(Bucket=prefix.bucket, Prefix=prefix.key)
        )
    entries = [entry for page in pages for entry in page.get("Contents", ())]
    return tuple(
        S3Object(
            S3Path(prefix.bucket, entry["Key"]), entry["Size"], entry["ETag"], entry["LastModified"]
        )
        for entry in sorted(entries, key=lambda it: str(it["Key"]))
    )


def download(s3: Any, path: S3Path, target: Path) -> Path:
    """Write the object to a file, whole or not at all.  Safe to repeat."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with aws_errors(f"downloading {path}"):
        s3.download_file(path.bucket, path.key, str(partial))
    return partial.replace(target)


def upload(s3: Any, file: Path, path: S3Path, content_type: str = "text/csv") -> None:
    """Write the file to an object, unless the object is a copy of it already.

    A copy is known by its digest, kept in the object's metadata: a repeat leaves it as it is, with
    the time at which it was written, by which others know that nothing is new.
    """
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    with aws_errors(f"uploading {path}"):
        if _digest(s3, path) == digest:
            return
        extra = {"ContentType": content_type, "Metadata": {_DIGEST: digest}}
        s3.upload_file(str(file), path.bucket, path.key, ExtraArgs=extra)


def _digest(s3: Any, path: S3Path) -> str | None:
    try:
        head = s3.head_object(Bucket=path.bucket, Key=path.key)
    except ClientError as error:
        if error_code(error) in NOT_THERE:
            return None
        raise
    digest: str | None = head["Metadata"].get(_DIGEST)
    return digest


def kept_copies(s3: Any, objects: Sequence[S3Object], home: Path) -> Path:
    """Return a folder of `home` with copies of these very objects.

    What is there is not downloaded again.  Copies of older versions are removed: `home` holds one
    set at a time.
    """
    rows = "\n".join(f"{it.path}\t{it.size}\t{it.etag}" for it in objects)
    folder = home / hashlib.sha256(rows.encode()).hexdigest()[:16]
    if home.exists():
        for older in home.iterdir():
            if older.is_dir() and older.name.partition(".")[0] != folder.name:
                shutil.rmtree(older)
    if not folder.exists():
        partial = home / f"{folder.name}.partial"
        for number, it in enumerate(objects):
            download(s3, it.path, partial / f"{number:05d}-{it.path.name}")
        partial.replace(folder)
    return folder
