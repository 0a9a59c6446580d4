"""What was answered stays answered, whatever the end of the process looked like."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalization.connectors import Rejected
from personalization.delivery.journal import NAME, Journal, rejections, written_down
from personalization.delivery.outbox import Outbox


def opened(folder: Path) -> Journal:
    return Journal(Outbox(folder), "r1", "crm")


def test_answers_are_there_after_a_new_start(outbox: Path):
    journal = opened(outbox)
    journal.answered("00000", [0, 1, 3], [Rejected(1, "unknown")], 2)
    journal.answered("00001", [1], [], 1)
    journal.close()
    again = opened(outbox)
    again.close()

    assert again.answers == {"00000": bytearray([1, 2, 0, 1, 0]), "00001": bytearray([0, 1])}
    assert again.requests == 3
    assert list(rejections(outbox)) == [("00000", 1, "unknown")]
    assert written_down(Outbox(outbox)) == (again.answers, again.begun)


@pytest.mark.parametrize("cut", [1, 5, 20], ids=["end", "some", "much"])
def test_a_last_line_that_was_cut_off_counts_as_not_written(outbox: Path, cut: int):
    journal = opened(outbox)
    journal.answered("00000", [0], [], 1)
    journal.answered("00000", [1], [], 1)
    journal.close()
    path = outbox / NAME
    path.write_bytes(path.read_bytes()[:-cut])
    again = opened(outbox)
    again.answered("00000", [4], [], 1)
    again.close()

    assert opened(outbox).answers["00000"] == bytearray([1, 0, 0, 0, 1])


def test_a_journal_that_was_cut_off_in_its_first_line_begins_anew(outbox: Path):
    opened(outbox).close()
    path = outbox / NAME
    path.write_bytes(path.read_bytes()[:10])

    assert opened(outbox).count(0) == 7


def test_there_are_no_answers_before_a_delivery(outbox: Path):
    nothing = {"00000": bytearray(5), "00001": bytearray(2)}

    assert written_down(Outbox(outbox)) == (nothing, nothing)


def test_what_was_sent_is_known_before_it_is_answered(outbox: Path):
    journal = opened(outbox)
    journal.begin("00000", [0, 1, 3])
    journal.answered("00000", [1], [], 1)
    journal.close()
    again = opened(outbox)
    again.close()

    assert again.begun["00000"] == bytearray([1, 1, 0, 1, 0])
    assert again.answers["00000"] == bytearray([0, 1, 0, 0, 0])
