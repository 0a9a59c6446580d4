"""Pinpoint's import jobs: they read the files on S3, really.

A file is a piece.  A row that cannot be used is a failure of the job and leaves it COMPLETED; a
file that cannot be read is a failed piece and makes it FAILED, and then no segment is touched.
What the failures say is ours: Pinpoint's texts are not documented.
Source: botocore, pinpoint 2016-12-01, shapes `ImportJobRequest`, `ImportJobResponse`.
"""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from personalization.aws import S3Path
from personalization.errors import ConfigError
from personalization.local.pace import Pace
from personalization.local.pinpoint_definitions import (
    Definition,
    Unusable,
    from_csv,
    from_json,
)
from personalization.local.pinpoint_endpoints import Endpoints, generated_id
from personalization.local.pinpoint_segments import Members, Segments, iso_now
from personalization.local.stages import Stages
from personalization.local.wire import ServiceError

BEFORE = ("CREATED", "PREPARING_FOR_INITIALIZATION", "INITIALIZING")
COMPLETED = ("COMPLETING", "COMPLETED")
FAILED = ("FAILING", "FAILED")
MAX_FAILURES = 100
# Source: Pinpoint developer guide, "Quotas": active import jobs per account.
MAX_ACTIVE = 10
_BATCH = 1000  # rows under one hold of the lock


@dataclass
class ImportJob:
    """One import job; `response` is what callers see of it, apart from the status."""

    response: dict[str, Any]
    stages: Stages = field(init=False)

    def shown(self, status: str) -> dict[str, Any]:
        """Return an ImportJobResponse with this status."""
        ended = {"CompletionDate"} if status not in (COMPLETED[-1], FAILED[-1]) else set()
        now = self.response.copy()  # the job's thread may be adding to it
        seen = {key: value for key, value in now.items() if key not in ended}
        return {**seen, "JobStatus": status, "Failures": list(seen["Failures"])}


