"""The local Pinpoint's import jobs read real files from the local S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from personalization.local import pinpoint
from personalization.local.pace import Pace
from personalization.local.pinpoint_imports import Imports
from personalization.local.server import LocalAws

ROLE = "arn:aws:iam::123456789012:role/import"


class Project:
    """One application, a folder of files, and imports run to their end."""

    def __init__(self, aws: LocalAws) -> None:
        self.pinpoint = aws.clients("pinpoint")
        self.s3 = aws.clients("s3")
        made = self.pinpoint.create_app(CreateApplicationRequest={"Name": "bingewatch"})
        self.app: str = made["ApplicationResponse"]["Id"]

    def put(self, key: str, body: str | bytes) -> str:
        self.s3.put_object(Bucket="imports", Key=f"{self.app}/{key}", Body=body)
        return f"s3://imports/{self.app}/{key}"

    def start(self, url: str, **request: Any) -> dict[str, Any]:
        asked = {"Format": "CSV", "S3Url": url, "RoleArn": ROLE, **request}
        answer = self.pinpoint.create_import_job(ApplicationId=self.app, ImportJobRequest=asked)
        return dict(answer["ImportJobResponse"])

    def look(self, job: dict[str, Any]) -> dict[str, Any]:
        answer = self.pinpoint.get_import_job(ApplicationId=self.app, JobId=job["Id"])
        return dict(answer["ImportJobResponse"])

    def run(self, url: str, **request: Any) -> dict[str, Any]:
        job = self.start(url, **request)
        while job["JobStatus"] not in ("COMPLETED", "FAILED"):
            job = self.look(job)
        return job

    def segment(self, job: dict[str, Any]) -> dict[str, Any]:
        answer = self.pinpoint.get_segment(
            ApplicationId=self.app, SegmentId=job["Definition"]["SegmentId"]
        )
        return dict(answer["SegmentResponse"])

    def endpoints(self, user: str) -> list[dict[str, Any]]:
        answer = self.pinpoint.get_user_endpoints(ApplicationId=self.app, UserId=user)
        return list(answer["EndpointsResponse"]["Item"])


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(pace=Pace(looks=1), mount=[pinpoint.service]) as server:
        server.clients("s3").create_bucket(Bucket="imports")
        yield server


@pytest.fixture
def project(aws: LocalAws) -> Project:
    return Project(aws)


ENDPOINTS = """\
Id,ChannelType,Address,User.UserId,User.UserAttributes.likes,User.UserAttributes.likes,Metrics.age
m1,EMAIL,1@x.test,1,tea,cake,33
s1,SMS,+431,1,,,
m2,EMAIL,2@x.test,2,,rum,44.5
"""


def test_a_job_passes_through_the_documented_states(project: Project):
    job = project.start(project.put("e.csv", ENDPOINTS), RegisterEndpoints=True)
    seen = [job["JobStatus"], *(project.look(job)["JobStatus"] for _ in range(6))]

    assert seen == [
        "CREATED",
        "CREATED",
        "PREPARING_FOR_INITIALIZATION",
        "INITIALIZING",
        "PROCESSING",
        "COMPLETING",
        "COMPLETED",
    ]


def test_endpoints_are_registered_with_all_their_values(project: Project):
    job = project.run(project.put("e.csv", ENDPOINTS), RegisterEndpoints=True)
    mail, phone = project.endpoints("1")

    assert (job["TotalProcessed"], job["TotalFailures"], job["Failures"]) == (3, 0, [])
    assert (job["TotalPieces"], job["CompletedPieces"], job["FailedPieces"]) == (1, 1, 0)
    assert "CompletionDate" in job
    assert (mail["Id"], phone["Id"]) == ("m1", "s1")
    assert mail["Metrics"] == {"age": 33.0}
    assert "Metrics" not in phone
    assert phone["User"]["UserAttributes"] == {"likes": ["tea", "cake"]}
    assert "SegmentId" not in job["Definition"]


def test_endpoints_without_ids_get_the_same_id_again(project: Project):
    url = project.put("e.csv", "User.UserId,ChannelType,Address\n1,EMAIL,1@x.test\n")
    project.run(url, RegisterEndpoints=True)
    (first,) = project.endpoints("1")
    project.run(url, RegisterEndpoints=True)
    (again,) = project.endpoints("1")

    assert first["Id"] == again["Id"]
    assert len(first["Id"]) == 26


def test_rows_of_ids_make_a_segment(project: Project):
    project.run(project.put("e.csv", ENDPOINTS), RegisterEndpoints=True)
    url = project.put("action.csv", "Id\nm1\nS1\nm1\nnobody\n")
    job = project.run(url, DefineSegment=True, SegmentName="Action")
    segment = project.segment(job)

    assert (job["JobStatus"], job["TotalProcessed"], job["TotalFailures"]) == ("COMPLETED", 4, 1)
    assert job["Failures"] == [f"{url} row 4: there is no endpoint nobody"]
    assert (segment["Name"], segment["SegmentType"], segment["Version"]) == ("Action", "IMPORT", 1)
    assert segment["ImportDefinition"] == {
        "ChannelCounts": {"EMAIL": 1, "SMS": 1},
        "ExternalId": "",
        "Format": "CSV",
        "RoleArn": ROLE,
        "S3Url": url,
        "Size": 2,
    }


def test_rows_of_users_stand_for_all_their_endpoints(project: Project):
    project.run(project.put("e.csv", ENDPOINTS), RegisterEndpoints=True)
    url = project.put("users.csv", "User.UserId\n1\n2\n9\n")
    job = project.run(url, DefineSegment=True, SegmentName="Users")

    assert job["Failures"] == [f"{url} row 3: user 9 has no endpoints"]
    about = project.segment(job)["ImportDefinition"]
    assert (about["Size"], about["ChannelCounts"]) == (2, {"EMAIL": 2, "SMS": 1})


def test_an_import_with_a_segment_id_makes_its_next_version(project: Project):
    project.run(project.put("e.csv", ENDPOINTS), RegisterEndpoints=True)
    first = project.run(project.put("1.csv", "Id\nm1\ns1\n"), DefineSegment=True, SegmentName="A")
    segment = first["Definition"]["SegmentId"]
    second = project.run(
        project.put("2.csv", "Id\nm2\n"), DefineSegment=True, SegmentName="A", SegmentId=segment
    )
    found = project.segment(second)
    jobs = project.pinpoint.get_segment_import_jobs(ApplicationId=project.app, SegmentId=segment)

    assert (found["Id"], found["Version"], found["ImportDefinition"]["Size"]) == (segment, 2, 1)
    assert [each["Id"] for each in jobs["ImportJobsResponse"]["Item"]] == [
        second["Id"],
        first["Id"],
    ]


def test_an_imported_segment_can_be_renamed_and_nothing_else(project: Project):
    project.run(project.put("e.csv", ENDPOINTS), RegisterEndpoints=True)
    job = project.run(project.put("1.csv", "Id\nm1\n"), DefineSegment=True, SegmentName="A")
    here = {"ApplicationId": project.app, "SegmentId": job["Definition"]["SegmentId"]}
    project.pinpoint.update_segment(**here, WriteSegmentRequest={"Name": "B"})

    assert project.segment(job)["Name"] == "B"
    with pytest.raises(ClientError, match="dimensions of an imported segment cannot be changed"):
        project.pinpoint.update_segment(**here, WriteSegmentRequest={"Dimensions": {}})


def test_a_folder_is_read_with_its_subfolders_and_without_other_formats(project: Project):
    project.put("all/a.csv", "Id,ChannelType,Address\na,SMS,1\n")
    project.put("all/deep/b.csv", "Id,ChannelType,Address\nb,SMS,2\n")
    project.put("all/c.json", "not for this import")
    project.put("all/deep/", "")
    job = project.run(
        f"s3://imports/{project.app}/all/", DefineSegment=True, RegisterEndpoints=True
    )

    assert (job["TotalPieces"], job["TotalProcessed"]) == (2, 2)
    assert project.segment(job)["ImportDefinition"]["Size"] == 2


def test_newline_delimited_json_is_read_too(project: Project):
    rows = [
        {"Id": "a", "ChannelType": "SMS", "Address": "1", "Attributes": {"likes": ["tea"]}},
        {"Id": "b", "ChannelType": "OWL", "Address": "2"},
        ["not an endpoint"],
    ]
    url = project.put("e.json", "\n".join(map(json.dumps, rows)) + "\n{\n\n")
    job = project.run(url, Format="JSON", RegisterEndpoints=True)

    assert (job["TotalProcessed"], job["TotalFailures"]) == (4, 3)
    assert job["Failures"][0] == f"{url} row 2: ChannelType is 'OWL'"
    assert job["Failures"][1] == f"{url} row 3: the line is not a JSON object"
    assert "row 4: the line is not JSON" in job["Failures"][2]


@pytest.mark.parametrize(
    ("header", "row", "said"),
    [
        ("Id,Address", "a", "the row has 1 values and the header 2"),
        ("Id,Metrics.age", "a,old", "Metrics.age is not a number: 'old'"),
        ("Id,Location.Latitude", "a,north", "Location.Latitude is not a number: 'north'"),
        ("Address", "1", "there is no endpoint"),
        ("Attributes.likes", "tea", "the row names neither an endpoint nor a user"),
        ("Id,Address", "new,1", "ChannelType is required for a new endpoint"),
        ("Id,ChannelType,Address", "a,OWL,1", "ChannelType is 'OWL'"),
    ],
    ids=["short", "metric", "latitude", "no-id", "no-one", "no-channel", "channel"],
)
def test_a_row_that_cannot_be_used_is_a_failure_of_the_row(
    project: Project, header: str, row: str, said: str
):
    url = project.put("e.csv", f"{header}\n{row}\n")
    job = project.run(url, RegisterEndpoints=said != "there is no endpoint")

    assert (job["JobStatus"], job["TotalFailures"]) == ("COMPLETED", 1)
    assert said in job["Failures"][0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the file is empty"),
        (b"Id,Shoe\na,43\n", "'Shoe' is not an attribute of an endpoint"),
        (b"Id,EndpointStatus\na,ACTIVE\n", "'EndpointStatus' is not an attribute that files can"),
        (b"Id,User\na,b\n", "'User' is not an attribute that files can set"),
        (b"Id\n\xff\n", "the file is not UTF-8"),
        (b'Id\n"a\n', "the file is not CSV"),
    ],
    ids=["empty", "unknown", "unsupported", "structure", "encoding", "quote"],
)
def test_a_file_that_cannot_be_read_fails_the_job(project: Project, body: bytes, said: str):
    job = project.run(project.put("e.csv", body), DefineSegment=True, SegmentName="A")

    assert (job["JobStatus"], job["FailedPieces"]) == ("FAILED", 1)
    assert said in job["Failures"][0]
    assert "SegmentId" not in job["Definition"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://imports/nothing/here", "cannot be read: there is no CSV file there"),
        ("s3://no-such-bucket/a.csv", "NoSuchBucket"),
    ],
)
def test_a_place_without_files_fails_the_job(project: Project, url: str, said: str):
    job = project.run(url)

    assert job["JobStatus"] == "FAILED"
    assert said in job["Failures"][0]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"S3Url": "https://imports/a.csv"}, "Invalid S3Url: https://imports/a.csv"),
        ({"RoleArn": "import"}, "Invalid role ARN: import"),
        ({"SegmentId": "0" * 32}, f"Segment {'0' * 32} was not found"),
        ({"Format": "XML"}, "Member must satisfy enum value set: [CSV, JSON]"),
    ],
    ids=["url", "role", "segment", "format"],
)
def test_a_request_that_cannot_be_is_refused(project: Project, request_: dict[str, str], said: str):
    with pytest.raises(ClientError) as caught:
        project.start(**{"url": "s3://imports/a.csv", **request_})

    assert said in str(caught.value)


def test_a_job_that_is_not_there_is_named(project: Project):
    with pytest.raises(ClientError, match="Import job j was not found"):
        project.look({"Id": "j"})


def test_too_many_active_imports_are_put_off(
    aws: LocalAws, project: Project, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("personalization.local.pinpoint_imports.MAX_ACTIVE", 0)
    project.pinpoint = boto3.session.Session().client(
        "pinpoint",
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )

    with pytest.raises(ClientError, match=r"TooManyRequestsException.*More than 0 active import"):
        project.start("s3://imports/a.csv")


def test_closing_stops_an_import_half_way(aws: LocalAws, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("personalization.local.pinpoint_imports._BATCH", 10)
    project = Project(aws)
    url = project.put("e.csv", "Id\n" + "x\n" * 100_000)
    started: list[Imports] = []
    creating = Imports.create
    monkeypatch.setattr(
        Imports,
        "create",
        lambda self, *asked: (started.append(self), creating(self, *asked))[1],
    )
    project.start(url)
    started[0].close()
    (job,) = started[0].every()

    assert job["FailedPieces"] == 1
    assert job["Failures"][-1].endswith("the local AWS was stopped") or len(job["Failures"]) == 100
