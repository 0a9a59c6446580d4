"""maxAge: what upstream read, read the same; what it turned into zero, refused."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.config import ages
from personalization.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 second", dt.timedelta(seconds=1)),
        ("365 days", dt.timedelta(days=365)),
        ("two days", dt.timedelta(days=2)),
        ("0.5 days", dt.timedelta(hours=12)),
        ("1 hour 30 minutes", dt.timedelta(minutes=90)),
        ("1 week", dt.timedelta(weeks=1)),
        ("A Week", dt.timedelta(weeks=1)),
        ("1 day, 2 hours, and 3 min", dt.timedelta(days=1, hours=2, minutes=3)),
        (" 1h30m ", dt.timedelta(minutes=90)),
        ("1 month", dt.timedelta(days=31)),
        ("one year", dt.timedelta(days=365)),
    ],
)
def test_an_age_is_a_sum_of_times(text, expected):
    assert ages.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(5, "must be text such as", id="number"),
        pytest.param("", 'must be text such as "365 days"', id="empty"),
        pytest.param("5", "makes no sense from '5' on; write a number and a unit", id="no-unit"),
        pytest.param("-1 day", "makes no sense from '-1 day' on", id="negative"),
        pytest.param("1 day ago", "makes no sense from 'ago' on", id="ago"),
        pytest.param("1 day and", "makes no sense from 'and' on", id="unfinished"),
        pytest.param("soon", "makes no sense from 'soon' on", id="word"),
        pytest.param("0 days", "must be more than zero", id="zero"),
        pytest.param("101 years", "must be at most 100 years", id="too-long"),
        pytest.param("9" * 400 + " days", "must be at most 100 years", id="endless"),
    ],
)
def test_what_is_no_age_is_refused(text, message):
    with pytest.raises(ConfigError) as caught:
        ages.parse(text)

    assert message in str(caught.value)


@settings(deadline=None)
@given(st.text(alphabet="0123456789. dayhourmintwe,") | st.text() | st.integers() | st.none())
def test_no_value_makes_parsing_crash(value):
    with suppress(ConfigError):
        assert ages.parse(value) > dt.timedelta(0)
