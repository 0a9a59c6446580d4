"""What is Customer Profiles' own: marks, segments made anew, and the upload by presigned URL."""

from __future__ import annotations

import hashlib
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from personalization.aws import S3Path
from personalization.connectors import Audience, CustomerProfiles
from personalization.connectors.customer_profiles import CustomerProfilesConfig
from personalization.errors import FatalError, RetryableError
from personalization.local.server import LocalAws
from personalization.local.wire import Service, ServiceError
from tests.connectors.conftest import World, profiles_world


@pytest.fixture
def world(far_end: LocalAws, clients: Callable[[str], Any], services: dict[str, Service]) -> World:
    return profiles_world(clients, services)


@pytest.fixture
def profiles(world: World) -> Any:
    return world.clients("customer-profiles")


def written(world: World, body: bytes, count: int = 1) -> Audience:
    """An audience whose file holds these very bytes."""
    place = S3Path("audiences", f"{hashlib.md5(body).hexdigest()}.csv")
    world.clients("s3").put_object(Bucket=place.bucket, Key=place.key, Body=body)
    return Audience("Action", place, count)


def with_upload_to(world: World, answer: httpx.Response | Exception) -> CustomerProfiles:
    """A connector whose uploads, and nothing else, go to a far end that answers so."""

    def far_end(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    config = CustomerProfilesConfig.model_validate(world.settings)
    return CustomerProfiles(config, world.clients, httpx.MockTransport(far_end))


def test_people_are_found_by_account_number_and_strangers_become_profiles(
    world: World, profiles: Any
):
    world.imported([world.ids[0], "stranger"])
    (known,) = profiles.search_profiles(
        DomainName=world.settings["domain"], KeyName="_account", Values=[world.ids[0]]
    )["Items"]
    (made,) = profiles.search_profiles(
        DomainName=world.settings["domain"], KeyName="_account", Values=["stranger"]
    )["Items"]

    assert len(known["Attributes"]["ITEMSgenresAction"]) == 16
    assert made["Attributes"] == known["Attributes"]


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("EmailAddress", {"EmailAddress": "ana@x.test"}),
        ("PhoneNumber", {"PhoneNumber": "ana@x.test"}),
        ("Attributes.userId", {"Attributes": {"userId": "ana@x.test"}}),
    ],
)
def test_people_can_be_found_by_another_field(
    world: World, profiles: Any, field: str, fields: dict[str, Any]
):
    domain = world.settings["domain"]
    ana = profiles.create_profile(DomainName=domain, **fields)["ProfileId"]
    connector = world.connector(profile_field=field)
    ticket = connector.start_import(world.audience(["ana@x.test"]))
    world.finished(ticket)
    (asked,) = profiles.get_segment_membership(
        DomainName=domain, SegmentDefinitionName=ticket.segment, ProfileIds=[ana]
    )["Profiles"]

    assert asked["QueryResult"] == "PRESENT"


