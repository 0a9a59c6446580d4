from __future__ import annotations

import datetime as dt
import itertools

import pytest

from personalization.errors import FatalError, RetryableError
from personalization.parameters import Waiting
from personalization.waiting import Stay, looks, pauses

PATIENT = Waiting(first_look_s=2, slowest_look_s=4, give_up_after_s=10)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self) -> float:
        return self.now


def rounds(look, waiting=PATIENT):
    clock = Clock()
    done = looks(look, lambda it: it == "done", waiting, sleep=clock.sleep, clock=clock)
    return list(done), clock


def scripted(*answers):
    """One look an answer; an exception is raised."""
    remaining = iter(answers)

    def look():
        answer = next(remaining)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look


def test_pauses_grow_up_to_the_slowest():
    assert list(itertools.islice(pauses(PATIENT), 4)) == [2, 3, 4, 4]


def test_a_thing_that_is_finished_is_not_looked_at_again():
    seen, clock = rounds({"a": scripted("done"), "b": scripted("busy", "done")})

    assert seen == [{"a": "done", "b": "busy"}, {"a": "done", "b": "done"}]
    assert clock.slept == [2]


def test_a_look_that_may_succeed_later_is_repeated():
    seen, _ = rounds({"a": scripted(RetryableError("busy"), "done")})

    assert seen == [{}, {"a": "done"}]


def test_an_error_that_will_not_pass_is_raised_when_the_others_have_ended():
    clock, seen = Clock(), []
    look = {"a": scripted(FatalError("gone")), "b": scripted("busy", "done")}

    done = looks(look, lambda it: it == "done", PATIENT, sleep=clock.sleep, clock=clock)
    with pytest.raises(FatalError, match=r"^gone$"):
        seen.extend(done)
    assert seen == [{"b": "busy"}, {"b": "done"}]


def test_several_errors_that_will_not_pass_are_told_together():
    look = {"a": scripted(FatalError("gone")), "b": scripted(FatalError("denied"))}

    with pytest.raises(FatalError, match="2 things went wrong: a: gone; b: denied"):
        rounds(look)


def test_the_end_of_patience_hides_no_error():
    with pytest.raises(FatalError, match=r"waiting for b; .*; a: gone$"):
        rounds({"a": scripted(FatalError("gone")), "b": lambda: "busy"})


def test_the_end_of_patience_says_what_goes_on_and_what_to_do():
    look = {"a": lambda: "busy", "b": scripted("done")}

    with pytest.raises(FatalError, match=r"gave up after 10 s of waiting for a; .* run again"):
        rounds(look)


def test_the_last_look_is_at_the_deadline_itself():
    clock = Clock()
    with pytest.raises(FatalError):
        list(looks({"a": lambda: 0}, bool, PATIENT, sleep=clock.sleep, clock=clock))

    assert clock.now == 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"first_look_s": 9, "slowest_look_s": 3}, "raise it, or lower first", id="slowest"
        ),
        pytest.param(
            {"first_look_s": 9, "give_up_after_s": 3}, "ends before the first look", id="give-up"
        ),
    ],
)
def test_waits_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Waiting(**settings)


def ago(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("began_ago", "leave_after_s", "asked_ago", "over"),
    [
        pytest.param(None, None, [9999], False, id="to-the-end"),
        pytest.param(999, 300, [400, 20], False, id="one-is-young"),
        pytest.param(999, 300, [400, 310], True, id="all-are-old"),
        pytest.param(999, 300, [], True, id="long-begun"),
        pytest.param(20, 300, [], False, id="just-begun"),
    ],
)
def test_a_process_leaves_when_what_it_waits_for_was_asked_for_long_ago(
    began_ago, leave_after_s, asked_ago, over
):
    # Seconds become times here: a test may be collected minutes before it runs.
    stay = Stay(None if began_ago is None else ago(began_ago), leave_after_s)

    assert stay.is_over([ago(it) for it in asked_ago]) == over


def test_time_that_others_have_waited_counts():
    assert Stay().waited_s == 0
    assert 100 <= Stay(ago(100)).waited_s < 110

    clock = Clock()
    done = looks(
        {"a": lambda: "busy"},
        lambda it: it == "done",
        PATIENT,
        waited_s=9,
        sleep=clock.sleep,
        clock=clock,
    )
    with pytest.raises(FatalError, match=r"gave up after 10 s of waiting for a"):
        list(done)
    assert clock.slept == [1]


def test_looking_stops_where_it_is_told_to_leave_by_what_is_still_going_on():
    asked = []

    def leave(going):
        asked.append(dict(going))
        return len(asked) == 2

    look = {
        "a": scripted("done"),
        "b": scripted("busy", "busy"),
        "c": scripted(*[RetryableError("x")] * 2),
    }
    seen = list(looks(look, lambda it: it == "done", PATIENT, leave=leave, sleep=lambda _: None))

    assert seen == [{"a": "done", "b": "busy"}] * 2
    assert asked == [{"b": "busy"}] * 2
