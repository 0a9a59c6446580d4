"""AWS cron as Prefect takes it: plain cron where that means the same, else a calendar rule."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personalization.config import check, schedules
from personalization.config.timetables import MAX_RULE_CHARACTERS, timetable
from personalization.errors import ConfigError
from tests.config.files import NOW, small

LAST_MOMENT = dt.datetime(2199, 12, 31, 23, 59, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("aws", "cron"),
    [
        pytest.param("0 2 * * ? *", "0 2 * * *", id="daily"),
        pytest.param("0 0 ? * 1 *", "0 0 * * SUN", id="1-is-sunday"),
        pytest.param("0 0 ? * FRI-MON *", "0 0 * * SUN,MON,FRI,SAT", id="around-the-week"),
        pytest.param("0 0 ? * MON-FRI *", "0 0 * * MON-FRI", id="range"),
        pytest.param("0 0 ? * L *", "0 0 * * SAT", id="last-day-of-the-week"),
        pytest.param("0/15 8-18 * * ? *", "*/15 8-18 * * *", id="step-from-the-start"),
        pytest.param("5/15 0 * * ? *", "5-50/15 0 * * *", id="step-from-elsewhere"),
        pytest.param("0 22-2/2 * * ? *", "0 0,2,22 * * *", id="around-midnight"),
        pytest.param("0 0 L * ? *", "0 0 L * *", id="last-day"),
        pytest.param("0 0 ? * 2#1 *", "0 0 * * MON#1", id="first-monday"),
        pytest.param("0 0 1,15 JAN,jul ? *", "0 0 1,15 1,7 *", id="months"),
        pytest.param("0 0 1 * ? 2020-2199", "0 0 1 * *", id="every-year-to-come"),
    ],
)
def test_what_plain_cron_can_say_is_plain_cron(aws, cron):
    assert str(timetable(f"cron({aws})")) == cron


@pytest.mark.parametrize(
    ("aws", "rule"),
    [
        pytest.param("0 0 L-3 1 ? *", "BYMONTH=1;BYMONTHDAY=-4;", id="before-the-last-day"),
        pytest.param("0 0 ? 1 6L *", "BYMONTH=1;BYDAY=-1FR;", id="last-friday"),
        pytest.param("0 0 1 1 ? 2027-2030", "UNTIL=20301231T235959;BYMONTH=1;BYM", id="years"),
        pytest.param("0 0 1 1 ? 2027/2", "INTERVAL=2;UNTIL=21991231T235959;", id="second-year"),
        pytest.param("0 0 15W 1 ? *", "BYMONTHDAY=14;BYDAY=FR;", id="nearest-weekday"),
    ],
)
def test_what_cron_has_no_words_for_is_a_rule(aws, rule):
    said = timetable(f"cron({aws})")

    assert rule in said.rrule
    assert said.cron == ""


def test_a_rule_that_is_too_long_is_refused_where_the_file_is_checked():
    years = ",".join(str(2026 + n * n) for n in range(13))
    file = small()
    schedule = f"cron(* * 28W * ? {years})"
    file["datasetGroup"]["workflowConfig"] = {"schedules": {"import": schedule}}

    [finding] = check(json.dumps(file), "x.json", now=NOW).errors

    assert finding.where == "datasetGroup.workflowConfig.schedules.import"
    assert "has years that need a rule of " in finding.problem
    assert f"scheduler takes {MAX_RULE_CHARACTERS}; write the year as *" in finding.problem
    with pytest.raises(ConfigError, match="write the year as"):
        timetable(schedule)


def numbers(low: int, high: int, *, step: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda it: f"{it[0]}-{it[1]}"
    )
    stepped = st.tuples(one | span | st.just("*"), st.integers(1, step)).map(
        lambda it: f"{it[0]}/{it[1]}"
    )
    lists = st.lists(one | span, min_size=1, max_size=3).map(",".join)
    return st.just("*") | lists | stepped


NAMES = st.sampled_from(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])
DAYS = st.one_of(
    numbers(1, 31, step=31).map(lambda it: (it, "?")),
    st.just(("L", "?")),
    st.integers(1, 30).map(lambda it: (f"L-{it}", "?")),
    st.integers(1, 31).map(lambda it: (f"{it}W", "?")),
    numbers(1, 7, step=7).map(lambda it: ("?", it)),
    st.tuples(NAMES, NAMES).map(lambda it: ("?", "-".join(it))),
    st.tuples(NAMES | st.integers(1, 7), st.integers(1, 5)).map(
        lambda it: ("?", f"{it[0]}#{it[1]}")
    ),
    (NAMES | st.integers(1, 7)).map(lambda it: ("?", f"{it}L")),
)
YEARS = st.one_of(
    st.just("*"),
    st.integers(2024, 2040).map(str),
    st.tuples(st.integers(2024, 2040), st.integers(0, 9)).map(lambda it: f"{it[0]}-{sum(it)}"),
    st.tuples(st.integers(2024, 2040), st.integers(1, 7)).map(lambda it: f"{it[0]}/{it[1]}"),
    st.lists(st.integers(2024, 2050), min_size=1, max_size=4).map(
        lambda it: ",".join(map(str, it))
    ),
)
SCHEDULES = st.builds(
    lambda minute, hour, days, month, year: f"{minute} {hour} {days[0]} {month} {days[1]} {year}",
    numbers(0, 59, step=60),
    numbers(0, 23, step=24),
    DAYS,
    numbers(1, 12, step=12),
    YEARS,
)
MOMENTS = st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2032, 12, 31))


def in_prefect(schedule: str, after: dt.datetime, count: int) -> list[dt.datetime]:
    """Return the times at which Prefect's server would make runs."""
    from prefect.server.schemas.schedules import CronSchedule, RRuleSchedule

    said = timetable(schedule)
    taken: Any = (
        CronSchedule(cron=said.cron, timezone="UTC")
        if said.cron
        else RRuleSchedule(rrule=said.rrule, timezone="UTC")
    )
    start = after + dt.timedelta(microseconds=1)
    dates = asyncio.run(taken.get_dates(count, start, LAST_MOMENT))
    return [it.astimezone(dt.UTC) for it in dates]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=SCHEDULES, after=MOMENTS)
def test_prefect_makes_runs_at_the_next_twenty_times_of_the_calendar(text, after):
    schedule, after = f"cron({text})", after.replace(tzinfo=dt.UTC)
    expected = list(islice(schedules.occurrences(schedule, after), 20))
    if not expected:
        return  # refused where the parameter file is checked: it never runs again

    assert in_prefect(schedule, after, 20)[: len(expected)] == expected
