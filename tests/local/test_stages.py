"""A job's way through its stages."""

from __future__ import annotations

import logging
import threading
import time

import pytest

from personalization.local.pace import Pace
from personalization.local.stages import Stages


def job(pace: Pace, work: object = None) -> Stages:
    def done() -> tuple[str, ...]:
        return ("COMPLETING", "COMPLETED")

    stages = Stages(["CREATED"], "PROCESSING", work or done, ["FAILED"], pace)
    stages.start()
    return stages


@pytest.mark.parametrize(
    ("looks", "seen"),
    [
        (1, ["CREATED", "PROCESSING", "COMPLETING", "COMPLETED", "COMPLETED"]),
        (2, ["CREATED", "CREATED", "PROCESSING", "PROCESSING", "COMPLETING"]),
        (0, ["COMPLETED"] * 5),
    ],
)
def test_by_looks_every_stage_is_seen_so_often(looks: int, seen: list[str]):
    stages = job(Pace(looks=looks))

    assert [stages.look() for _ in range(5)] == seen


def test_a_glance_does_not_move_it():
    stages = job(Pace(looks=1))
    stages.look()

    assert [stages.glance() for _ in range(3)] == ["CREATED"] * 3


def test_by_looks_the_end_waits_for_the_work():
    def work() -> tuple[str, ...]:
        time.sleep(0.1)
        return ("COMPLETED",)

    stages = job(Pace(looks=1), work)

    assert [stages.look() for _ in range(3)] == ["CREATED", "PROCESSING", "COMPLETED"]


def test_by_the_clock_a_stage_lasts_and_the_work_is_waited_for():
    finish = threading.Event()

    def work() -> tuple[str, ...]:
        finish.wait(5)
        return ("COMPLETING", "COMPLETED")

    stages = job(Pace(seconds=0.05), work)
    first = stages.look()
    time.sleep(0.15)
    late = stages.look()
    finish.set()
    stages.wait()
    ended = stages.look()
    time.sleep(0.11)

    assert [first, late, ended, stages.look()] == [
        "CREATED",
        "PROCESSING",
        "COMPLETING",
        "COMPLETED",
    ]
    assert not stages.working


def test_without_any_time_a_job_ends_with_its_work():
    stages = job(Pace(seconds=0))
    stages.wait()

    assert stages.look() == "COMPLETED"


def test_work_that_breaks_fails_the_job_and_the_log_says_why(caplog: pytest.LogCaptureFixture):
    def work() -> tuple[str, ...]:
        raise RuntimeError("out of ink")

    with caplog.at_level(logging.ERROR):
        stages = job(Pace(looks=0), work)
        status = stages.look()

    assert status == "FAILED"
    assert "a job of the local AWS broke while PROCESSING" in caplog.text
    assert "out of ink" in caplog.text
