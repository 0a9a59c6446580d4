"""S3 as jobs of Personalize read and write it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from personalization.aws import S3Path, error_code
from personalization.errors import ConfigError, FatalError, shortened


@dataclass(frozen=True)
class Found:
    """One object: where, what it is called below the folder that was asked for, bytes."""

    path: S3Path
    name: str
    size: int


def location(uri: str, said: str) -> S3Path:
    """Return where `uri` points; raises ConfigError with Personalize's words where nowhere."""
    try:
        return S3Path.parse(uri)
    except ConfigError as error:
        raise ConfigError(f"{said}: {uri}") from error


def files(s3: Any, place: S3Path) -> list[Found]:
    """Return the object, or all objects below a folder (a key that ends in "/"), by key.

    Raises FatalError with Personalize's failureReason if there is no such bucket, key or folder.
    """
    with reading(place):
        if place.key and not place.key.endswith("/"):
            head = s3.head_object(Bucket=place.bucket, Key=place.key)
            return [Found(place, place.name, head["ContentLength"])]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
        found = [
            Found(
                S3Path(place.bucket, each["Key"]),
                each["Key"].removeprefix(place.key),
                each["Size"],
            )
            for page in pages
            for each in page.get("Contents", [])
            if not each["Key"].endswith("/")  # the console's folder markers
        ]
    if not found:
        raise FatalError(f"{_NO_ACCESS} ({place}: there is nothing below it)")
    return found


def download(s3: Any, place: S3Path, target: Path) -> None:
    """Copy an object to a file."""
    with reading(place):
        s3.download_file(place.bucket, place.key, str(target))


def lines(s3: Any, place: S3Path) -> Iterator[bytes]:
    """Yield an object's lines that are not blank, without holding more than one."""
    with reading(place):
        body = s3.get_object(Bucket=place.bucket, Key=place.key)["Body"]
        for line in body.iter_lines(chunk_size=1 << 16):
            if line.strip():
                yield line


@contextmanager
def reading(place: S3Path) -> Iterator[None]:
    """Raise what S3 refuses as Personalize's failureReason."""
    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as error:
        code = error_code(error) if isinstance(error, ClientError) else shortened(error)
        raise FatalError(f"{_NO_ACCESS} ({place}: {code})") from error


# Source: Personalize developer guide, "Troubleshooting".
_NO_ACCESS = "Insufficient privileges for accessing data in Amazon S3."
