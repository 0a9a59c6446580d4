"""Whose line carries an error keeps what he has: nobody knows what would be in its place."""

from __future__ import annotations

import json

import pytest

from personalization.connectors.base import Rendering
from personalization.transforms.recommendation_lines import ListReader, pieces
from personalization.transforms.recommendation_state import read_state
from tests.transforms.test_recommendations import ITEMS, LISTS, Job, answer


def error_of(user: str) -> str:
    whole = {"input": {"userId": user}, "output": None, "error": "InternalServerException"}
    return json.dumps(whole, separators=(",", ":"))


@pytest.fixture
def job(tmp_path) -> Job:
    made = Job(tmp_path)
    made.sync(LISTS)
    return made


WITHOUT_BEN = {user: ids for user, ids in LISTS.items() if user != "ben"}


def test_a_user_whose_line_is_an_error_keeps_attributes_and_hash(job):
    before = dict(read_state(job.state).users.iter_rows())

    report = job.run(WITHOUT_BEN, error_of("ben"), error_of("new"), most_cleared=0.0)
    sent = job.deliver()

    assert sent == set()
    assert (report.counts["errors"], report.counts["kept_on_error"]) == (2, 1)
    assert report.counts["cleared"] == 0
    assert dict(read_state(job.state).users.iter_rows()) == before
    assert job.sync(LISTS) == set()
    assert job.held() == job.expected(LISTS)


def test_a_line_that_is_no_answer_but_says_for_whom_keeps_as_well(job):
    line = '{"input":{"userId":"ben"},"output":{"recommendedItems":"b"},"error":null}'

    report = job.run(WITHOUT_BEN, line)

    assert job.sent() == {}
    assert (report.counts["broken"], report.counts["kept_on_error"]) == (1, 1)


def test_who_left_is_cleared_beside_those_with_errors(job):
    job.run({"ana": ["a", "b"], "dora": ["c"]}, error_of("ben"))

    assert set(job.sent()) == {"cy"}


def test_a_user_with_an_answer_and_an_error_has_the_answer(job):
    report = job.run({**LISTS, "ben": ["a"]}, error_of("ben"))

    assert set(job.sent()) == {"ben"}
    assert report.counts["kept_on_error"] == 0


def test_errors_are_kept_when_nobody_is_cleared(job):
    report = job.run({"ana": ["a", "b"]}, error_of("ben"), clear_removed=False)

    assert job.sent() == {}
    assert report.counts["kept_on_error"] == 1


@pytest.mark.parametrize("spared", ["error", "not-cleared"])
def test_who_kept_an_old_item_is_told_when_his_list_is_back(job, spared):
    job.items = {**ITEMS, "b": "B2"}
    if spared == "error":
        job.run(WITHOUT_BEN, error_of("ben"))
    else:
        job.run(WITHOUT_BEN, clear_removed=False)

    assert job.deliver() == {"ana"}
    assert job.sync(LISTS) == {"ben"}
    assert job.held() == job.expected(LISTS)


@pytest.mark.parametrize("back", [True, False], ids=["back", "gone"])
def test_who_kept_an_old_rendering_loses_it_when_his_list_is_back_or_he_is_gone(job, back):
    job.rendering = Rendering("id", prefix="new_")
    job.run(WITHOUT_BEN, error_of("ben"))
    job.deliver()
    lists = LISTS if back else WITHOUT_BEN

    assert job.sync(lists) == {"ben"}
    assert job.held() == job.expected(lists)
    assert job.sync(lists) == set()


def test_errors_are_kept_shard_by_shard(job):
    kept = 0
    for shard in range(3):
        kept += job.run(WITHOUT_BEN, error_of("ben"), shard=shard, shards=3).counts["kept_on_error"]
        assert job.sent() == {}

    assert kept == 1


def test_a_fault_says_whose_line_it_is_where_that_can_be_read(tmp_path):
    file = tmp_path / "job.out"
    lines = [answer("a", ["1"]), error_of("ben"), "{broken", '{"input":{"userId":7},"error":"x"}']
    file.write_text("\n".join(lines))

    (piece,) = pieces([file])

    assert [it.owner for it in ListReader("userId").read(piece).faults] == ["ben", "", "7"]
