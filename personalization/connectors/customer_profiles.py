"""Audiences as segments of Amazon Connect Customer Profiles; recommendations as its objects.

What the service's model says, and what had to be chosen (botocore, customer-profiles 2020-08-15;
Connect administrator guide, "Create segments from imported files", "Data expiration"):

- An upload job creates or updates profiles from a CSV; `UniqueKey` says by which column.  It has
  no segment: no operation and no member ties an upload job to a segment definition.  A segment
  definition is a condition on profiles, evaluated by the service whenever it is used.
- So each row carries a mark: the profile attribute named for the segment gets the version of the
  audience's file, and the segment is "that attribute has this value".  People who left the
  audience keep an older mark and so are no longer in the segment; nobody is read or cleared.
- There is no UpdateSegmentDefinition.  When an import has ended well, and not before, the segment
  of that name is deleted and created anew with the new mark; the name and ARN stay the same.  Until
  then the segment keeps the people it had.  A definition that we did not make is never touched.
- `DisplayName` of an upload job is "unique", so it is the segment's name and the file's version
  (and the attempt, after a failed one); that is also how an import is found again.
- An audience that nobody is in needs no upload job: its segment is pointed at a mark that nobody
  has.  What tells such imports apart is the file's version, and when S3 says it was written.
- Rows whose id matches no profile create one: that is what the service does.  Profiles that an
  import created or touched expire; the longer of two expiries wins.
- The job reports how many records failed, never which.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any, ClassVar, Literal

import httpx
from botocore.exceptions import ClientError
from pydantic import Field

from personalization.aws import Clients, aws_errors, error_code
from personalization.columns import USER_ID
from personalization.connectors import profiles_objects, profiles_upload
from personalization.connectors.audience_file import AudienceFile, importable, within
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
from personalization.connectors.importing import (
    Addresses,
    Audience,
    ImportProgress,
    ImportTicket,
    State,
    TakesAudiences,
    outcome,
)
from personalization.connectors.naming import segment_name
from personalization.connectors.profiles_segment import Mark, SegmentPointer
from personalization.connectors.registry import register
from personalization.connectors.tuning import Tuning
from personalization.errors import ConfigError

logger = logging.getLogger(__name__)

SERVICE = "customer-profiles"
MARK_COLUMN = "Audience"
# States of `UploadJobStatus`.
_RUNNING = ("CREATED", "IN_PROGRESS")
_FRUITLESS = ("FAILED", "STOPPED")
# Stands for the upload job, and for its status, where nobody is to be uploaded.
_EMPTY = "EMPTY"


class CustomerProfilesConfig(ConnectorConfig):
    """Which domain, and by what a user of ours is recognised in it."""

    kind: Literal["customer_profiles"] = "customer_profiles"
    domain: str = Field(
        pattern=r"^[a-zA-Z0-9_-]{1,64}$", description="Name of the Customer Profiles domain."
    )
    profile_field: str = Field(
        "AccountNumber",
        pattern=r"^(AccountNumber|EmailAddress|PhoneNumber|Attributes\.[a-zA-Z0-9_-]{1,53})$",
        description="The profile's field that holds our user id, such as `Attributes.userId`.",
    )
    data_expiry_days: Tuning[int] = Field(
        90,
        ge=1,
        le=1098,
        description="Days until a profile that no later import touches expires.",
    )
    object_type: str | None = Field(
        None,
        pattern=r"^[a-zA-Z_][a-zA-Z_0-9-]{0,254}$",
        description="Object type that holds a user's recommendations, keyed by `user_id`. Needed "
        "for attributes only.",
    )


@register
class CustomerProfiles(Connector[CustomerProfilesConfig], TakesAudiences, TakesAttributes):
    """One upload job an audience file, one segment a logical audience, one object a user."""

    kind: ClassVar[str] = "customer_profiles"
    config_class: ClassVar[type[ConnectorConfig]] = CustomerProfilesConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"audience", "attributes"})
    addresses: ClassVar[Addresses] = "user"
    # Source: Connect administrator guide, "Create segments from imported files": under 1 GB.
    limits: ClassVar[Limits] = Limits(max_bytes=1_000_000_000 - 1)

    def __init__(
        self,
        config: CustomerProfilesConfig,
        clients: Clients,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(config, clients)
        self._profiles = clients(SERVICE)
        self._s3 = clients("s3")
        self._transport = transport
        self._segments = SegmentPointer(self._profiles, config.domain)

    def check(self) -> None:
        """Read the domain, one upload job and segment definition of it, and the object type."""
        domain = self.config.domain
        with aws_errors(f"checking Customer Profiles domain {domain!r}"):
            self._profiles.get_domain(DomainName=domain)
            self._profiles.list_upload_jobs(DomainName=domain, MaxResults=1)
            self._profiles.list_segment_definitions(DomainName=domain, MaxResults=1)
            if self.config.object_type:
                self._profiles.get_profile_object_type(
                    DomainName=domain, ObjectTypeName=self.config.object_type
                )

    def start_import(self, audience: Audience) -> ImportTicket:
        file = importable(audience, self._s3, self.kind, self.limits)
        segment = segment_name(audience.name)
        title = f"{segment}.{file.version}"
        if audience.count < 1 and profiles_upload.is_empty(file, self._s3):
            logger.info("nobody is in %s: its segment will be empty", audience.location)
            job_id = f"{_EMPTY}-{file.version}-{_seconds(file.modified):.0f}"
            return ImportTicket(self.kind, job_id, segment, file.version, audience)
        with aws_errors(f"importing {audience.name!r} into domain {self.config.domain!r}"):
            attempts = self._attempts(title)
            job = next((each for each in attempts if each["Status"] not in _FRUITLESS), None)
            if job is not None and job["Status"] != "CREATED":
                logger.info("upload job %s has %s already", job["JobId"], audience.location)
                return ImportTicket(
                    self.kind, job["JobId"], segment, file.version, audience, found=True
                )
            with self._marked(file) as body:
                job_id = job["JobId"] if job else self._create(title, segment, len(attempts) + 1)
                self._feed(job_id, body)
            logger.info("upload job %s started with %s", job_id, audience.location)
        return ImportTicket(self.kind, job_id, segment, file.version, audience)

    def look(self, ticket: ImportTicket) -> ImportProgress:
        """Return how far the upload job is.  Once it ended well, points the segment at it."""
        if ticket.job.startswith(_EMPTY):
            written = float(ticket.job.rpartition("-")[2])
            mark = Mark(ticket.version, ticket.job, written, precision_s=1.0)
            self._segments.point(ticket.segment, ticket.audience, mark)
            return ImportProgress("succeeded", 0, 0, (), ticket.segment, _EMPTY)
        doing = f"following upload job {ticket.job} of domain {self.config.domain!r}"
        with aws_errors(doing):
            job = self._profiles.get_upload_job(DomainName=self.config.domain, JobId=ticket.job)
        status = job["Status"]
        summary: Mapping[str, int] = job.get("ResultsSummary", {})
        accepted = summary.get("UpdatedRecords", 0) + summary.get("CreatedRecords", 0)
        rejected = summary.get("FailedRecords", 0)
        state: State = "running" if status in _RUNNING else outcome(accepted, rejected)
        if status in _FRUITLESS:
            state = "failed"
        if state in ("succeeded", "partly"):
            mark = Mark(ticket.version, ticket.job, _seconds(job["CreatedAt"]))
            self._segments.point(ticket.segment, ticket.audience, mark)
        failures = _failures(status, job.get("StatusReason", ""), rejected)
        return ImportProgress(state, accepted, rejected, failures, ticket.segment, status)

    @property
    def attribute_limits(self) -> RequestLimits:
        return profiles_objects.LIMITS

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        self._object_type()  # said before anything is prepared
        kept = {name: value for name, value in (constants or {}).items() if name != USER_ID}
        return Rendering(user_key=USER_ID, prefix=prefix or "", constants=kept)

    @property
    def whole(self) -> str | None:
        name = self.config.object_type
        return name and f"object type {name!r} of Customer Profiles domain {self.config.domain!r}"

    def membership(self, audience: str) -> Membership:
        """Refuse: an object is replaced whole, and with it other audiences and recommendations."""
        raise ConfigError(
            f"a user's object in Customer Profiles is replaced whole, so {audience!r} would "
            "replace other audiences and recommendations; let the flow postprocess import the "
            "audiences (parameter destination): by upload jobs, as segments"
        )

    async def deliver(
        self,
        lines: Sequence[bytes],
        *,
        key: str,  # noqa: ARG002 (an object replaces the one with its own key)
    ) -> Delivered:
        return await asyncio.to_thread(
            profiles_objects.put, self._profiles, self.config.domain, self._object_type(), lines
        )

    def _object_type(self) -> str:
        """Return what attributes need, and audiences do not.  Raises ConfigError without it."""
        if self.config.object_type is None:
            raise ConfigError(
                "connector 'customer_profiles' needs an object_type to hold attributes; make one "
                "keyed by user_id and name it in the settings"
            )
        return self.config.object_type

    def _attempts(self, title: str) -> list[dict[str, Any]]:
        """Return the upload jobs that were made for this version of the file."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {}
        while True:
            answer = self._profiles.list_upload_jobs(
                DomainName=self.config.domain, MaxResults=500, **page
            )
            found += (
                each
                for each in answer.get("Items", [])
                if each["DisplayName"] == title or each["DisplayName"].startswith(f"{title}.")
            )
            if "NextToken" not in answer:
                return found
            page = {"NextToken": answer["NextToken"]}

    def _create(self, title: str, segment: str, attempt: int) -> str:
        identity = self.config.profile_field
        # The id's column is named like the field it goes to: whether `UniqueKey` means the column
        # or the field, which the model leaves open, it says the same.
        fields = {
            identity: _field(identity, identity),
            MARK_COLUMN: _field(MARK_COLUMN, f"Attributes.{segment}"),
        }
        job: str = self._profiles.create_upload_job(
            DomainName=self.config.domain,
            DisplayName=title if attempt == 1 else f"{title}.{attempt}",
            Fields=fields,
            UniqueKey=identity,
            DataExpiry=self.config.data_expiry_days,
        )["JobId"]
        return job

    @contextmanager
    def _marked(self, file: AudienceFile) -> Iterator[IO[bytes]]:
        with profiles_upload.marked(
            file,
            self._s3,
            id_column=self.config.profile_field,
            mark_column=MARK_COLUMN,
            mark=file.version,
        ) as body:
            within(body.seek(0, io.SEEK_END), file.location, self.kind, self.limits)
            yield body

    def _feed(self, job: str, body: IO[bytes]) -> None:
        """Upload the file and start the job.  Safe to repeat until the job has started."""
        here = {"DomainName": self.config.domain, "JobId": job}
        path = self._profiles.get_upload_job_path(**here)
        profiles_upload.put(path["Url"], path.get("ClientToken"), body, self._transport)
        try:
            self._profiles.start_upload_job(**here)
        except ClientError as error:
            # A repeat may find that the first try had started the job after all.
            refused = error_code(error) == "BadRequestException"
            if not refused or self._profiles.get_upload_job(**here)["Status"] == "CREATED":
                raise


def _field(column: str, target: str) -> dict[str, str]:
    kinds = {"EmailAddress": "EMAIL_ADDRESS", "PhoneNumber": "PHONE_NUMBER"}
    return {
        "Source": f"_source.{column}",
        "Target": f"_profile.{target}",
        "ContentType": kinds.get(target, "STRING"),
    }


def _failures(status: str, reason: str, rejected: int) -> tuple[str, ...]:
    said = []
    if reason or status in _FRUITLESS:
        said.append(f"{status}: {reason}" if reason else status)
    if rejected:
        said.append(f"{rejected} records failed; Customer Profiles does not say which")
    return tuple(said)


def _seconds(moment: dt.datetime) -> float:
    return moment.timestamp()
