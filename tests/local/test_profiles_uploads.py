"""Upload jobs of the local Customer Profiles: a real PUT, and real profiles from it."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from botocore.exceptions import ClientError

from personalization.local import profiles
from personalization.local.pace import Pace
from personalization.local.server import LocalAws

FIELDS = {
    "user": {"Source": "_source.user", "Target": "_profile.AccountNumber"},
    "city": {"Source": "_source.city", "Target": "_profile.Address.City"},
    "likes": {"Source": "_source.likes", "Target": "_profile.Attributes.likes"},
}


class Office:
    """A domain, and uploads to it."""

    def __init__(self, aws: LocalAws) -> None:
        self.client = aws.clients("customer-profiles")
        self.domain = f"d-{uuid4().hex[:8]}"
        self.client.create_domain(DomainName=self.domain, DefaultExpirationDays=90)

    def create(self, name: str = "upload", **request: Any) -> dict[str, str]:
        asked = {"DisplayName": name, "Fields": FIELDS, "UniqueKey": "user", **request}
        job = self.client.create_upload_job(DomainName=self.domain, **asked)["JobId"]
        return {"DomainName": self.domain, "JobId": job}

    def put(self, job: dict[str, str], body: bytes) -> None:
        path = self.client.get_upload_job_path(**job)
        key = path["ClientToken"]
        digest = hashlib.md5(base64.b64decode(key)).digest()
        prefix = "x-amz-server-side-encryption-customer-"
        headers = {
            f"{prefix}algorithm": "AES256",
            f"{prefix}key": key,
            f"{prefix}key-MD5": base64.b64encode(digest).decode(),
        }
        httpx.put(path["Url"], content=body, headers=headers).raise_for_status()

    def run(self, body: bytes, **request: Any) -> dict[str, Any]:
        job = self.create(uuid4().hex, **request)
        self.put(job, body)
        self.client.start_upload_job(**job)
        while True:
            found = self.client.get_upload_job(**job)
            if found["Status"] != "IN_PROGRESS":
                return dict(found)

    def people(self, *accounts: str) -> list[dict[str, Any]]:
        return [
            {key: value for key, value in each.items() if key not in ("ProfileId", "FoundByItems")}
            for each in self.client.search_profiles(
                DomainName=self.domain, KeyName="_account", Values=list(accounts)
            )["Items"]
        ]


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(pace=Pace(looks=1), mount=[profiles.service]) as server:
        yield server


@pytest.fixture
def office(aws: LocalAws) -> Office:
    return Office(aws)


def test_a_job_is_created_then_in_progress_then_done(office: Office):
    job = office.create(DataExpiry=30)
    created = office.client.get_upload_job(**job)
    office.put(job, b"user,city,likes\n1,Linz,tea\n")
    office.client.start_upload_job(**job)
    running = office.client.get_upload_job(**job)
    done = office.client.get_upload_job(**job)

    assert [each["Status"] for each in (created, running, done)] == [
        "CREATED",
        "IN_PROGRESS",
        "SUCCEEDED",
    ]
    assert "ResultsSummary" not in running
    assert done["ResultsSummary"] == {
        "UpdatedRecords": 0,
        "CreatedRecords": 1,
        "FailedRecords": 0,
    }
    assert (done["DataExpiry"], done["UniqueKey"], done["Fields"]) == (30, "user", FIELDS)
    assert done["CompletedAt"] >= done["CreatedAt"]


def test_rows_update_who_is_known_and_create_who_is_not(office: Office):
    office.client.create_profile(
        DomainName=office.domain, AccountNumber="1", FirstName="Ana", Attributes={"likes": "rum"}
    )
    job = office.run(b"likes,user,extra,city\ntea,1,x,\ncake,2,x,Linz\ncake,2,x,Wien\n")

    assert job["Status"] == "SUCCEEDED"
    assert job["ResultsSummary"] == {"UpdatedRecords": 2, "CreatedRecords": 1, "FailedRecords": 0}
    assert job["DataExpiry"] == 14
    assert office.people("1", "2") == [
        {"AccountNumber": "1", "FirstName": "Ana", "Attributes": {"likes": "tea"}},
        {"AccountNumber": "2", "Attributes": {"likes": "cake"}, "Address": {"City": "Wien"}},
    ]


def test_rows_that_fail_are_counted_and_the_others_count(office: Office):
    rows = ["1,Linz,tea", ",Linz,tea", f"2,{'x' * 256},tea", "3,Linz", ""]
    job = office.run(b"user,city,likes\n" + "\n".join(rows).encode())

    assert job["Status"] == "PARTIALLY_SUCCEEDED"
    assert job["ResultsSummary"] == {"UpdatedRecords": 0, "CreatedRecords": 1, "FailedRecords": 3}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"user,likes\n1,tea\n",
        b"\xef\xbb\xbfuser,city,likes\n1,Linz,tea\n",
        b"user,city,likes\n1,\xff,tea\n",
        b'user,city,likes\n1,"Linz,tea\n',
    ],
    ids=["empty", "missing-column", "BOM", "encoding", "quote"],
)
def test_a_file_that_is_not_what_was_announced_fails_the_job(office: Office, body: bytes):
    job = office.run(body)

    assert (job["Status"], job["StatusReason"]) == ("FAILED", "VALIDATION_FAILURE")
    assert office.people("1") == []


def test_a_stopped_job_stays_stopped(office: Office):
    job = office.create()
    office.put(job, b"user,city,likes\n1,Linz,tea\n")
    office.client.start_upload_job(**job)
    office.client.stop_upload_job(**job)

    assert office.client.get_upload_job(**job)["Status"] == "STOPPED"
    with pytest.raises(ClientError, match=f"Upload job {job['JobId']} has ended"):
        office.client.stop_upload_job(**job)


def test_the_url_leads_to_a_place_that_the_key_is_no_part_of(office: Office):
    path = office.client.get_upload_job_path(**office.create())

    assert len(base64.b64decode(path["ClientToken"])) == 32
    assert path["ClientToken"] not in path["Url"]
    assert "x-amz-server-side-encryption-customer-key" in path["Url"]  # signed, to be sent
    assert path["ValidUntil"].timestamp() > 0


def test_a_job_starts_once_and_only_with_a_file(office: Office):
    job = office.create()
    with pytest.raises(ClientError, match=f"No file was uploaded for job {job['JobId']}"):
        office.client.start_upload_job(**job)
    office.put(job, b"user,city,likes\n1,Linz,tea\n")
    office.client.start_upload_job(**job)

    said = f"Upload job {job['JobId']} is IN_PROGRESS, not CREATED"
    for again in (office.client.start_upload_job, office.client.get_upload_job_path):
        with pytest.raises(ClientError, match=said):
            again(**job)


def test_jobs_are_listed_the_newest_first(office: Office):
    jobs = [office.create(f"upload {number}")["JobId"] for number in range(3)]
    first = office.client.list_upload_jobs(DomainName=office.domain, MaxResults=2)
    second = office.client.list_upload_jobs(
        DomainName=office.domain, MaxResults=2, NextToken=first["NextToken"]
    )

    assert [each["JobId"] for each in first["Items"] + second["Items"]] == jobs[::-1]
    assert first["Items"][0]["Status"] == "CREATED"
    assert "Fields" not in first["Items"][0]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"UniqueKey": "shoe"}, "UniqueKey shoe is not one of the fields"),
        ({"Fields": {"user": {}}}, "Field user has no Target"),
        ({"Fields": {"user": {"Target": "AccountNumber"}}}, "'AccountNumber' is not a field of"),
        ({"Fields": {"user": {"Target": "_profile.Shoe"}}}, "'_profile.Shoe' is not a field of"),
        ({"Fields": {"user": {"Target": "_profile.Address.Moon"}}}, "Moon' is not a field of a"),
        ({"Fields": {"user": {"Target": "_profile.Attributes"}}}, "Attributes' is not a field of"),
        ({"DataExpiry": 1099}, "less than or equal to 1098"),
        ({"DisplayName": "taken"}, "An upload job named taken exists already"),
    ],
    ids=["key", "no-target", "root", "field", "address", "attributes", "expiry", "name"],
)
def test_a_job_that_cannot_be_is_refused(office: Office, request_: dict[str, Any], said: str):
    office.create("taken")

    with pytest.raises(ClientError) as caught:
        office.create(**{"name": "other", **request_})
    assert said in str(caught.value)


def test_a_job_that_is_not_there_is_named(office: Office):
    with pytest.raises(ClientError, match=f"Upload job {'0' * 32} was not found"):
        office.client.get_upload_job(DomainName=office.domain, JobId="0" * 32)