def test_the_file_is_encrypted_with_the_key_that_came_with_the_url(world: World):
    sent: list[httpx.Request] = []

    class Watched(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            sent.append(request)
            return super().handle_request(request)

    config = CustomerProfilesConfig.model_validate(world.settings)
    connector = CustomerProfiles(config, world.clients, Watched())
    progress = world.finished(connector.start_import(world.audience(world.ids)))
    headers = sent[0].headers
    key = headers["x-amz-server-side-encryption-customer-key"]
    digest = b64encode(hashlib.md5(b64decode(key)).digest()).decode()

    assert progress.state == "succeeded"
    assert headers["x-amz-server-side-encryption-customer-algorithm"] == "AES256"
    assert headers["x-amz-server-side-encryption-customer-key-MD5"] == digest
    assert len(b64decode(key)) == 32
    assert "transfer-encoding" not in headers
    assert key not in str(sent[0].url)


def test_the_segment_keeps_its_people_until_the_next_import_has_ended_well(world: World):
    world.imported(world.ids[:4])
    first = world.segments()
    ticket = world.connector().start_import(world.audience(world.ids[4:]))
    running = world.connector().look(ticket)

    assert running.state == "running"
    assert world.segments() == first
    domain = {"DomainName": world.settings["domain"]}
    definition = world.clients("customer-profiles").get_segment_definition(
        **domain, SegmentDefinitionName=ticket.segment
    )
    assert definition["Tags"]["upload-job"] != ticket.job


def test_a_failed_import_leaves_the_segment_alone_and_can_be_started_again(
    world: World, profiles: Any
):
    world.imported(world.ids[:4])
    audience = world.audience(world.ids[4:])
    ticket = world.connector().start_import(audience)
    profiles.stop_upload_job(DomainName=world.settings["domain"], JobId=ticket.job)
    stopped = world.connector().look(ticket)
    again = world.connector().start_import(audience)

    assert (stopped.state, stopped.status, stopped.failures) == ("failed", "STOPPED", ("STOPPED",))
    assert again.job != ticket.job
    assert not again.found
    assert world.members(again, world.finished(again)) == 2


def test_an_old_import_that_is_looked_at_late_does_not_push_out_a_newer_one(world: World):
    old = world.connector().start_import(world.audience(world.ids[:4]))
    newer = world.connector().start_import(world.audience(world.ids[:1]))
    newest = world.members(newer, world.finished(newer))
    late = world.finished(old)

    assert late.state == "succeeded"
    assert newest == world.members(newer, late) == 1


def test_the_segment_says_where_its_people_came_from(world: World, profiles: Any):
    audience = world.audience(world.ids)
    ticket = world.connector().start_import(
        Audience(audience.name, audience.location, 6, {"expression": "e" * 5000})
    )
    world.finished(ticket)
    definition = profiles.get_segment_definition(
        DomainName=world.settings["domain"], SegmentDefinitionName=ticket.segment
    )

    assert definition["DisplayName"] == "ITEMSgenresAction"
    assert definition["Description"].startswith(
        f"audience: ITEMSgenresAction\nfile: {audience.location}\nrows: 6\nexpression: eee"
    )
    assert len(definition["Description"]) == 4000
    assert definition["Tags"]["made-by"] == "personalize-flows"


def test_a_segment_of_someone_else_is_not_touched(world: World, profiles: Any):
    domain = world.settings["domain"]
    in_vienna = {"Address": {"City": {"DimensionType": "INCLUSIVE", "Values": ["Vienna"]}}}
    profiles.create_segment_definition(
        DomainName=domain,
        SegmentDefinitionName="ITEMSgenresAction",
        DisplayName="By hand",
        SegmentGroups={"Groups": [{"Dimensions": [{"ProfileAttributes": in_vienna}]}]},
    )

    with pytest.raises(FatalError, match="was not made by personalize-flows and stays as it is"):
        world.imported(world.ids)
    assert world.segments() == ["ITEMSgenresAction"]


def test_a_segment_that_could_not_be_made_anew_is_made_at_the_next_look(world: World):
    world.imported(world.ids[:4])
    ticket = world.connector().start_import(world.audience(world.ids[:1]))
    taken = ServiceError("BadRequestException", "Segment definition exists already")
    with (
        world.trouble("CreateSegmentDefinition", taken),
        pytest.raises(RetryableError, match="failed with BadRequestException; look again"),
    ):
        world.finished(ticket)

    assert world.members(ticket, world.finished(ticket)) == 1


@pytest.mark.parametrize("at", ["GetUploadJobPath", "StartUploadJob"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_start_that_broke_anywhere_goes_on_with_the_same_job(world: World, at: str, after: bool):
    audience = world.audience(world.ids[:3])
    broken = ServiceError("InternalServerException", "An internal error occurred")
    with world.trouble(at, broken, after=after), pytest.raises(RetryableError):
        world.connector().start_import(audience)
    ticket = world.connector().start_import(audience)

    assert world.members(ticket, world.finished(ticket)) == 3
    assert world.jobs() == 1


def test_a_job_that_someone_else_starts_meanwhile_is_as_good(world: World):
    starting = world.service.handlers["StartUploadJob"]

    def raced(context: Any) -> Any:
        starting(context)
        return starting(context)

    world.service.handlers["StartUploadJob"] = raced
    try:
        ticket = world.connector().start_import(world.audience(world.ids[:3]))
    finally:
        world.service.handlers["StartUploadJob"] = starting

    assert world.members(ticket, world.finished(ticket)) == 3
    assert world.jobs() == 1


@pytest.mark.parametrize(
    ("answer", "expected", "said"),
    [
        (httpx.Response(503, text="Slow down"), RetryableError, "was put off with 503: Slow down"),
        (httpx.Response(429), RetryableError, "was put off with 429"),
        (
            httpx.Response(403, text="<Message>Request has expired</Message>"),
            RetryableError,
            "was put off with 403",
        ),
        (httpx.ConnectError("no route"), RetryableError, r"broke off: ConnectError\('no route'\)"),
        (
            httpx.Response(403, text="AccessDenied"),
            FatalError,
            "was refused with 403: AccessDenied",
        ),
    ],
    ids=["down", "throttled", "url-expired", "unreachable", "denied"],
)
def test_an_upload_that_fails_says_whether_to_try_again_and_keeps_the_url_to_itself(
    world: World, answer: httpx.Response | Exception, expected: type[Exception], said: str
):
    with pytest.raises(expected, match=f"the upload to Customer Profiles {said}") as caught:
        with_upload_to(world, answer).start_import(world.audience(world.ids))

    assert "http://" not in str(caught.value)
    assert "X-Amz" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "count"),
    [
        (b"Id\nuser-0\nuser-1\n", 2),
        (b"Id\r\nuser-0\r\nuser-1", 2),
        (b"\xef\xbb\xbfId\nuser-0\n\n", 1),
        (b'"Id"\n"user-0"\n"user-1"\n', 2),
    ],
    ids=["LF", "CRLF-without-end", "BOM-and-blank-line", "quoted"],
)
def test_audience_files_of_any_csv_dialect_are_read(world: World, body: bytes, count: int):
    ticket = world.connector().start_import(written(world, body, count))
    progress = world.finished(ticket)

    assert progress.accepted == world.members(ticket, progress) == count


def test_ids_with_commas_quotes_and_line_breaks_arrive_whole(world: World, profiles: Any):
    odd = 'a "b", c\nd é'
    quoted = odd.replace('"', '""')
    ticket = world.connector().start_import(written(world, f'Id\n"{quoted}"\n'.encode()))
    world.finished(ticket)
    found = profiles.search_profiles(
        DomainName=world.settings["domain"], KeyName="_account", Values=[odd]
    )

    assert len(found["Items"]) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "has the header nothing; an audience file has one column, Id"),
        (b"USER_ID,RANK\n1,2\n", "has the header USER_ID, RANK; an audience file has one column"),
        (b"Id\n\xff\xfe\n", "is not the CSV it should be: 'utf-8' codec"),
        (b'Id\n"a\n', "is not the CSV it should be: unexpected end of data"),
    ],
    ids=["empty", "other-columns", "not-utf-8", "open-quote"],
)
def test_a_file_that_is_no_audience_is_refused_before_anything_is_made(
    world: World, body: bytes, said: str
):
    with pytest.raises(FatalError, match=rf"^s3://audiences/.*{said}"):
        world.connector().start_import(written(world, body))
    assert world.jobs() == 0


