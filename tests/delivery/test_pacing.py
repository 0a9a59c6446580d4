"""Requests follow one another as slowly as the destination wants."""

from __future__ import annotations

import random
import threading

import pytest

from personalization.delivery import Patience, TokenBucket, shared_bucket


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_tokens_come_at_the_rate_after_a_short_burst():
    bucket = TokenBucket(10, clock=Clock())

    assert [round(bucket.take(), 3) for _ in range(4)] == [0, 0.1, 0.2, 0.3]


def test_what_was_saved_up_is_a_tenth_of_a_second_at_most():
    clock = Clock()
    bucket = TokenBucket(1000, clock=clock)
    clock.now += 3600
    waits = [bucket.take() for _ in range(200)]

    assert sum(wait < 1e-9 for wait in waits) in (100, 101)
    assert waits[-1] == pytest.approx(0.1, abs=0.002)


def test_a_hold_keeps_everybody_waiting():
    clock = Clock()
    bucket = TokenBucket(1000, clock=clock)
    bucket.hold(5)

    assert bucket.take() == pytest.approx(5, abs=0.01)


def test_all_who_deliver_to_one_destination_share_a_bucket():
    assert shared_bucket("crm one", 10) is shared_bucket("crm one", 10)
    assert shared_bucket("crm one", 10) is not shared_bucket("crm two", 10)


def test_threads_do_not_take_the_same_token():
    bucket = TokenBucket(1, clock=Clock())
    waits: list[float] = []
    threads = [
        threading.Thread(target=lambda: waits.extend(bucket.take() for _ in range(50)))
        for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(waits) == [float(number) for number in range(200)]


def test_pauses_double_within_a_bound_and_are_spread():
    patience, rng = Patience(first_s=1, slowest_s=8), random.Random(1)
    pauses = [patience.pause(tried, None, rng) for tried in range(1, 8) for _ in range(50)]

    assert max(pauses[:50]) <= 1
    assert max(pauses) <= 8
    assert max(pauses[-50:]) > 4
    assert len({round(each, 6) for each in pauses}) > 300


def test_a_pause_that_was_asked_for_is_kept_and_spread():
    patience, rng = Patience(first_s=0.5), random.Random(1)
    pauses = [patience.pause(9, 30.0, rng) for _ in range(50)]

    assert all(30 <= each <= 30.5 for each in pauses)
    assert len(set(pauses)) > 40
