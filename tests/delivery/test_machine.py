"""Batches go out as fast as allowed, come back whatever happens, and nobody is lost."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from personalization.connectors import Connector
from personalization.delivery import Progress, TokenBucket, acknowledged, deliver
from personalization.delivery.journal import NAME as JOURNAL
from personalization.delivery.journal import Journal
from personalization.delivery.outbox import Outbox
from personalization.errors import ConfigError, FatalError, RetryableError
from tests.delivery.conftest import QUICK, Scripted, no_clients, refusing, rejecting, write_outbox


def taken(folder: Path) -> dict[str, list[bool]]:
    return {file: list(found) for file, found in acknowledged(folder).items()}


def test_every_user_is_sent_once_and_the_receipt_adds_up(outbox: Path):
    crm = Scripted()
    receipt = deliver(crm, outbox, run="r1", skipped_unchanged=93)

    assert sorted(crm.users) == list("abcdefg")
    assert [sorted(batch) for batch in sorted(crm.batches)] == [
        ["a", "b", "c"],
        ["d", "e"],
        ["f", "g"],
    ]
    assert (receipt.sent, receipt.accepted, receipt.rejected) == (7, 7, 0)
    assert (receipt.skipped_unchanged, receipt.cleared, receipt.requests) == (93, 1, 3)
    assert receipt.dead_letters is None
    assert receipt.seconds > 0
    assert crm.closed == [True]
    assert taken(outbox) == {"00000": [True] * 5, "00001": [True] * 2}


def test_a_second_delivery_of_the_same_run_sends_nothing(outbox: Path):
    first = deliver(Scripted(), outbox, run="r1")
    crm = Scripted()
    second = deliver(crm, outbox, run="r1")

    assert crm.batches == []
    assert (second.sent, second.requests) == (first.sent, first.requests)


def test_lines_go_out_as_they_are(outbox: Path):
    sent = []

    class Listening(Scripted):
        async def deliver(self, lines, *, key):
            sent.extend(lines)
            return await super().deliver(lines, key=key)

    deliver(Listening(in_flight=1), outbox, run="r1")

    written = (outbox / "00000.jsonl").read_bytes() + (outbox / "00001.jsonl").read_bytes()
    assert b"\n".join(sent) + b"\n" == written


def test_no_more_are_in_flight_than_the_destination_or_the_caller_allows(tmp_path: Path):
    many = [f"u{number}" for number in range(60)]
    free = Scripted(in_flight=4)
    deliver(free, write_outbox(tmp_path / "a", [many]), run="r1")
    bound = Scripted(in_flight=4)
    deliver(bound, write_outbox(tmp_path / "b", [many]), run="r1", in_flight=1)
    greedy = Scripted(in_flight=4)
    deliver(greedy, write_outbox(tmp_path / "c", [many]), run="r1", in_flight=64)

    assert (free.most_at_once, bound.most_at_once, greedy.most_at_once) == (4, 1, 4)


def test_trouble_that_may_pass_is_tried_again_with_the_same_key(outbox: Path):
    left = {"trouble": 3}

    def script(users: list[str]) -> Exception | None:
        if users[0] == "d" and left["trouble"]:
            left["trouble"] -= 1
            return RetryableError("crm.test answered 503")
        return None

    crm = Scripted(script)
    receipt = deliver(crm, outbox, run="r1", patience=QUICK)

    assert (receipt.accepted, receipt.requests) == (7, 6)
    assert Counter(map(tuple, crm.batches))["d", "e"] == 4
    assert len({key for key, it in zip(crm.keys, crm.batches, strict=True) if it[0] == "d"}) == 1
    assert len(set(crm.keys)) == 3


def test_a_batch_that_finds_nobody_is_given_up_and_taken_up_by_the_next_run(outbox: Path):
    crm = Scripted(lambda users: RetryableError("crm.test is away") if users[0] == "f" else None)
    with pytest.raises(RetryableError, match=r"crm\.test is away"):
        deliver(crm, outbox, run="r1", patience=QUICK)
    known_then = taken(outbox)
    again = Scripted()
    receipt = deliver(again, outbox, run="r1")

    assert Counter(map(tuple, crm.batches))["f", "g"] == QUICK.attempts
    assert crm.closed == [False]
    assert known_then == {"00000": [True] * 5, "00001": [None] * 2}
    assert again.batches == [["f", "g"]]
    assert receipt.accepted == 7


def test_a_destination_that_says_when_is_asked_then_and_not_given_up(outbox: Path):
    waits = iter([0.01] * (QUICK.attempts + 3))

    def script(users: list[str]) -> Exception | None:
        wait = next(waits, None)
        return RetryableError("slow down", retry_after_s=wait) if wait is not None else None

    receipt = deliver(Scripted(script, in_flight=1), outbox, run="r1", patience=QUICK)

    assert receipt.accepted == 7


def test_one_that_asks_to_wait_for_too_long_is_left_to_a_later_run(outbox: Path):
    crm = Scripted(lambda _: RetryableError("come tomorrow", retry_after_s=86_400))

    with pytest.raises(RetryableError, match="come tomorrow"):
        deliver(crm, outbox, run="r1", patience=QUICK)

    assert len(crm.batches) <= 2


def test_a_key_that_is_refused_ends_the_run_at_once_and_keeps_what_was_answered(tmp_path: Path):
    many = [f"u{number:03d}" for number in range(300)]
    folder = write_outbox(tmp_path / "outbox", [many])
    calls = []

    def script(users: list[str]) -> Exception | None:
        calls.append(users)
        return FatalError("crm.test refused the key with 401") if len(calls) > 5 else None

    crm = Scripted(script)
    with pytest.raises(FatalError, match="refused the key"):
        deliver(crm, folder, run="r1")
    known_then = taken(folder)["00000"].count(True)
    receipt = deliver(Scripted(), folder, run="r1")

    assert len(calls) <= 7
    assert known_then == 15
    assert receipt.accepted == 300


def test_users_that_spoil_a_batch_are_found_and_the_others_delivered(tmp_path: Path):
    many = [f"u{number:02d}" for number in range(40)]
    folder = write_outbox(tmp_path / "outbox", [many])
    crm = Scripted(refusing("u03", "u17", "u18"), max_rows=16)
    receipt = deliver(crm, folder, run="r1")

    letters = [json.loads(each) for each in (folder / "dead-letters.jsonl").open()]
    assert (receipt.accepted, receipt.rejected) == (37, 3)
    assert [each["user_id"] for each in letters] == ["u03", "u17", "u18"]
    assert {each["reason"] for each in letters} == {"crm.test refused"}


def test_when_everything_is_refused_the_run_stops_and_nobody_is_buried(tmp_path: Path):
    many = [f"u{number:03d}" for number in range(400)]
    folder = write_outbox(tmp_path / "outbox", [many])
    crm = Scripted(refusing(*many), in_flight=1, max_rows=8)
    with pytest.raises(FatalError, match="25 requests in a row were refused and nobody accepted"):
        deliver(crm, folder, run="r1")
    receipt = deliver(Scripted(), folder, run="r1")

    assert len(crm.batches) == 25
    assert not (folder / "dead-letters.jsonl").exists()
    assert (receipt.accepted, receipt.rejected) == (400, 0)


def test_a_lone_user_who_is_refused_is_rejected(tmp_path: Path):
    folder = write_outbox(tmp_path / "outbox", ["a"])
    receipt = deliver(Scripted(refusing("a")), folder, run="r1")

    assert (receipt.sent, receipt.rejected) == (1, 1)


def test_users_that_are_put_off_are_sent_again_alone_and_given_up_in_the_end(outbox: Path):
    crm = Scripted(rejecting("b", "g", later=True), in_flight=1)
    receipt = deliver(crm, outbox, run="r1", patience=QUICK)

    times = Counter(crm.users)
    assert (receipt.accepted, receipt.rejected) == (5, 2)
    assert times["b"] == times["g"] == QUICK.attempts
    assert {times[user] for user in "acdef"} == {1}


def test_a_line_that_no_request_can_carry_is_rejected_without_being_sent(outbox: Path):
    crm = Scripted(max_line_bytes=20)
    receipt = deliver(crm, outbox, run="r1")

    letter = json.loads((outbox / "dead-letters.jsonl").read_text().splitlines()[0])
    assert crm.batches == []
    assert (receipt.rejected, receipt.requests) == (7, 0)
    assert letter["reason"] == "makes 33 bytes, more than a request carries"


def test_a_stop_awaits_what_is_in_flight_and_nothing_is_sent_twice(tmp_path: Path):
    many = [f"u{number:03d}" for number in range(600)]
    folder = write_outbox(tmp_path / "outbox", [many])
    stop = threading.Event()

    def script(users: list[str]) -> None:
        if "u060" in users:
            stop.set()

    crm = Scripted(script)
    with pytest.raises(RetryableError, match="delivery r1 was stopped; run it again to go on"):
        deliver(crm, folder, run="r1", stop=stop.is_set, bucket=TokenBucket(200))
    again = Scripted()
    receipt = deliver(again, folder, run="r1")

    assert 0 < len(crm.users) < 600
    assert Counter(crm.users + again.users) == Counter(many)
    assert receipt.accepted == 600


def test_a_run_that_is_taken_up_with_other_limits_sends_only_what_is_open(tmp_path: Path):
    many = [f"u{number:02d}" for number in range(20)]
    folder = write_outbox(tmp_path / "outbox", [many])
    journal = Journal(Outbox(folder), "r1", "scripted")
    journal.answered("00000", [0, 1, 2, 9], (), 1)
    journal.close()
    crm = Scripted(max_rows=5)
    deliver(crm, folder, run="r1")

    assert sorted(crm.users) == [each for each in many if each not in ("u00", "u01", "u02", "u09")]


class Killed(BaseException):
    """Ends a delivery as a kill does: nothing is written down after it."""


def killed_with_two_in_flight(folder: Path, script: Callable[[list[str]], Any]) -> Scripted:
    """Let two batches be in flight, then kill; return who was sent, under which keys."""

    class Mortal(Scripted):
        async def deliver(self, lines, *, key):
            said = await super().deliver(lines, key=key)
            if self.script(["last"]):
                await asyncio.sleep(0.05)
                raise Killed
            return said

    crm = Mortal(script, in_flight=2)
    with pytest.raises(Killed):
        deliver(crm, folder, run="r1", patience=QUICK)
    return crm


def keys(*senders: Scripted) -> dict[tuple[str, ...], set[str]]:
    found: dict[tuple[str, ...], set[str]] = {}
    for crm in senders:
        for batch, key in zip(crm.batches, crm.keys, strict=True):
            found.setdefault(tuple(batch), set()).add(key)
    return found


def test_after_a_kill_the_batches_in_flight_are_sent_again_as_they_were(tmp_path: Path):
    folder = write_outbox(tmp_path / "outbox", ["abcdefghijkl"])
    answered = []

    def script(users: list[str]) -> bool | None:
        if users == ["last"]:
            return len(answered) > 1
        answered.append(users)
        return None

    first = killed_with_two_in_flight(folder, script)
    journal = Journal(Outbox(folder), "r1", "scripted")
    journal.close()
    second = Scripted(in_flight=1)
    deliver(second, folder, run="r1")

    in_flight = [["abcdefghijkl"[row] for row in rows] for _, rows in journal.unanswered]
    assert in_flight
    assert second.batches[: len(in_flight)] == in_flight
    assert set(map(tuple, second.batches)) <= {
        tuple("abc"),
        tuple("def"),
        tuple("ghi"),
        tuple("jkl"),
    }
    assert all(len(found) == 1 for found in keys(first, second).values())


@pytest.mark.parametrize("rows", [2, 1000], ids=["lines", "bytes"])
def test_a_batch_that_limits_forbid_now_is_cut_anew(tmp_path: Path, rows: int):
    folder = write_outbox(tmp_path / "outbox", ["abcde"])
    journal = Journal(Outbox(folder), "r1", "scripted")
    journal.begin("00000", [0, 1, 2])
    journal.close()
    crm = Scripted(max_rows=rows, max_bytes=80, in_flight=1)
    deliver(crm, folder, run="r1")

    assert crm.batches == [["a", "b"], ["c", "d"], ["e"]]


def test_parts_of_a_batch_are_sent_again_as_parts(tmp_path: Path):
    folder = write_outbox(tmp_path / "outbox", ["abcdef"])
    journal = Journal(Outbox(folder), "r1", "scripted")
    journal.begin("00000", [0, 1, 2])
    journal.begin("00000", [3, 4, 5])
    journal.answered("00000", [0, 2], (), 1)  # b was put off,
    journal.begin("00000", [1])  # sent again,
    journal.begin("00000", [3])  # and the other batch was halved: e and f were not sent again yet
    journal.close()
    crm = Scripted(in_flight=1)
    deliver(crm, folder, run="r1")

    assert crm.batches == [["b"], ["d"], ["e", "f"]]


def test_a_damaged_journal_says_what_to_do(outbox: Path):
    deliver(Scripted(), outbox, run="r1")
    text = (outbox / JOURNAL).read_bytes().replace(b'"rows"', b'"ro\x00s', 1)
    (outbox / JOURNAL).write_bytes(text)

    with pytest.raises(FatalError, match="is damaged, so nobody knows what was answered; remove"):
        deliver(Scripted(), outbox, run="r1")


def test_the_outbox_is_delivered_by_one_process_at_a_time(outbox: Path):
    journal = Journal(Outbox(outbox), "r1", "scripted")
    try:
        with pytest.raises(RetryableError, match="is in use: another process delivers this outbox"):
            deliver(Scripted(), outbox, run="r1")
    finally:
        journal.close()


@pytest.mark.parametrize("what", ["run", "outbox"])
def test_a_journal_of_something_else_is_not_continued(outbox: Path, what: str):
    deliver(Scripted(), outbox, run="r1")
    if what == "outbox":
        write_outbox(outbox, ["abcdef", "g"])

    with pytest.raises(FatalError, match=f"{JOURNAL} is of another run, destination or outbox"):
        deliver(Scripted(), outbox, run="r2" if what == "run" else "r1")


def test_a_connector_without_attributes_is_a_mistake(outbox: Path):
    class Deaf(Connector):
        kind = "deaf"

        def check(self) -> None:
            pass

    with pytest.raises(ConfigError, match="connector 'deaf' takes no attributes of users"):
        deliver(Deaf(None, no_clients), outbox, run="r1")


def test_progress_is_told_and_ends_with_everything(outbox: Path):
    told: list[Progress] = []
    deliver(Scripted(rejecting("a")), outbox, run="r1", progress=told.append)

    assert (told[-1].total, told[-1].accepted, told[-1].rejected) == (7, 6, 1)
    assert told[-1].requests == 3


@pytest.mark.parametrize("where", ["open", "deliver", "close"])
def test_a_connector_that_breaks_is_named_and_what_it_quotes_is_not(outbox: Path, where: str):
    class Broken(Scripted):
        pass

    async def breaks(*_: object, **__: object) -> None:
        raise KeyError("ana@example.test")

    setattr(Broken, where, breaks)

    with pytest.raises(
        FatalError, match=r"^Broken broke with KeyError at test_machine\.py:\d+, .*; mend it"
    ) as caught:
        deliver(Broken(), outbox, run="r1")

    assert "ana" not in str(caught.value)


def test_a_callback_that_fails_ends_the_run_and_is_heard_of(tmp_path: Path):
    many = [f"u{number:03d}" for number in range(900)]
    folder = write_outbox(tmp_path / "outbox", [many])

    def broken() -> bool:
        raise ValueError("the callback is broken")

    crm = Scripted()
    with pytest.raises(ValueError, match="the callback is broken"):
        deliver(crm, folder, run="r1", stop=broken, bucket=TokenBucket(100))

    assert crm.closed == [False]
    assert len(crm.users) < 900


def test_nothing_of_a_user_is_in_the_log(outbox: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        deliver(Scripted(refusing("b"), in_flight=1), outbox, run="r1", patience=QUICK)

    assert "scripted accepted 6 of 7 users (1 cleared)" in caplog.text
    assert "a batch of 3 was refused and is halved: crm.test refused" in caplog.text
    assert "tea" not in caplog.text