def test_the_file_is_too_big_with_its_marks(world: World, monkeypatch: pytest.MonkeyPatch):
    audience = written(world, b"Id\nuser-0\n")
    monkeypatch.setattr(CustomerProfiles, "limits", type(CustomerProfiles.limits)(max_bytes=20))

    with pytest.raises(FatalError, match="makes 47 bytes and customer_profiles takes at most 20"):
        world.connector().start_import(audience)
    assert world.jobs() == 0


def test_a_versioned_object_is_imported_once_a_version(world: World):
    s3 = world.clients("s3")
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    audience = Audience("Action", S3Path("versioned", "a.csv"), 1)
    tickets = []
    for body in (b"Id\nuser-0\n", b"Id\nuser-1\nuser-2\n"):
        s3.put_object(Bucket="versioned", Key="a.csv", Body=body)
        tickets += [world.connector().start_import(audience) for _ in range(2)]
        world.finished(tickets[-1])

    assert [ticket.found for ticket in tickets] == [False, True, False, True]
    assert world.members(tickets[-1], world.finished(tickets[-1])) == 2


def test_an_audience_that_became_empty_has_nobody_in_its_segment(world: World):
    before = world.imported(world.ids[:2])
    ticket = world.connector().start_import(world.audience([]))
    progress = world.finished(ticket)

    assert (progress.state, progress.accepted, progress.rejected) == ("succeeded", 0, 0)
    assert (before, world.members(ticket, progress)) == (2, 0)
    assert world.jobs() == 1


def test_an_empty_audience_is_filled_again_by_the_next_one(world: World):
    world.imported(world.ids[:2])
    world.imported([])
    time.sleep(1.1)  # S3 tells modification times in whole seconds

    assert world.imported(world.ids[:3]) == 3


def test_an_old_empty_file_takes_nobody_out_of_a_newer_import(world: World):
    empty = world.connector().start_import(world.audience([]))
    time.sleep(1.1)
    ticket = world.connector().start_import(world.audience(world.ids[:3]))
    progress = world.finished(ticket)
    world.finished(empty)

    assert world.members(ticket, progress) == 3


def test_a_file_without_a_header_is_no_empty_audience(world: World):
    audience = written(world, b"", count=-1)

    with pytest.raises(FatalError, match="has the header nothing; an audience file has one column"):
        world.connector().start_import(audience)
    assert world.segments() == []
