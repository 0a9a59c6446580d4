"""Recommendations as files, on S3 or on disk: for cloud data ingestion, warehouses and the like.

A delivery is a folder of its own, `<location>/<run>/`: one part a batch, then `manifest.json`,
then, when all of it is there, an empty `_SUCCESS`.  A part is named for what is in it, so a batch
that is sent again writes the same part again.  Readers that wait for `_SUCCESS` never see half a
delivery.

Columns: `user_id`, `updated_at` (ISO 8601, UTC: when the part was written) and `payload`, the
user's attributes as a JSON object, null where an attribute is to be removed.  JSON Lines have the
same three names.  Braze's Cloud Data Ingestion reads `EXTERNAL_ID`, `UPDATED_AT` and `PAYLOAD`:
`column_names` renames them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import orjson
import polars as pl
from botocore.exceptions import ClientError
from pydantic import Field, ValidationInfo, field_validator

from personalization.aws import Clients, S3Path, aws_errors, error_code
from personalization.columns import USER_ID
from personalization.connectors.base import (
    Connector,
    ConnectorConfig,
    Delivered,
    Limits,
    Membership,
    Rendering,
    RequestLimits,
    Takes,
    TakesAttributes,
)
from personalization.connectors.naming import segment_name
from personalization.connectors.registry import register
from personalization.connectors.tuning import Tuning
from personalization.errors import ConfigError, FatalError, RetryableError, shortened

Format = Literal["parquet", "csv", "jsonl"]
_TYPES: Mapping[Format, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv",
    "jsonl": "application/x-ndjson",
}
_UPDATED, _PAYLOAD = "updated_at", "payload"
SUCCESS, MANIFEST = "_SUCCESS", "manifest.json"
_HEAD = b'{"user_id":'
_BETWEEN = b',"payload":{'


class FilesConfig(ConnectorConfig):
    """Where the folders go, and what is in a file.  A job alone may not name a folder on disk."""

    kind: Literal["files"] = "files"
    location: str = Field(description="Folder of the deliveries: `s3://bucket/prefix/` or a path.")
    format: Tuning[Format] = Field("parquet", description="`parquet`, `csv` or `jsonl`.")
    rows_per_file: Tuning[int] = Field(
        100_000, ge=1, le=1_000_000, description="Users in a file, at most."
    )
    bytes_per_file: Tuning[int] = Field(
        100_000_000, ge=1_000, le=1_000_000_000, description="Bytes of lines in a file, at most."
    )
    column_names: Tuning[tuple[str, str, str]] = Field(
        (USER_ID, _UPDATED, _PAYLOAD), description="Names for user_id, updated_at and payload."
    )

    @field_validator("location")
    @classmethod
    def _is_a_place(cls, location: str, info: ValidationInfo) -> str:
        if location.startswith("s3://"):
            try:
                return str(S3Path.parse(location.rstrip("/") + "/"))
            except ConfigError as error:
                raise ValueError(str(error)) from error
        if "://" in location or not Path(location).is_absolute():
            raise ValueError("write s3://bucket/prefix/ or an absolute path")
        if info.context and info.context.get("from_job"):
            raise ValueError("a folder on disk is only for a saved Destination block to name")
        return location


class _Store:
    """Writes and lists whole files, on S3 or on disk."""

    def __init__(self, location: str, clients: Clients) -> None:
        self._s3_path = S3Path.parse(location) if location.startswith("s3://") else None
        self._folder = Path(location)
        self._s3 = clients("s3") if self._s3_path else None

    def write(self, name: str, content: bytes, content_type: str) -> None:
        """Write whole or not at all."""
        if self._s3_path is not None and self._s3 is not None:
            target = self._s3_path / name
            with aws_errors(f"writing {target}"):
                self._s3.put_object(
                    Bucket=target.bucket, Key=target.key, Body=content, ContentType=content_type
                )
            return
        path = self._folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.partial")
            partial.write_bytes(content)
            partial.replace(path)
        except OSError as error:
            raise RetryableError(f"{path} cannot be written: {shortened(error)}") from error

    def sizes(self, folder: str) -> dict[str, int]:
        """Return the sizes of the files in a folder, by name."""
        if self._s3_path is not None and self._s3 is not None:
            prefix = self._s3_path / f"{folder}/"
            with aws_errors(f"listing {prefix}"):
                pages = self._s3.get_paginator("list_objects_v2").paginate(
                    Bucket=prefix.bucket, Prefix=prefix.key
                )
                found = [each for page in pages for each in page.get("Contents", ())]
            return {each["Key"].rpartition("/")[2]: each["Size"] for each in found}
        files = (self._folder / folder).glob("*")
        return {each.name: each.stat().st_size for each in files if not each.name.startswith(".")}

    def check(self) -> None:
        """Look at the place.  Raises FatalError if it is not there."""
        if self._s3_path is not None and self._s3 is not None:
            try:
                with aws_errors(f"checking {self._s3_path}"):
                    self._s3.list_objects_v2(
                        Bucket=self._s3_path.bucket, Prefix=self._s3_path.key, MaxKeys=1
                    )
            except FatalError as error:
                cause = error.__cause__
                if isinstance(cause, ClientError) and error_code(cause) == "NoSuchBucket":
                    said = f"bucket {self._s3_path.bucket} does not exist; create it first"
                    raise FatalError(said) from error
                raise
        elif not self._folder.is_dir():
            raise FatalError(f"{self._folder} is not a folder; create it first")


@register
class Files(Connector[FilesConfig], TakesAttributes):
    """One file a batch; a manifest and `_SUCCESS` at the end."""

    kind: ClassVar[str] = "files"
    config_class: ClassVar[type[ConnectorConfig]] = FilesConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"attributes"})
    limits: ClassVar[Limits] = Limits()
    keeps_runs_apart: ClassVar[bool] = True

    def __init__(self, config: FilesConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._store = _Store(config.location, clients)
        self._folder = ""

    def check(self) -> None:
        """List the place.  Whether it may be written, only writing proves."""
        self._store.check()

    @property
    def attribute_limits(self) -> RequestLimits:
        return RequestLimits(
            max_rows=self.config.rows_per_file,
            max_bytes=self.config.bytes_per_file,
            per_second=100,
            in_flight=2,
        )

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        return Rendering(
            user_key=USER_ID,
            prefix=prefix or "",
            constants=dict(constants or {}),
            wrap='{"user_id":$user,"payload":{$attributes}}',
        )

    def membership(self, audience: str) -> Membership:
        return Membership(f"{json.dumps(audience)}:true", f"{json.dumps(audience)}:null")

    def payload(self, lines: Sequence[bytes]) -> bytes:
        """Return a JSON Lines part without the moment of writing."""
        return b"".join(line + b"\n" for line in lines)

    async def open(self, run: str) -> None:
        self._folder = segment_name(run)

    async def deliver(self, lines: Sequence[bytes], *, key: str) -> Delivered:
        await asyncio.to_thread(self._write, lines, key)
        return Delivered(len(lines))

    async def close(self, *, complete: bool) -> None:
        if complete:
            await asyncio.to_thread(self._finish)

    def _write(self, lines: Sequence[bytes], key: str) -> None:
        name = f"{self._folder}/part-{key}.{self.config.format}"
        content = self._content(lines, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
        self._store.write(name, content, _TYPES[self.config.format])

    def _content(self, lines: Sequence[bytes], now: str) -> bytes:
        user, updated, payload = self.config.column_names
        rows = [_halves(line) for line in lines]
        if self.config.format == "jsonl":
            names = [json.dumps(name).encode() for name in (user, updated, payload)]
            stamp = json.dumps(now).encode()
            return b"".join(
                b"{%b:%b,%b:%b,%b:%b}\n" % (names[0], who, names[1], stamp, names[2], what)
                for who, what in rows
            )
        frame = pl.DataFrame(
            {
                user: [orjson.loads(who) for who, _ in rows],
                updated: [now] * len(rows),
                payload: [what.decode() for _, what in rows],
            }
        )
        buffer = io.BytesIO()
        if self.config.format == "csv":
            frame.write_csv(buffer)
        else:
            frame.write_parquet(buffer)
        return buffer.getvalue()

    def _finish(self) -> None:
        sizes = self._store.sizes(self._folder)
        parts = {name: size for name, size in sizes.items() if name.startswith("part-")}
        manifest = {
            "format": self.config.format,
            "columns": self.config.column_names,
            "files": [{"name": name, "bytes": parts[name]} for name in sorted(parts)],
        }
        body = json.dumps(manifest, indent=2).encode() + b"\n"
        self._store.write(f"{self._folder}/{MANIFEST}", body, "application/json")
        self._store.write(f"{self._folder}/{SUCCESS}", b"", "text/plain")


def _halves(line: bytes) -> tuple[bytes, bytes]:
    """Return the JSON texts of the user's id and of the payload, as they stand in the line."""
    if not (line.startswith(_HEAD) and line.endswith(b"}}")):
        raise FatalError("a line is not as the files connector renders it; make the outbox new")
    who, _, what = line[len(_HEAD) : -1].partition(_BETWEEN)
    return who, b"{" + what
