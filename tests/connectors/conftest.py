"""Far ends for connectors: the local AWS, and a world per destination that speaks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config

from personalization.aws import S3Path
from personalization.connectors import Audience, ImportProgress, ImportTicket, build
from personalization.local import pinpoint, profiles
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.local.wire import Service, ServiceError

ROLE = "arn:aws:iam::123456789012:role/import"
USERS = tuple(f"user-{number}" for number in range(6))


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    """The services of ours behind `far_end`, by botocore's name."""
    return {}


@pytest.fixture(scope="module")
def far_end(services: dict[str, Service]) -> Iterator[LocalAws]:
    def kept(make: Callable[..., Service]) -> Callable[..., Service]:
        def mount(*arguments: Any) -> Service:
            service = make(*arguments)
            services[service.name] = service
            return service

        return mount

    mounts = [kept(pinpoint.service), kept(profiles.service)]
    with LocalAws(pace=Pace(looks=1), mount=mounts) as aws:
        aws.clients("s3").create_bucket(Bucket="audiences")
        yield aws


@pytest.fixture(scope="module")
def clients(far_end: LocalAws) -> Callable[[str], Any]:
    """Clients that do not repeat calls themselves, so that trouble is seen at once."""
    return clients_of(far_end.endpoint_url)


def clients_of(endpoint_url: str) -> Callable[[str], Any]:
    made: dict[str, Any] = {}

    def client(service: str) -> Any:
        if service not in made:
            made[service] = boto3.session.Session().client(
                service,
                region_name="us-east-1",
                endpoint_url=endpoint_url,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=Config(retries={"total_max_attempts": 1}, connect_timeout=5),
            )
        return made[service]

    return client


@dataclass
class World:
    """One destination with USERS in it, and what a test needs to ask of it.

    calls  the operations behind check, start and look, one each
    """

    kind: str
    settings: dict[str, Any]
    missing: dict[str, Any]
    service: Service
    clients: Callable[[str], Any]
    ids: Sequence[str]
    calls: dict[str, str]
    segments: Callable[[], list[str]]
    members: Callable[[ImportTicket, ImportProgress], int]
    jobs: Callable[[], int]

    def connector(self, **changes: Any) -> Any:
        """A new one, as a new process would build it."""
        return build({"kind": self.kind, **self.settings, **changes}, self.clients)

    def audience(self, ids: Sequence[str], name: str = "ITEMSgenresAction") -> Audience:
        """An audience in a file of its own."""
        place = S3Path("audiences", f"{uuid4().hex}.csv")
        body = "Id\r\n" + "".join(f"{each}\r\n" for each in ids)
        self.clients("s3").put_object(Bucket=place.bucket, Key=place.key, Body=body.encode())
        return Audience(name, place, len(ids), {"job": "arn:aws:personalize:::batch-segment-job/j"})

    def finished(self, ticket: ImportTicket) -> ImportProgress:
        connector = self.connector()
        for _ in range(20):
            progress = connector.look(ticket)
            if progress.done:
                return progress
        raise AssertionError(f"still {progress}")

    def imported(self, ids: Sequence[str], name: str = "ITEMSgenresAction") -> int:
        """Import and return how many are in the segment then."""
        ticket = self.connector().start_import(self.audience(ids, name))
        return self.members(ticket, self.finished(ticket))

    @contextmanager
    def trouble(
        self, operation: str, error: ServiceError, *, after: bool = False
    ) -> Iterator[None]:
        """While this lasts the operation fails; `after`: it does its work and then fails."""
        working = self.service.handlers[operation]

        def failing(context: Any) -> Any:
            if after:
                working(context)
            raise error

        self.service.handlers[operation] = failing
        try:
            yield
        finally:
            self.service.handlers[operation] = working


def pinpoint_world(clients: Callable[[str], Any], services: dict[str, Service]) -> World:
    client = clients("pinpoint")
    made = client.create_app(CreateApplicationRequest={"Name": "bingewatch"})
    application = made["ApplicationResponse"]["Id"]
    endpoints = [
        {"Id": f"e/{user}", "Address": f"{user}@x.test", "ChannelType": "EMAIL"} for user in USERS
    ]
    client.update_endpoints_batch(
        ApplicationId=application, EndpointBatchRequest={"Item": endpoints}
    )

    def segments() -> list[str]:
        found = client.get_segments(ApplicationId=application)["SegmentsResponse"]["Item"]
        return [each["Name"] for each in found]

    def members(_ticket: ImportTicket, progress: ImportProgress) -> int:
        answer = client.get_segment(ApplicationId=application, SegmentId=progress.segment)
        return int(answer["SegmentResponse"]["ImportDefinition"]["Size"])

    def jobs() -> int:
        answer = client.get_import_jobs(ApplicationId=application)
        return len(answer["ImportJobsResponse"]["Item"])

    return World(
        kind="pinpoint",
        settings={"application_id": application, "role_arn": ROLE},
        missing={"application_id": "0" * 32},
        service=services["pinpoint"],
        clients=clients,
        ids=[each["Id"] for each in endpoints],
        calls={"check": "GetApp", "start": "CreateImportJob", "look": "GetImportJob"},
        segments=segments,
        members=members,
        jobs=jobs,
    )


def profiles_world(clients: Callable[[str], Any], services: dict[str, Service]) -> World:
    client = clients("customer-profiles")
    domain = f"d-{uuid4().hex[:8]}"
    client.create_domain(DomainName=domain, DefaultExpirationDays=90)
    known = [
        client.create_profile(DomainName=domain, AccountNumber=user)["ProfileId"] for user in USERS
    ]

    def segments() -> list[str]:
        found = client.list_segment_definitions(DomainName=domain)["Items"]
        return [each["SegmentDefinitionName"] for each in found]

    def members(ticket: ImportTicket, _progress: ImportProgress) -> int:
        answer = client.get_segment_membership(
            DomainName=domain, SegmentDefinitionName=ticket.segment, ProfileIds=known
        )
        return sum(each["QueryResult"] == "PRESENT" for each in answer["Profiles"])

    def jobs() -> int:
        return len(client.list_upload_jobs(DomainName=domain)["Items"])

    return World(
        kind="customer_profiles",
        settings={"domain": domain},
        missing={"domain": "nowhere"},
        service=services["customer-profiles"],
        clients=clients,
        ids=USERS,
        calls={"check": "GetDomain", "start": "CreateUploadJob", "look": "GetUploadJob"},
        segments=segments,
        members=members,
        jobs=jobs,
    )


WORLDS = {"pinpoint": pinpoint_world, "customer_profiles": profiles_world}


@pytest.fixture(params=sorted(WORLDS))
def world(
    request: pytest.FixtureRequest,
    far_end: LocalAws,
    clients: Callable[[str], Any],
    services: dict[str, Service],
) -> World:
    return WORLDS[request.param](clients, services)
