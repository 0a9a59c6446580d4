"""Upload jobs: a CSV, PUT to a presigned URL of the local S3, becomes profiles.

Expiry is kept and shown, not carried out.
Source: botocore, customer-profiles 2020-08-15 (`CreateUploadJob` and its siblings).
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import secrets
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from personalization.aws import Clients
from personalization.local.pace import Pace
from personalization.local.profiles_rows import Counts, InvalidFile, Rows
from personalization.local.profiles_store import Profiles, path_of
from personalization.local.stages import Stages
from personalization.local.wire import ServiceError

BUCKET = "customer-profiles-uploads-local"
VALID_SECONDS = 900
DEFAULT_EXPIRY_DAYS = 14  # "If not provided, the system default of 2 weeks is used."


@dataclass
class UploadJob:
    """One upload job.  `key` is what its file is encrypted with."""

    response: dict[str, Any]
    key: bytes = field(repr=False)
    stages: Stages | None = None
    stopped: threading.Event = field(default_factory=threading.Event)

    def shown(self, *, look: bool) -> dict[str, Any]:
        """Return a GetUploadJobResponse; a `look` moves the job on."""
        status = self._status(look=look)
        now = self.response.copy()  # the job's thread may be adding to it
        unknown = ("CompletedAt", "ResultsSummary", "StatusReason")
        hidden = unknown if status == "IN_PROGRESS" else ()
        return {name: value for name, value in now.items() if name not in hidden} | {
            "Status": status
        }

    def _status(self, *, look: bool) -> str:
        if self.stopped.is_set():
            return "STOPPED"
        if self.stages is None:
            return "CREATED"
        return self.stages.look() if look else self.stages.glance()


class Uploads:
    """The upload jobs of one domain."""

    def __init__(self, profiles: Profiles, lock: threading.RLock, clients: Clients, pace: Pace):
        self._profiles = profiles
        self._lock = lock
        self._clients = clients
        self._pace = pace
        self._jobs: dict[str, UploadJob] = {}
        self._closed = threading.Event()

    def create(self, request: Mapping[str, Any]) -> str:
        """Return the id of a new job.  Raises BadRequestException for a mapping that cannot be."""
        for name, mapping in request["Fields"].items():
            if "Target" not in mapping:
                raise ServiceError("BadRequestException", f"Field {name} has no Target")
            path_of(mapping["Target"])
        if request["UniqueKey"] not in request["Fields"]:
            said = f"UniqueKey {request['UniqueKey']} is not one of the fields"
            raise ServiceError("BadRequestException", said)
        if any(job.response["DisplayName"] == request["DisplayName"] for job in self._all()):
            said = f"An upload job named {request['DisplayName']} exists already"
            raise ServiceError("BadRequestException", said)
        response = {
            "JobId": uuid.uuid4().hex,
            "DisplayName": request["DisplayName"],
            "CreatedAt": dt.datetime.now(dt.UTC),
            "Fields": request["Fields"],
            "UniqueKey": request["UniqueKey"],
            "DataExpiry": request.get("DataExpiry", DEFAULT_EXPIRY_DAYS),
        }
        self._jobs[response["JobId"]] = UploadJob(response, secrets.token_bytes(32))
        return str(response["JobId"])

    def path(self, job_id: str) -> dict[str, Any]:
        """Return where the job's file is to be PUT, and with which key encrypted."""
        job = self._created(job_id)
        with self._lock:  # two callers may need the bucket at once
            self._clients("s3").create_bucket(Bucket=BUCKET)
        signing = _signing_client(self._clients("s3").meta.endpoint_url)
        url = signing.generate_presigned_url(
            "put_object", Params=self._object(job), ExpiresIn=VALID_SECONDS
        )
        return {
            "Url": url,
            "ClientToken": base64.b64encode(job.key).decode(),
            "ValidUntil": dt.datetime.now(dt.UTC) + dt.timedelta(seconds=VALID_SECONDS),
        }

    def start(self, job_id: str) -> None:
        """Begin to read the file.  Raises BadRequestException if there is none."""
        job = self._created(job_id)
        try:
            self._clients("s3").head_object(**self._object(job))
        except ClientError as error:
            said = f"No file was uploaded for job {job_id}"
            raise ServiceError("BadRequestException", said) from error
        job.stages = Stages([], "IN_PROGRESS", lambda: self._run(job), ["FAILED"], self._pace)
        job.stages.start()

    def get(self, job_id: str) -> dict[str, Any]:
        """Return the job, which counts as a look at it."""
        return self._job(job_id).shown(look=True)

    def stop(self, job_id: str) -> None:
        """Stop the job.  Raises BadRequestException if it has ended."""
        job = self._job(job_id)
        if job.shown(look=False)["Status"] not in ("CREATED", "IN_PROGRESS"):
            raise ServiceError("BadRequestException", f"Upload job {job_id} has ended")
        job.stopped.set()

    def every(self) -> list[dict[str, Any]]:
        """Return every job, the newest first, as lists show them."""
        hidden = ("Fields", "UniqueKey", "ResultsSummary")
        return [
            {name: value for name, value in job.shown(look=False).items() if name not in hidden}
            for job in reversed(self._all())
        ]

    def close(self) -> None:
        """Stop the jobs that still run, and wait for them."""
        self._closed.set()
        for job in self._all():
            if job.stages:
                job.stages.wait()

    def _all(self) -> list[UploadJob]:
        return list(self._jobs.values())

    def _job(self, job_id: str) -> UploadJob:
        if job_id not in self._jobs:
            said = f"Upload job {job_id} was not found"
            raise ServiceError("ResourceNotFoundException", said)
        return self._jobs[job_id]

    def _created(self, job_id: str) -> UploadJob:
        job = self._job(job_id)
        if (status := job.shown(look=False)["Status"]) != "CREATED":
            said = f"Upload job {job_id} is {status}, not CREATED"
            raise ServiceError("BadRequestException", said)
        return job

    def _object(self, job: UploadJob) -> dict[str, Any]:
        key = f"{job.response['JobId']}.csv"
        encryption = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": job.key}
        return {"Bucket": BUCKET, "Key": key, **encryption}

    def _run(self, job: UploadJob) -> tuple[str, ...]:
        counts = Counts()
        try:
            body = self._clients("s3").get_object(**self._object(job))["Body"]
            lines = io.TextIOWrapper(body, encoding="utf-8", newline="")
            fields, unique = job.response["Fields"], job.response["UniqueKey"]
            rows = Rows(fields, unique, self._profiles, self._lock)
            for taken in rows.take_in(lines):
                counts += taken
                if job.stopped.is_set() or self._closed.is_set():
                    return ("STOPPED",)
        except InvalidFile:
            job.response["StatusReason"] = "VALIDATION_FAILURE"
            return ("FAILED",)
        except (ClientError, BotoCoreError):
            job.response["StatusReason"] = "INTERNAL_FAILURE"
            return ("FAILED",)
        finally:
            job.response["ResultsSummary"] = counts.summary()
            job.response["CompletedAt"] = dt.datetime.now(dt.UTC)
        return ("PARTIALLY_SUCCEEDED",) if counts.failed else ("SUCCEEDED",)


@lru_cache(maxsize=1)
def _signing_client(endpoint_url: str) -> Any:
    # Signature version 4, so that the key is a header to be sent and no part of the URL.
    return boto3.session.Session().client(
        "s3",
        region_name="us-east-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
    )
