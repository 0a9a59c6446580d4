"""Rejected users are kept with the reason, and can be sent again byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from personalization.delivery import deliver, origin_of, replayed, users_of
from personalization.errors import ConfigError
from tests.delivery.conftest import Scripted, line, rejecting, write_outbox


def test_the_rejected_are_kept_whole(outbox: Path):
    crm = Scripted(rejecting("b", "e", "g"))
    receipt = deliver(crm, outbox, run="r1", origin={"job": "s3://b/j/"})

    assert receipt.dead_letters == outbox / "dead-letters.jsonl"
    letters = [json.loads(each) for each in receipt.dead_letters.open()]
    assert [(each["file"], each["row"], each["user_id"]) for each in letters] == [
        ("00000", 1, "b"),
        ("00000", 4, "e"),
        ("00001", 1, "g"),
    ]
    assert letters[1] == {
        "file": "00000",
        "row": 4,
        "user_id": "e",
        "hash": 0,
        "removed": True,
        "kind": "scripted",
        "origin": {"job": "s3://b/j/"},
        "reason": "unknown",
        "object": json.loads(line("e")),
    }


def test_a_replay_sends_the_rejected_again_and_only_them(outbox: Path, tmp_path: Path):
    receipt = deliver(Scripted(rejecting("b", "e", "g")), outbox, run="r1")
    folder = replayed(receipt.dead_letters, tmp_path / "again")
    crm = Scripted()
    second = deliver(crm, folder, run="r1-replay")

    assert (folder / "00000.jsonl").read_bytes() == b"".join(line(user) + b"\n" for user in "beg")
    assert pl.read_parquet(folder / "00000.parquet").rows() == [
        ("b", 7, False),
        ("e", 0, True),
        ("g", 7, False),
    ]
    assert crm.users == ["b", "e", "g"]
    assert (second.accepted, second.cleared) == (3, 1)


def test_a_line_is_found_whatever_the_reason_says(tmp_path: Path):
    path = tmp_path / "dead-letters.jsonl"
    about = {"user_id": "a", "hash": 2**64 - 1, "removed": False, "kind": "crm", "origin": {}}
    about |= {"reason": 'not ,"object":{} "'}
    path.write_text(json.dumps(about)[:-1] + ',"object":{"user_id":"a","x":",\\"object\\":1"}}\n')
    folder = replayed(path, tmp_path / "again")

    sent = (folder / "00000.jsonl").read_text()
    assert sent == '{"user_id":"a","x":",\\"object\\":1"}\n'
    assert pl.read_parquet(folder / "00000.parquet")["hash"].item() == 2**64 - 1


@pytest.mark.parametrize("text", ["{}\n", "nonsense\n", '{"user_id":"a","object":{}}\n'])
def test_other_files_are_not_replayed(tmp_path: Path, text: str):
    path = tmp_path / "letters.jsonl"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"letters\.jsonl:1 is not a dead letter; give the dead-"):
        replayed(path, tmp_path / "again")


def test_a_folder_in_use_is_left_alone(outbox: Path):
    with pytest.raises(ConfigError, match="is not empty; replay into a folder of its own"):
        replayed(outbox / "dead-letters.jsonl", outbox)


def test_letters_that_are_out_of_date_are_left_out(outbox: Path, tmp_path: Path):
    receipt = deliver(Scripted(rejecting("b", "e", "g")), outbox, run="r1")
    folder = replayed(receipt.dead_letters, tmp_path / "again", leave_out={"b", "g"})

    assert users_of(receipt.dead_letters) == ["b", "e", "g"]
    assert pl.read_parquet(folder / "00000.parquet")["user_id"].to_list() == ["e"]


def test_letters_say_where_they_belong(outbox: Path):
    where = {"job": "s3://b/j/", "part": "recommendations"}
    receipt = deliver(Scripted(rejecting("b", "e")), outbox, run="r1", origin=where)

    assert origin_of(receipt.dead_letters, "scripted") == where
    with pytest.raises(
        ConfigError,
        match=r"letters\.jsonl:1 was written for a destination of kind 'scripted', and this one is "
        "of kind 'braze'; replay it to the one that rejected it",
    ):
        origin_of(receipt.dead_letters, "braze")


def test_letters_of_several_deliveries_are_not_replayed_together(outbox: Path, tmp_path: Path):
    path = tmp_path / "both.jsonl"
    for number in (1, 2):
        folder = tmp_path / f"{number}"
        write_outbox(folder, ["ab"])
        crm = Scripted(rejecting("a"))
        receipt = deliver(crm, folder, run="r1", origin={"part": f"p{number}"})
        with path.open("ab") as both:
            both.write(receipt.dead_letters.read_bytes())

    with pytest.raises(ConfigError, match=r"both\.jsonl:2 is of another delivery than the letters"):
        origin_of(path, "scripted")


def test_letters_of_no_job_have_no_origin(outbox: Path):
    receipt = deliver(Scripted(rejecting("b")), outbox, run="r1")

    assert origin_of(receipt.dead_letters, "scripted") == {}