class Imports:
    """The import jobs of one application."""

    def __init__(
        self,
        application: str,
        endpoints: Endpoints,
        segments: Segments,
        lock: threading.RLock,
        pace: Pace,
    ) -> None:
        self._application = application
        self._endpoints = endpoints
        self._segments = segments
        self._lock = lock
        self._pace = pace
        self._jobs: dict[str, ImportJob] = {}
        self._closed = threading.Event()

    def create(self, request: Mapping[str, Any], s3: Any) -> dict[str, Any]:
        """Return a job that has just been made and begins at once."""
        if sum(job.stages.working for job in self._all()) >= MAX_ACTIVE:
            said = f"More than {MAX_ACTIVE} active import jobs"
            raise ServiceError("TooManyRequestsException", said)
        place = _place(request)
        if request.get("SegmentId"):
            self._segments.get(request["SegmentId"])
        job = ImportJob(
            {
                "ApplicationId": self._application,
                "Id": uuid.uuid4().hex,
                "Type": "IMPORT",
                "CreationDate": iso_now(),
                "Definition": dict(request),
                "CompletedPieces": 0,
                "FailedPieces": 0,
                "TotalPieces": 0,
                "TotalProcessed": 0,
                "TotalFailures": 0,
                "Failures": [],
            }
        )
        job.stages = Stages(
            BEFORE, "PROCESSING", lambda: self._run(job.response, place, s3), FAILED, self._pace
        )
        self._jobs[job.response["Id"]] = job
        job.stages.start()
        return job.shown(BEFORE[0])

    def get(self, job_id: str) -> ImportJob:
        """Return the job.  Raises NotFoundException."""
        if job_id not in self._jobs:
            raise ServiceError("NotFoundException", f"Import job {job_id} was not found")
        return self._jobs[job_id]

    def every(self) -> list[dict[str, Any]]:
        """Return every job, the newest first."""
        return [job.shown(job.stages.glance()) for job in reversed(self._all())]

    def of_segment(self, segment_id: str) -> list[dict[str, Any]]:
        """Return the jobs that made or updated the segment, the newest first."""
        return [job for job in self.every() if job["Definition"].get("SegmentId") == segment_id]

    def close(self) -> None:
        """Stop the jobs that still run, and wait for them."""
        self._closed.set()
        for job in self._all():
            job.stages.wait()

    def _all(self) -> list[ImportJob]:
        return list(self._jobs.values())

    def _run(self, job: dict[str, Any], place: S3Path, s3: Any) -> tuple[str, ...]:
        members = Members()
        try:
            files = _files(place, job["Definition"]["Format"], s3)
            job["TotalPieces"] = len(files)
            for file in files:
                self._piece(job, file, members, s3)
        except (ClientError, BotoCoreError, Unusable) as error:
            job["TotalPieces"] = 1
            _fail_piece(job, f"{place} cannot be read: {error}")
        if not job["FailedPieces"] and job["Definition"].get("DefineSegment"):
            definition = job["Definition"]
            with self._lock:
                made = self._segments.imported(definition, members, definition.get("SegmentId"))
            job["Definition"] = {**definition, "SegmentId": made["Id"]}
        job["CompletionDate"] = iso_now()
        return FAILED if job["FailedPieces"] else COMPLETED

    def _piece(self, job: dict[str, Any], file: S3Path, members: Members, s3: Any) -> None:
        register = bool(job["Definition"].get("RegisterEndpoints"))
        try:
            body = s3.get_object(Bucket=file.bucket, Key=file.key)["Body"]
            lines = io.TextIOWrapper(body, encoding="utf-8", newline="")
            read = from_csv if job["Definition"]["Format"] == "CSV" else from_json
            for batch in _batches(enumerate(read(lines), start=1)):
                if self._closed.is_set():
                    raise Unusable("the local AWS was stopped")
                with self._lock:
                    for number, definition in batch:
                        said = self._row(definition, members, register=register)
                        job["TotalProcessed"] += 1
                        if said:
                            job["TotalFailures"] += 1
                            _note(job, f"{file} row {number}: {said}")
        except Unusable as error:
            _fail_piece(job, f"{file}: {error}")
        except (ClientError, BotoCoreError) as error:
            _fail_piece(job, f"{file} cannot be read: {error}")
        else:
            job["CompletedPieces"] += 1

    def _row(self, definition: Definition | str, members: Members, *, register: bool) -> str:
        """Take in one row; return what is wrong with it, or nothing."""
        if isinstance(definition, str):
            return definition
        user = definition.get("User", {}).get("UserId")
        if "Id" not in definition and "Address" not in definition:
            return self._user(user, members)
        endpoint = definition.get("Id") or generated_id(
            definition.get("ChannelType", ""), definition["Address"]
        )
        known = endpoint in self._endpoints
        if set(definition) == {"Id"} and not known:
            return f"there is no endpoint {endpoint}"
        if register and set(definition) != {"Id"}:
            try:
                self._endpoints.put(endpoint, definition)
            except ServiceError as error:
                return error.message
        elif not known and not {"Address", "ChannelType"} <= definition.keys():
            return f"there is no endpoint {endpoint}, and a new one needs Address and ChannelType"
        channel = definition.get("ChannelType") or self._endpoints.channel(endpoint)
        members.endpoints[endpoint.lower()] = channel
        return ""

    def _user(self, user: str | None, members: Members) -> str:
        if user is None:
            return "the row names neither an endpoint nor a user"
        endpoints = self._endpoints.ids_of_user(user)
        if not endpoints:
            return f"user {user} has no endpoints"
        members.users[user] = tuple(map(self._endpoints.channel, endpoints))
        return ""


def _place(request: Mapping[str, Any]) -> S3Path:
    role = request["RoleArn"]
    if not role.startswith("arn:aws") or ":role/" not in role:
        raise ServiceError("BadRequestException", f"Invalid role ARN: {role}")
    try:
        return S3Path.parse(request["S3Url"])
    except ConfigError as error:
        said = f"Invalid S3Url: {request['S3Url']}"
        raise ServiceError("BadRequestException", said) from error


def _files(place: S3Path, file_format: str, s3: Any) -> list[S3Path]:
    """Return the object, or those that begin with the prefix and are not of the other format."""
    other = ".json" if file_format == "CSV" else ".csv"
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.key)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    chosen = [
        key
        for key in keys
        if key == place.key or not (key.endswith("/") or key.lower().endswith(other))
    ]
    if not chosen:
        raise Unusable(f"there is no {file_format} file there")
    return [S3Path(place.bucket, key) for key in chosen]


def _batches(rows: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(rows)
    while batch := list(islice(rows, _BATCH)):
        yield batch


def _note(job: dict[str, Any], said: str) -> None:
    if len(job["Failures"]) < MAX_FAILURES:
        job["Failures"].append(said)


def _fail_piece(job: dict[str, Any], said: str) -> None:
    job["FailedPieces"] += 1
    _note(job, said)
