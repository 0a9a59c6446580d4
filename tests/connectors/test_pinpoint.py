"""What is Pinpoint's own: segments found by name, jobs that read a prefix, endpoint files."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from personalization.aws import S3Path
from personalization.connectors import Audience
from personalization.errors import FatalError
from personalization.local.server import LocalAws
from personalization.local.wire import Service
from tests.connectors.conftest import ROLE, World, pinpoint_world

ENDPOINTS = b"""\
User.UserId,ChannelType,User.UserAttributes.Gender,Address,User.UserAttributes.Age
1,EMAIL,Male,success+1@simulator.amazonses.com,33
2,EMAIL,Female,success+2@simulator.amazonses.com,44
3,PIGEON,Female,coop,55
"""


@pytest.fixture
def world(far_end: LocalAws, clients: Callable[[str], Any], services: dict[str, Service]) -> World:
    return pinpoint_world(clients, services)


@pytest.fixture
def pinpoint(world: World) -> Any:
    return world.clients("pinpoint")


def put(world: World, key: str, body: bytes) -> S3Path:
    place = S3Path("audiences", f"{world.settings['application_id']}/{key}")
    world.clients("s3").put_object(Bucket=place.bucket, Key=place.key, Body=body)
    return place


def test_rejected_rows_are_told(world: World):
    ticket = world.connector().start_import(world.audience([world.ids[0], "nobody"]))
    progress = world.finished(ticket)

    assert progress.failures == (f"{ticket.audience.location} row 2: there is no endpoint nobody",)


def test_at_most_a_hundred_failures_are_told(world: World):
    strangers = [f"stranger-{number}" for number in range(150)]
    ticket = world.connector().start_import(world.audience([world.ids[0], *strangers]))
    progress = world.finished(ticket)

    assert (progress.rejected, len(progress.failures)) == (150, 100)


def test_endpoint_files_go_the_same_way_and_define_no_segment(world: World, pinpoint: Any):
    endpoints = Audience("endpoints", put(world, "endpoints.csv", ENDPOINTS), 3)
    first = world.connector().register_endpoints(endpoints)
    progress = world.finished(first)
    again = world.connector().register_endpoints(endpoints)
    (ana,) = pinpoint.get_user_endpoints(
        ApplicationId=world.settings["application_id"], UserId="1"
    )["EndpointsResponse"]["Item"]

    assert (progress.state, progress.accepted, progress.rejected) == ("partly", 2, 1)
    assert progress.segment == first.segment == ""
    assert world.segments() == []
    assert ana["Address"] == "success+1@simulator.amazonses.com"
    assert ana["User"]["UserAttributes"] == {"Gender": ["Male"], "Age": ["33"]}
    assert (again.job, again.found) == (first.job, True)


def test_a_file_written_over_after_its_import_is_imported_again(world: World):
    place = put(world, "a.csv", f"Id\n{world.ids[0]}\n".encode())
    first = world.connector().start_import(Audience("Action", place, 1))
    world.finished(first)
    time.sleep(1.1)  # S3 tells modification times in whole seconds
    put(world, "a.csv", "Id\n{}\n{}\n".format(*world.ids).encode())
    second = world.connector().start_import(Audience("Action", place, 2))

    assert second.job != first.job
    assert world.members(second, world.finished(second)) == 2
    assert world.segments() == ["Action"]


def test_a_segment_that_cannot_be_emptied_is_told_of(world: World):
    world.imported(world.ids[:2])
    said = r"cannot empty a segment: ITEMSgenresAction \(.*\) still holds the people .* delete it"

    with pytest.raises(FatalError, match=said):
        world.connector().start_import(world.audience([]))
    assert world.jobs() == 1


def test_a_failed_import_can_be_started_again(world: World):
    audience = Audience("Action", put(world, "broken.csv", b"Id\n\xff\xfe\n"), 1)
    first = world.connector().start_import(audience)
    progress = world.finished(first)
    second = world.connector().start_import(audience)

    assert (progress.state, progress.status) == ("failed", "FAILING")
    assert "the file is not UTF-8" in progress.failures[0]
    assert second.job != first.job
    assert world.segments() == []


def test_a_segment_of_that_name_that_was_not_imported_is_left_alone(world: World, pinpoint: Any):
    pinpoint.create_segment(
        ApplicationId=world.settings["application_id"],
        WriteSegmentRequest={"Name": "ITEMSgenresAction"},
    )

    assert world.imported(world.ids[:2]) == 2
    assert world.segments() == ["ITEMSgenresAction", "ITEMSgenresAction"]


def test_of_several_imported_segments_of_that_name_the_newest_is_updated(
    world: World, pinpoint: Any
):
    application = world.settings["application_id"]
    place = put(world, "legacy.csv", f"Id\n{world.ids[0]}\n".encode())
    legacy = {
        "Format": "CSV",
        "S3Url": str(place),
        "RoleArn": ROLE,
        "DefineSegment": True,
        "SegmentName": "ITEMSgenresAction",
    }
    made = []
    for _ in range(2):
        job = pinpoint.create_import_job(ApplicationId=application, ImportJobRequest=legacy)
        job_id = job["ImportJobResponse"]["Id"]
        while True:
            answer = pinpoint.get_import_job(ApplicationId=application, JobId=job_id)
            if answer["ImportJobResponse"]["JobStatus"] == "COMPLETED":
                break
        made.append(answer["ImportJobResponse"]["Definition"]["SegmentId"])
        time.sleep(0.01)
    progress = world.finished(world.connector().start_import(world.audience(world.ids)))

    assert progress.segment == made[1]
    assert len(world.segments()) == 2


def test_segments_and_jobs_are_looked_for_on_every_page(world: World, pinpoint: Any):
    application = world.settings["application_id"]
    audience = world.audience(world.ids[:2])
    first = world.connector().start_import(audience)
    world.finished(first)
    for number in range(120):
        pinpoint.create_segment(
            ApplicationId=application, WriteSegmentRequest={"Name": f"other {number}"}
        )
    again = world.connector().start_import(audience)
    later = world.connector().start_import(world.audience(world.ids))

    assert again.job == first.job
    assert world.finished(later).segment == world.finished(first).segment
