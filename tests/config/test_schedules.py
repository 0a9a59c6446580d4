"""AWS cron: Quartz's meaning of days, and errors that say which field is wrong."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from itertools import islice

import pytest
from aws_croniter import AwsCroniter
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.config import schedules
from personalization.errors import ConfigError

SUNDAY = dt.datetime(2026, 11, 22, 14, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        pytest.param("0 0 ? * 1 *", "Sun 2026-11-29 00:00", id="1-is-sunday"),
        pytest.param("0 0 ? * 7 *", "Sat 2026-11-28 00:00", id="7-is-saturday"),
        pytest.param("0 0 ? * MON *", "Mon 2026-11-23 00:00", id="name"),
        pytest.param("0 0 ? * fri-mon *", "Mon 2026-11-23 00:00", id="range-around-the-week"),
        pytest.param("0 0 ? * 6L *", "Fri 2026-11-27 00:00", id="last-friday"),
        pytest.param("0 0 ? * L *", "Sat 2026-11-28 00:00", id="last-day-of-the-week"),
        pytest.param("0 0 ? * 2#1 *", "Mon 2026-12-07 00:00", id="first-monday"),
        pytest.param("0 0 ? 2 1#5 *", "Sun 2032-02-29 00:00", id="fifth-sunday-of-february"),
        pytest.param("0 0 L * ? *", "Mon 2026-11-30 00:00", id="last-day"),
        pytest.param("0 0 L-3 * ? *", "Fri 2026-11-27 00:00", id="before-the-last-day"),
        pytest.param("0 0 29W * ? *", "Mon 2026-11-30 00:00", id="sunday-to-monday"),
        pytest.param("0 0 28W * ? *", "Fri 2026-11-27 00:00", id="saturday-to-friday"),
        pytest.param("0 0 1W 5 ? *", "Mon 2027-05-03 00:00", id="never-into-the-month-before"),
        pytest.param("0 0 31W 1 ? *", "Fri 2027-01-29 00:00", id="never-into-the-month-after"),
        pytest.param("0 0 30W 2,3 ? *", "Tue 2027-03-30 00:00", id="weekday-as-it-is"),
        pytest.param("0 0 31 4,5 ? *", "Mon 2027-05-31 00:00", id="skips-short-months"),
        pytest.param("0 0 29 2 ? *", "Tue 2028-02-29 00:00", id="leap-day"),
        pytest.param("0/20 14-15 * * ? *", "Sun 2026-11-22 14:20", id="step"),
        pytest.param("5 22-2/2 * * ? *", "Sun 2026-11-22 22:05", id="range-around-midnight"),
        pytest.param("0 0 1 JAN,jul ? 2027-2030", "Fri 2027-01-01 00:00", id="months-and-years"),
        pytest.param("0 0 30 2 ? *", None, id="no-such-day"),
        pytest.param("0 0 * * ? 2020-2025", None, id="past"),
    ],
)
def test_days_are_counted_as_quartz_counts_them(cron, expected):
    at = schedules.next_after(f"cron({cron})", SUNDAY)

    assert (at.strftime("%a %Y-%m-%d %H:%M") if at else None) == expected


def test_times_follow_each_other_in_utc():
    berlin = dt.timezone(dt.timedelta(hours=1))
    after = dt.datetime(2026, 11, 22, 15, 0, tzinfo=berlin)

    times = list(islice(schedules.occurrences("cron(0 */12 * * ? *)", after), 3))

    assert [f"{at:%d %H %Z}" for at in times] == ["23 00 UTC", "23 12 UTC", "24 00 UTC"]


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        pytest.param(
            "nonsense", "is not a schedule; write cron(minute hour day-of-", id="nonsense"
        ),
        pytest.param("deleted", "is not a schedule; did you mean delete?", id="nearly-delete"),
        pytest.param("rate(1 day)", "is a rate, which has no fixed time; write cron(", id="rate"),
        pytest.param("0 0 * * ? *", "lacks cron(…) around it; write", id="bare"),
        pytest.param("CRON(0 0 * * ? *)", "must begin with cron( in small letters", id="capitals"),
        pytest.param("cron(0 0 * * ? *", "and end with ); write", id="open"),
        pytest.param("cron(0 0 * * ?)", "has 5 fields; write six with one space", id="five"),
        pytest.param("cron(0  0 * * ? *)", "one space between them: cron(minute", id="two-spaces"),
        pytest.param("cron()", "has 0 fields", id="none"),
        pytest.param("cron(0 0 * * * *)", "has ? for neither of day-of-month and", id="no-mark"),
        pytest.param("cron(0 0 ? * ? *)", "has ? for both of day-of-month and day", id="two-marks"),
        pytest.param("cron(60 0 * * ? *)", "minute '60' has '60'; 0-59 is allowed", id="minute"),
        pytest.param("cron(0 24 * * ? *)", "hour '24' has '24'; 0-23 is allowed", id="hour"),
        pytest.param("cron(0 0 0 * ? *)", "day-of-month '0' has '0'; 1-31 is all", id="day"),
        pytest.param("cron(0 0 1-32 * ? *)", "day-of-month '1-32' has '32'; 1-31", id="range"),
        pytest.param("cron(0 0 * 13 ? *)", "month '13' has '13'; 1-12 or JAN-DEC", id="month"),
        pytest.param(
            "cron(0 0 ? * 0 *)",
            "day-of-week '0' has '0'; 1-7 or SUN-SAT is allowed (1 is Sunday, 7 is Saturday)",
            id="unix-sunday",
        ),
        pytest.param("cron(0 0 * * ? 1969)", "year '1969' has '1969'; 1970-2199", id="year"),
        pytest.param("cron(0 0 * * ? 2030-2028)", "ends before it begins", id="years-turned"),
        pytest.param("cron(*/0 0 * * ? *)", "minute '*/0' has the step '0'; 1-60 is", id="no-step"),
        pytest.param("cron(*/x 0 * * ? *)", "has the step 'x'; 1-60 is allowed", id="odd-step"),
        pytest.param("cron(/5 0 * * ? *)", "minute '/5' has ''; 0-59 is allowed", id="no-start"),
        pytest.param("cron(1, 0 * * ? *)", "minute '1,' has ''; 0-59 is allowed", id="open-list"),
        pytest.param("cron(? 0 * * ? *)", "minute '?' has '?'; 0-59 is allowed", id="mark-minute"),
        pytest.param("cron(0 0 LW * ? *)", "day-of-month 'LW' has 'LW'", id="last-weekday"),
        pytest.param("cron(0 0 L-31 * ? *)", "counts back too far; L-1 to L-30", id="too-far"),
        pytest.param("cron(0 0 32W * ? *)", "day-of-month '32W' has '32'; 1-31", id="nearest"),
        pytest.param("cron(0 0 ? * 1#6 *)", "has no such week; #1 to #5 is allowed", id="week"),
        pytest.param("cron(0 0 ? * 8L *)", "day-of-week '8L' has '8'; 1-7 or SUN", id="last-8"),
        pytest.param("cron(0 0 ? * MON,2L *)", "has '2L'; 1-7 or SUN-SAT is allowed", id="mixed"),
    ],
)
def test_an_error_says_what_is_wrong_and_what_is_allowed(schedule, message):
    with pytest.raises(ConfigError) as caught:
        schedules.parse(schedule)

    assert message in str(caught.value)


def simple(low: int, high: int) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    pair = st.tuples(values, values)
    return st.one_of(
        st.just("*"),
        values.map(str),
        pair.map(lambda p: f"{min(p)}-{max(p)}"),
        pair.map(lambda p: f"{p[0]},{p[1]}"),
        st.tuples(values, st.integers(max(low, 1), high)).map(lambda p: f"{p[0]}/{p[1]}"),
    )


@settings(deadline=None)
@given(
    minute=simple(0, 59),
    hour=simple(0, 23),
    day=simple(1, 28),
    weekday=st.integers(1, 7).map(str) | st.sampled_from(["SUN", "MON-FRI", "2#1", "6L"]),
    by_week=st.booleans(),
    after=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2040, 1, 1)),
)
def test_plain_schedules_run_when_another_library_says_so(
    minute, hour, day, weekday, by_week, after
):
    fields = f"{minute} {hour} {'?' if by_week else day} * {weekday if by_week else '?'} *"
    after = after.replace(second=0, microsecond=0, tzinfo=dt.UTC)

    at = schedules.next_after(f"cron({fields})", after)

    assert at == AwsCroniter(fields).get_next(after)[0]


@settings(deadline=None)
@given(
    day=st.integers(1, 7),
    after=st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2190, 1, 1)),
)
def test_the_days_of_the_week_are_numbered_from_sunday(day, after):
    at = schedules.next_after(f"cron(0 0 ? * {day} *)", after.replace(tzinfo=dt.UTC))

    assert at.strftime("%a") == ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")[day - 1]


@settings(deadline=None)
@given(st.text(alphabet="cron()0123456789 */?-,LW#MONSUdelt") | st.text())
def test_no_text_makes_parsing_crash(text):
    for schedule in (text, f"cron({text})"):
        with suppress(ConfigError):
            schedules.parse(schedule)
