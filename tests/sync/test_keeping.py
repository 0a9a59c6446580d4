"""What a destination holds, kept in S3: also when others were there in between, or files broke."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from personalization.delivery.journal import Journal
from personalization.delivery.outbox import Outbox
from personalization.errors import FatalError
from personalization.sync.keeping import goes_on, keep, settle
from personalization.sync.state_store import fetch_state
from personalization.sync.work import RECOMMENDATIONS, Desk
from personalization.transforms.recommendation_state import doubt, read_state
from tests.sync.test_shards import outbox
from tests.sync.test_work import JOB, desk, keys, s3

__all__ = ["desk", "s3"]


def deliver(desk: Desk, run: str, answered: int, begun: int) -> None:
    """Note, as a delivery does, what was sent and what was answered, by the number of lines."""
    journal = Journal(Outbox(desk.outbox(RECOMMENDATIONS)), run, "braze")
    journal.begin("00000", range(begun))
    journal.answered("00000", range(answered), (), 1)
    journal.close()


def held(s3: Any, desk: Desk, folder: Path) -> dict[str, int]:
    state = read_state(fetch_state(s3, desk.stored, folder))
    return dict(zip(state.users["user_id"], state.users["hash"], strict=True))


def on(desk: Desk, machine: Path, *people: str) -> Desk:
    """Return the same connector's desk on another machine, with other users to be told."""
    other = Desk(desk.path, desk.connector, desk.destination, machine)
    outbox(other.outbox(RECOMMENDATIONS), list(people), users=len(people))
    return other


def test_only_what_was_acknowledged_is_kept(s3, desk, tmp_path):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    keep(s3, desk, work, RECOMMENDATIONS, complete=False)
    nothing = keys(s3, "")
    deliver(desk, "run", answered=2, begun=2)
    keep(s3, desk, work, RECOMMENDATIONS, complete=False)

    assert nothing == []
    assert held(s3, desk, tmp_path / "state") == {"ana": 7, "bo": 7}


def test_what_nobody_answered_for_is_held_in_doubt_when_the_rest_is_given_up(s3, desk, tmp_path):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, work.run, answered=1, begun=2)

    settle(s3, desk, work)

    assert held(s3, desk, tmp_path / "state") == {"ana": 7, "bo": 0}
    assert desk.in_hand() is None


def test_work_that_was_not_begun_is_given_up_without_a_trace(s3, desk):
    settle(s3, desk, desk.take_in_hand("asked", (RECOMMENDATIONS,)))

    assert keys(s3, "") == []


def test_an_outbox_without_lines_is_remembered_once(s3, tmp_path):
    empty = Desk(JOB, "braze", "braze", tmp_path / "work")
    empty.begin(s3)
    outbox(empty.outbox(RECOMMENDATIONS), [], users=0)

    work = empty.take_in_hand("asked", (RECOMMENDATIONS,))
    keep(s3, empty, work, RECOMMENDATIONS, complete=True)
    once = keys(s3, empty.stored.key)
    keep(s3, empty, work, RECOMMENDATIONS, complete=True)

    assert once == keys(s3, empty.stored.key)
    assert "state.json" in once
    users = read_state(fetch_state(s3, empty.stored, tmp_path / "state")).users
    assert users.equals(pl.DataFrame(schema=users.schema))


@pytest.fixture
def overtaken(s3: Any, desk: Desk, tmp_path: Path) -> Desk:
    """Told ana, and maybe bo; then another machine told ana, bo and di, and wrote the state."""
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, work.run, answered=1, begun=2)
    other = on(desk, tmp_path / "other", "ana", "bo", "di")
    newer = other.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(other, newer.run, answered=3, begun=3)
    keep(s3, other, newer, RECOMMENDATIONS, complete=True)
    return desk


def test_work_goes_on_while_the_state_is_as_it_was_or_its_own(s3, desk):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    untouched = goes_on(s3, desk, work)
    deliver(desk, work.run, answered=1, begun=2)
    keep(s3, desk, work, RECOMMENDATIONS, complete=False)

    assert untouched
    assert goes_on(s3, desk, work)


def test_work_that_others_overtook_does_not_go_on_and_is_in_doubt(s3, overtaken, tmp_path):
    work = overtaken.in_hand()
    on_with_it = goes_on(s3, overtaken, work)

    settle(s3, overtaken, work)

    assert not on_with_it
    assert held(s3, overtaken, tmp_path / "state") == {"ana": 0, "bo": 0, "di": 7}


def test_doubt_keeps_how_everybody_else_was_told(s3, desk, tmp_path):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, work.run, answered=3, begun=3)
    keep(s3, desk, work, RECOMMENDATIONS, complete=True)
    told = pl.DataFrame({"user_id": ["bo", "eve", "flo"], "removed": [True, True, False]})
    folder = fetch_state(s3, desk.stored, tmp_path / "state")

    doubt(folder, told, ("z",))
    doubt(folder, told, ("z",))

    state = read_state(folder)
    found = dict(zip(state.users["user_id"], state.users["hash"], strict=True))
    assert found == {"ana": 7, "bo": 0, "cy": 7, "flo": 0}  # nobody knows of anything eve holds
    assert (state.fingerprint, state.attributes) == ("f", ("x", "z"))
    assert state.items["item_id"].to_list() == ["a"]


@pytest.mark.parametrize("broken", ["outbox.json", "00000.parquet", "journal.jsonl"])
def test_of_an_outbox_that_broke_everybody_is_told_again(s3, desk, tmp_path, broken):
    first = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, first.run, answered=3, begun=3)
    settle(s3, desk, first)
    desk.begin(s3)
    outbox(desk.outbox(RECOMMENDATIONS), ["ana"], users=1)
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, work.run, answered=1, begun=1)
    (desk.outbox(RECOMMENDATIONS) / broken).write_bytes(b"torn\nin two\n")
    on_with_it = goes_on(s3, desk, work)

    settle(s3, desk, work)

    assert not on_with_it
    assert held(s3, desk, tmp_path / "state") == {"ana": 0, "bo": 0, "cy": 0}
    assert desk.in_hand() is None


def test_an_outbox_that_is_gone_lets_nothing_go_on(s3, desk):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    (desk.outbox(RECOMMENDATIONS) / "outbox.json").unlink()
    on_with_it = goes_on(s3, desk, work)

    settle(s3, desk, work)

    assert not on_with_it
    assert desk.in_hand() is None


def test_of_work_without_a_name_all_that_was_told_is_in_doubt(s3, desk, tmp_path):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, work.run, answered=1, begun=2)
    (desk.home / "work.json").write_bytes(b"")

    settle(s3, desk, desk.in_hand())

    assert held(s3, desk, tmp_path / "state") == {"ana": 0, "bo": 0}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"layout": 1, "generation": "00000009"}'])
def test_a_broken_state_is_named_with_its_way_out(s3, desk, text):
    work = desk.take_in_hand("asked", (RECOMMENDATIONS,))
    deliver(desk, work.run, answered=1, begun=2)
    s3.put_object(Bucket="bbb", Key=f"{desk.stored.key}state.json", Body=text.encode())

    with pytest.raises(FatalError, match=r"s3://bbb/etl_jobs/.*/state/state\.json .*move .* away"):
        settle(s3, desk, work)
