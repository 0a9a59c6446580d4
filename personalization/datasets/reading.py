"""Bytes of a file, from disk or from S3, in pieces and in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from personalization.aws import S3Path, aws_errors
from personalization.errors import ConfigError, shortened

PIECE_BYTES: Final = 4 * 1024 * 1024


def pieces(path: S3Path | Path, s3: Any = None) -> Iterator[bytes]:
    """Yield the file's bytes, 4 MB at a time: more is no faster and takes more memory.

    From S3 by one GetObject without ranges: moto copies the whole object for each range.
    Raises ConfigError if a local file cannot be read; what S3 says is raised as FatalError (not
    there, no permission) or RetryableError (the connection broke).
    """
    if isinstance(path, Path):
        try:
            with path.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {shortened(error.strerror)}") from error
        return
    if s3 is None:
        raise ConfigError(f"{path} lies in S3, and no S3 client was given to read it")
    with aws_errors(f"reading {path}"):
        body = s3.get_object(Bucket=path.bucket, Key=path.key)["Body"]
        try:
            while piece := body.read(PIECE_BYTES):
                yield piece
        finally:
            body.close()
