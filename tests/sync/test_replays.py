"""What a job's state learns of letters that are sent again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest

from personalization.delivery.outbox import Outbox
from personalization.sync.keeping import keep
from personalization.sync.replays import HeldByJob, Origin
from personalization.sync.work import RECOMMENDATIONS, Desk
from tests.delivery.conftest import write_outbox
from tests.sync.test_keeping import deliver, held
from tests.sync.test_work import JOB, desk, s3

__all__ = ["desk", "s3"]

ORIGIN = Origin(str(JOB.folder), "braze", "braze", RECOMMENDATIONS, ("recs",))


@pytest.fixture
def delivered(s3: Any, desk: Desk) -> Desk:
    """Ana and bo took what they were sent; cy did not."""
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, work.run, answered=2, begun=2)
    keep(s3, desk, work, RECOMMENDATIONS, complete=True)
    return desk


def test_letters_to_users_who_were_told_something_since_are_out_of_date(s3, delivered, tmp_path):
    state = HeldByJob(s3, ORIGIN, "braze", tmp_path / "r")

    assert state.told_since(["ana", "cy", "di"]) == {"ana"}


def test_whoever_is_sent_a_letter_is_told_again_by_the_next_run(s3, delivered, tmp_path):
    folder = write_outbox(tmp_path / "letters", [["bo", "cy", "eve"]], removed=["eve"])
    state = HeldByJob(s3, ORIGIN, "braze", tmp_path / "r")

    state.distrust(Outbox(folder), "replay-1")
    state.distrust(Outbox(folder), "replay-1")

    assert held(s3, delivered, tmp_path / "now") == {"ana": 7, "bo": 0, "cy": 0}
    assert state.told_since(["ana", "bo", "cy"]) == {"ana"}


def test_letters_that_go_elsewhere_are_known_there(s3, delivered, tmp_path):
    folder = write_outbox(tmp_path / "letters", ["c"])
    HeldByJob(s3, ORIGIN, "eu", tmp_path / "r").distrust(Outbox(folder), "replay-1")

    elsewhere = Desk(JOB, "braze", "eu", tmp_path)
    assert held(s3, elsewhere, tmp_path / "now") == {"c": 0}
    assert held(s3, delivered, tmp_path / "now") == {"ana": 7, "bo": 7}


def test_nothing_to_send_changes_nothing(s3, delivered, tmp_path):
    folder = write_outbox(tmp_path / "letters", [])
    HeldByJob(s3, ORIGIN, "braze", tmp_path / "r").distrust(Outbox(folder), "replay-1")

    assert held(s3, delivered, tmp_path / "now") == {"ana": 7, "bo": 7}


def test_an_origin_is_read_as_it_was_written():
    assert Origin.read(asdict(ORIGIN)) == ORIGIN
    assert Origin.read({}) is None
