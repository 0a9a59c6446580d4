"""Batches hold as much as a request may carry, and no more."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalization.connectors import RequestLimits
from personalization.delivery.outbox import Batch, Outbox, _cut
from personalization.errors import FatalError
from tests.delivery.conftest import write_outbox


def limits(rows: int, size: int, line: int | None = None) -> RequestLimits:
    return RequestLimits(rows, size, 1.0, 1, line)


@given(
    st.lists(st.lists(st.integers(1, 60), max_size=20), max_size=4),
    st.integers(1, 8),
    st.integers(20, 100),
)
def test_every_line_is_in_one_batch_in_order_and_as_many_as_may_be_go_together(
    blocks: list[list[int]], rows: int, size: int
):
    lines = [b"x" * each for block in blocks for each in block]
    numbers = iter(range(len(lines)))
    numbered = [([next(numbers) for _ in block], [b"x" * it for it in block]) for block in blocks]
    batches = list(_cut("00000", numbered, limits(rows, size)))

    sent = [
        (row, line) for batch in batches for row, line in zip(batch.rows, batch.lines, strict=True)
    ]
    assert sorted(sent) == list(enumerate(lines))
    assert [it for it in sent if len(it[1]) < size] == [
        (row, line) for row, line in enumerate(lines) if len(line) < size
    ]
    usual = [batch for batch in batches if len(batch.lines[0]) < size]
    for batch, following in pairwise(usual):
        total = sum(len(line) + 1 for line in batch.lines)
        assert len(batch.rows) == rows or total + len(following.lines[0]) + 1 > size
    for batch in batches:
        assert len(batch.lines) <= rows
        total = sum(len(line) + 1 for line in batch.lines)
        assert total <= size or len(batch.lines) == 1


def test_batches_never_reach_over_files(tmp_path: Path):
    outbox = Outbox(write_outbox(tmp_path / "outbox", ["ab", "cd"]))

    assert [batch.file for batch in outbox.batches(limits(10, 1000))] == ["00000", "00001"]


def test_batches_go_on_where_a_read_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("personalization.delivery.outbox._BLOCK_BYTES", 20)
    outbox = Outbox(write_outbox(tmp_path / "outbox", ["abcdefgh"]))
    first, second = outbox.batches(limits(5, 1000), {"00000": bytearray([0, 0, 1])})

    assert first.rows == (0, 1, 3, 4, 5)
    assert second.rows == (6, 7)
    lines = (outbox.folder / "00000.jsonl").read_bytes().splitlines()
    assert list(first.lines + second.lines) == lines[:2] + lines[3:]


def test_what_was_answered_is_left_out(tmp_path: Path):
    outbox = Outbox(write_outbox(tmp_path / "outbox", ["abcd"]))
    (batch,) = outbox.batches(limits(10, 1000), {"00000": bytearray([1, 0, 2, 0])})

    assert batch.rows == (1, 3)


def test_half_an_outbox_is_refused(tmp_path: Path):
    folder = write_outbox(tmp_path / "outbox", ["ab", "cd"])
    (folder / "00001.parquet").unlink()

    with pytest.raises(FatalError, match="is not whole: 00001 is only half there"):
        Outbox(folder)


def test_a_user_in_two_lines_is_refused(tmp_path: Path):
    outbox = Outbox(write_outbox(tmp_path / "outbox", ["aba"]))

    with pytest.raises(FatalError, match="has a user in 2 lines"):
        list(outbox.batches(limits(10, 1000)))


def test_lines_without_users_are_refused(tmp_path: Path):
    folder = write_outbox(tmp_path / "outbox", ["ab"])
    with (folder / "00000.jsonl").open("ab") as lines:
        lines.write(b'{"user_id":"c"}\n')

    with pytest.raises(FatalError, match="has 3 lines for 2 users"):
        list(Outbox(folder).batches(limits(10, 1000)))


def test_a_key_depends_on_the_lines_and_the_run_and_on_nothing_else():
    batch = Batch("00000", (0, 1), (b"ab", b"c"))

    assert batch.key("r1") == Batch("00007", (5, 6), (b"ab", b"c")).key("r1")
    assert len({batch.key("r1"), batch.key("r2"), Batch("0", (0, 1), (b"a", b"bc")).key("r1")}) == 3
