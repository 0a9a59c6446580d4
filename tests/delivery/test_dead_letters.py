"""Rejected users are kept with the reason, and can be sent again byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from personalization.delivery import deliver, replayed
from personalization.errors import ConfigError
from tests.delivery.conftest import Scripted, line, rejecting


def test_the_rejected_are_kept_whole(outbox: Path):
    receipt = deliver(Scripted(rejecting("b", "e", "g")), outbox, run="r1")

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
    about = {"user_id": "a", "hash": 2**64 - 1, "removed": False, "reason": 'not ,"object":{} "'}
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
