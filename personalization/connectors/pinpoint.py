"""Audiences as imported segments of Amazon Pinpoint, recommendations as attributes of its users.

Legacy: for far ends that speak its API.

AWS closed Pinpoint's endpoints, segments and campaigns on 2026-10-30 (Pinpoint user guide, end of
support notice), so against AWS itself this connector has nothing to talk to: use
`customer_profiles`.  It stays for systems that are being moved and for compatible servers.

What the model says, and what had to be chosen (botocore, pinpoint 2016-12-01; Pinpoint user guide,
"Importing segments"):

- With `SegmentId` an import updates that segment; without, it makes a new one, and names are not
  unique.  So the segment is looked up by name first, and the newest of that name is updated.
- An import job keeps the S3 URL but not which version of the object it read.  A job made after
  the object was last written has read this version; one made before has not.
- `TotalProcessed` is taken to include `TotalFailures`; the model does not say.
- A job counts as failed from FAILING on: it will not end otherwise.
- The model does not say what an import of nobody does to a segment, and an imported segment has no
  other way to lose its members.  So an audience that became empty is refused, and the refusal says
  which segment still has people; without such a segment there is nothing to do.
- An import has no place for lineage: its segment shows the S3 URL, and the rest must lie
  beside that file.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from personalization.aws import Clients, S3Path, aws_errors
from personalization.columns import USER_ID
from personalization.connectors import audience_file, pinpoint_attributes
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
    MAX_FAILURES,
    Addresses,
    Audience,
    ImportProgress,
    ImportTicket,
    RegistersEndpoints,
    State,
    TakesAudiences,
    outcome,
)
from personalization.connectors.naming import segment_name
from personalization.connectors.registry import register
from personalization.errors import FatalError, shortened

logger = logging.getLogger(__name__)

_FAILED = ("FAILING", "FAILED")
# Stands for the job, and for its status, where nobody is to be imported.
_EMPTY = "EMPTY"
# Characters of a failure: it may begin with an S3 URI that takes most of the usual 200.
_LONGEST = 500
# As many items a page as Pinpoint gives.  Source: Pinpoint API reference, parameter `page-size`.
_PAGE_SIZE = "100"


class PinpointConfig(ConnectorConfig):
    """Which application (the console says project), and who may read the bucket for it."""

    kind: Literal["pinpoint"] = "pinpoint"
    application_id: str = Field(min_length=1, description="Id of the application, 32 hex digits.")
    role_arn: str = Field(
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$",
        description="Role that Pinpoint assumes to read the audience files from S3.",
    )


@register
class Pinpoint(Connector[PinpointConfig], TakesAudiences, RegistersEndpoints, TakesAttributes):
    """One import job an audience file, one segment a logical audience; endpoints by the hundred."""

    kind: ClassVar[str] = "pinpoint"
    config_class: ClassVar[type[ConnectorConfig]] = PinpointConfig
    takes: ClassVar[frozenset[Takes]] = frozenset({"audience", "attributes"})
    addresses: ClassVar[Addresses] = "endpoint"
    # Source: Pinpoint developer guide, "Quotas" (endpoint import quotas): 1 GB an import job.
    limits: ClassVar[Limits] = Limits(max_bytes=1_000_000_000)

    def __init__(self, config: PinpointConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._pinpoint = clients("pinpoint")
        self._s3 = clients("s3")

    def check(self) -> None:
        """Read the application, and one segment and one import job of it."""
        application = self.config.application_id
        with aws_errors(f"checking Pinpoint application {application!r}"):
            self._pinpoint.get_app(ApplicationId=application)
            self._pinpoint.get_segments(ApplicationId=application, PageSize="1")
            self._pinpoint.get_import_jobs(ApplicationId=application, PageSize="1")

    def start_import(self, audience: Audience) -> ImportTicket:
        file = audience_file.importable(audience, self._s3, self.kind, self.limits)
        if audience.count < 1:
            return self._nobody(audience, file)
        return self._start(audience, file, segment_name(audience.name))

    def register_endpoints(self, endpoints: Audience) -> ImportTicket:
        """Start importing a CSV of endpoint definitions (Address, ChannelType, User.UserId, …).

        Defines no segment.  As safe to repeat, and followed by `look`, as an audience's import.
        """
        file = audience_file.importable(endpoints, self._s3, self.kind, self.limits)
        return self._start(endpoints, file, "")

    def look(self, ticket: ImportTicket) -> ImportProgress:
        if ticket.job == _EMPTY:
            return ImportProgress("succeeded", 0, 0, (), "", _EMPTY)
        application = self.config.application_id
        with aws_errors(f"following import job {ticket.job} of Pinpoint application {application}"):
            answer = self._pinpoint.get_import_job(ApplicationId=application, JobId=ticket.job)
        job = answer["ImportJobResponse"]
        state, accepted, rejected = _ended(job)
        failures = tuple(
            shortened(said, _LONGEST) for said in job.get("Failures", [])[:MAX_FAILURES]
        )
        if state == "failed" and not failures:
            failures = (f"{job.get('FailedPieces', 0)} pieces failed; Pinpoint does not say why",)
        segment = job["Definition"].get("SegmentId", "")
        return ImportProgress(state, accepted, rejected, failures, segment, job["JobStatus"])

    def _nobody(self, audience: Audience, file: audience_file.AudienceFile) -> ImportTicket:
        application, segment = self.config.application_id, segment_name(audience.name)
        with aws_errors(f"importing {audience.name!r} into Pinpoint application {application!r}"):
            known = self._segment_id(segment, self._jobs(segment))
        if known:
            raise FatalError(
                f"audience {audience.name!r} has nobody in it, and {self.kind} cannot empty a "
                f"segment: {segment} ({known}) still holds the people of its last import; delete "
                "it, or send it nothing"
            )
        return ImportTicket(self.kind, _EMPTY, segment, file.version, audience)

    @property
    def attribute_limits(self) -> RequestLimits:
        return pinpoint_attributes.LIMITS

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        return Rendering(
            user_key=USER_ID,
            prefix=prefix or "",
            constants=dict(constants or {}),
            wrap='{"user_id":$user,"attributes":{$attributes}}',
        )

    def membership(self, audience: str) -> Membership:
        name = json.dumps(segment_name(audience)[: pinpoint_attributes.MAX_NAME])
        return Membership(f'{name}:["true"]', f"{name}:null")

    async def deliver(
        self,
        lines: Sequence[bytes],
        *,
        key: str,  # noqa: ARG002 (Pinpoint takes no idempotency key)
    ) -> Delivered:
        return await asyncio.to_thread(
            pinpoint_attributes.put, self._pinpoint, self.config.application_id, lines
        )

    def _start(
        self, audience: Audience, file: audience_file.AudienceFile, segment: str
    ) -> ImportTicket:
        application = self.config.application_id
        with aws_errors(f"importing {audience.name!r} into Pinpoint application {application!r}"):
            jobs = self._jobs(segment)
            if job := _that_read(file, jobs):
                logger.info("import job %s has %s already", job["Id"], audience.location)
            else:
                job = self._create(audience.location, segment, jobs)
                logger.info("import job %s started with %s", job["Id"], audience.location)
                return ImportTicket(self.kind, job["Id"], segment, file.version, audience)
        return ImportTicket(self.kind, job["Id"], segment, file.version, audience, found=True)

    def _create(self, location: S3Path, segment: str, jobs: list[dict[str, Any]]) -> dict[str, Any]:
        request: dict[str, Any] = {
            "Format": "CSV",
            "S3Url": str(location),
            "RoleArn": self.config.role_arn,
            "DefineSegment": bool(segment),
            "RegisterEndpoints": not segment,
        }
        if segment:
            request["SegmentName"] = segment
            if known := self._segment_id(segment, jobs):
                request["SegmentId"] = known
        answer = self._pinpoint.create_import_job(
            ApplicationId=self.config.application_id, ImportJobRequest=request
        )
        job: dict[str, Any] = answer["ImportJobResponse"]
        return job

    def _jobs(self, segment: str) -> list[dict[str, Any]]:
        """Return the import jobs that were made for this segment ("": for no segment)."""
        every = _pages(
            self._pinpoint.get_import_jobs, "ImportJobsResponse", self.config.application_id
        )
        return [each for each in every if each["Definition"].get("SegmentName", "") == segment]

    def _segment_id(self, segment: str, jobs: list[dict[str, Any]]) -> str:
        every = _pages(self._pinpoint.get_segments, "SegmentsResponse", self.config.application_id)
        named = [
            each
            for each in every
            if each.get("Name") == segment and each["SegmentType"] == "IMPORT"
        ]
        if named:
            newest = max(named, key=lambda each: str(each.get("LastModifiedDate", "")))
            return str(newest["Id"])
        # A first import that still runs has an id for its segment before the segment is listed.
        running = [each for each in jobs if each["JobStatus"] not in (*_FAILED, "COMPLETED")]
        return next((each["Definition"].get("SegmentId", "") for each in running), "")


def _ended(job: dict[str, Any]) -> tuple[State, int, int]:
    """Return how the job stands, and how many rows were accepted and rejected so far."""
    rejected = job.get("TotalFailures", 0)
    accepted = max(0, job.get("TotalProcessed", 0) - rejected)
    if job["JobStatus"] in _FAILED:
        return "failed", accepted, rejected
    if job["JobStatus"] == "COMPLETED":
        return outcome(accepted, rejected), accepted, rejected
    return "running", accepted, rejected


def _that_read(
    file: audience_file.AudienceFile, jobs: list[dict[str, Any]]
) -> dict[str, Any] | None:
    return next(
        (
            each
            for each in jobs
            if each["Definition"]["S3Url"] == str(file.location)
            and _ended(each)[0] != "failed"
            and _moment(each["CreationDate"]) >= file.modified
        ),
        None,
    )


def _pages(call: Callable[..., Any], wrapper: str, application: str) -> Iterator[dict[str, Any]]:
    page: dict[str, str] = {}
    while True:
        answer = call(ApplicationId=application, PageSize=_PAGE_SIZE, **page)[wrapper]
        yield from answer["Item"]
        if not answer.get("NextToken"):
            return
        page = {"Token": answer["NextToken"]}


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
