"""Outboxes of shards, put together."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from personalization.sync.shards import merged
from personalization.transforms.outbox import OutboxWriter, WrittenOutbox


def outbox(folder: Path, people: list[str], outdated: tuple[str, ...] = (), **counts: int) -> Path:
    rows = pl.DataFrame(
        {
            "line": [f'{{"id":"{user}"}}' for user in people],
            "user_id": people,
            "hash": pl.Series([7] * len(people), dtype=pl.UInt64),
            "removed": [False] * len(people),
        }
    )
    items = pl.DataFrame({"item_id": ["a"], "version": pl.Series([1], dtype=pl.UInt64)})
    with OutboxWriter(folder) as writer:
        writer.add(rows)
        writer.complete(
            items=items,
            fingerprint="f",
            attributes=("x",),
            retired=("y",),
            counts=counts,
            outdated=pl.Series(outdated, dtype=pl.String),
        )
    return folder


def test_shards_are_one_outbox_that_counts_each_line_once(tmp_path):
    first = outbox(tmp_path / "s0", ["ana", "bo"], users=2, broken=1)
    second = outbox(tmp_path / "s1", [], users=0, broken=1)
    third = outbox(tmp_path / "s2", ["cy"], users=1, broken=1)

    whole = merged([first, second, third], tmp_path / "outbox" / "all")

    assert whole == WrittenOutbox.read(tmp_path / "outbox" / "all")
    assert whole.files == ("00000", "00001")
    assert whole.lines("00001").read_text() == '{"id":"cy"}\n'
    assert pl.read_parquet(whole.users("00000"))["user_id"].to_list() == ["ana", "bo"]
    assert pl.read_parquet(whole.items)["item_id"].to_list() == ["a"]
    assert whole.counts == {"users": 3, "broken": 1}
    assert (whole.attributes, whole.retired) == (("x",), ("y",))
    assert not first.exists()


def test_who_is_outdated_in_any_shard_is_so_in_the_whole(tmp_path):
    folders = [
        outbox(tmp_path / "s0", ["ana"], ("bo",), kept_on_error=1),
        outbox(tmp_path / "s1", ["di"], kept_on_error=0),
        outbox(tmp_path / "s2", [], ("cy", "eve"), kept_on_error=2),
    ]

    whole = merged(folders, tmp_path / "outbox")

    assert whole.outdated.to_list() == ["bo", "cy", "eve"]
    assert whole.counts == {"kept_on_error": 3}
