"""What is in hand, on disk, and what of it is kept in S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from personalization.local.server import LocalAws
from personalization.sync.layout import JobPath
from personalization.sync.work import RECOMMENDATIONS, Desk, asked_of, write_output
from tests.sync.test_shards import outbox

JOB = JobPath.parse("s3://bbb/etl_jobs/user_personalization/shop/")


@pytest.fixture
def s3(aws: LocalAws) -> Any:
    client = aws.clients("s3")
    client.create_bucket(Bucket="bbb")
    return client


@pytest.fixture
def desk(s3: Any, tmp_path: Path) -> Desk:
    """Three users to be told."""
    made = Desk(JOB, "braze", "braze", tmp_path / "work")
    made.begin(s3)
    outbox(made.outbox(RECOMMENDATIONS), ["ana", "bo", "cy"], users=3)
    return made


def keys(s3: Any, prefix: str) -> list[str]:
    found = s3.list_objects_v2(Bucket="bbb", Prefix=prefix).get("Contents", ())
    return [it["Key"].removeprefix(prefix) for it in found]


def test_work_is_in_hand_until_the_desk_is_cleared(desk):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))

    assert Desk(JOB, "braze", "braze", desk.work_dir).in_hand() == work
    assert work.run_of(RECOMMENDATIONS) == work.run
    assert work.run_of("Action") == f"{work.run}-Action"
    desk.clear()
    assert desk.in_hand() is None
    assert not desk.home.exists()


def test_jobs_connectors_and_destinations_have_desks_of_their_own(desk):
    other = JobPath.parse("s3://bbb/etl_jobs/related_items/shop/")
    homes = {
        Desk(path, connector, destination, desk.work_dir).home
        for path in (JOB, other)
        for connector, destination in (("braze", "braze"), ("braze", "eu"), ("a/b", "a/b"))
    }

    assert len(homes) == 6
    assert Desk(JOB, "braze", "eu", desk.work_dir).stored == desk.stored / "@eu/"


def test_the_output_is_written_once_where_the_job_keeps_it(s3, desk):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    desk.faults.write_text("broken\n")

    first = write_output(s3, desk, work, b"[]")
    second = write_output(s3, desk, work, b"[]")

    assert first == second == JOB.output("braze", work.stamp)
    assert keys(s3, first.key) == ["00000.jsonl", "00000.parquet", "receipts.json"]
    assert keys(s3, JOB.errors(work.stamp).key) == ["braze.jsonl"]


def test_what_is_asked_for_is_told_apart_by_everything_that_decides_it(tmp_path):
    from personalization.sync.inputs import Inputs

    def inputs(folder: str) -> Inputs:
        return Inputs(None, (tmp_path / folder / "0.out",))  # type: ignore[arg-type]

    digests = {
        asked_of(b"{}", inputs("a"), "x"),
        asked_of(b"{ }", inputs("a"), "x"),
        asked_of(b"{}", inputs("b"), "x"),
        asked_of(b"{}", inputs("a"), "y"),
    }

    assert len(digests) == 4
    assert asked_of(b"{}", inputs("a"), "x") in digests


def test_work_that_cannot_be_read_has_no_name_and_is_asked_for_by_nobody(desk):
    desk.take_in_hand("asked", (RECOMMENDATIONS,))
    (desk.home / "work.json").write_bytes(b"")  # a machine that lost power
    (desk.outbox(RECOMMENDATIONS) / "journal.jsonl").touch()

    work = Desk(JOB, "braze", "braze", desk.work_dir).in_hand()

    assert (work.run, work.asked, work.parts) == ("", "", (RECOMMENDATIONS,))
