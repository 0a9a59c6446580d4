"""When scheduled work runs: `cron(minute hour day-of-month month day-of-week year)`, or `delete`.

The meaning is Quartz's, as in AWS: day-of-week 1 is Sunday and 7 is Saturday, `L`, `W` and `#`
mean last, nearest weekday and nth, ranges may wrap around (`FRI-MON`), and the time is UTC.
Source: Quartz 2.3.2, "CronExpression"; Amazon EventBridge user guide, "Cron expressions".
"""

from __future__ import annotations

import calendar
import datetime as dt
import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from personalization.errors import ConfigError
from personalization.shapes import brief

# Instead of a cron expression: remove the schedule that an earlier run made.
DELETE: Final = "delete"
FORMS: Final = "write cron(minute hour day-of-month month day-of-week year) or delete"

_MONTHS: Final = (
    "JAN",
    "FEB",
    "MAR",
    "APR",
    "MAY",
    "JUN",
    "JUL",
    "AUG",
    "SEP",
    "OCT",
    "NOV",
    "DEC",
)
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@dataclass(frozen=True)
class _Field:
    """One of the six: its bounds, its names (counted from the lower bound), and its own symbols."""

    title: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    wraps: bool = True


_FIELDS: Final = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day-of-month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day-of-week", 1, 7, _DAYS),
    _Field("year", 1970, 2199, wraps=False),
)


@dataclass(frozen=True)
class LastDay:
    """`L` and `L-3`: so many days before the last one of the month."""

    before: int


@dataclass(frozen=True)
class Nearest:
    """`15W`: the weekday nearest to that day, in the same month."""

    day: int


@dataclass(frozen=True)
class Nth:
    """`6#3` and `6L`: the nth such weekday of the month, or, as -1, the last (1 is Sunday)."""

    weekday: int
    nth: int


@dataclass(frozen=True)
class Cron:
    """A schedule, read: the values of each field.

    which  the days if they need a calendar; else they are month_days or, where there are any,
           weekdays (1 is Sunday)
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    months: tuple[int, ...]
    years: tuple[int, ...]
    month_days: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    which: LastDay | Nearest | Nth | None = None

    def days(self, year: int, month: int) -> list[int]:
        """Return the days of that month on which it runs, in order."""
        first, length = calendar.monthrange(year, month)
        weekdays = {day: (first + day) % 7 + 1 for day in range(1, length + 1)}
        match self.which:
            case LastDay(before):
                return [length - before] if before < length else []
            case Nearest(day):
                return _nearest(day, weekdays)
            case Nth(wanted, nth):
                days = [day for day, weekday in weekdays.items() if weekday == wanted]
                return days[-1:] if nth < 0 else days[nth - 1 : nth]
        if self.weekdays:
            return [day for day, weekday in weekdays.items() if weekday in self.weekdays]
        return [day for day in self.month_days if day <= length]


@lru_cache(maxsize=256)
def parse(schedule: str) -> Cron:
    """Return what a `cron(…)` means.  Raises ConfigError that says which field is wrong and why."""
    inside = re.fullmatch(r"cron\((.*)\)", schedule, re.DOTALL)
    if not inside:
        raise ConfigError(_shape_of(schedule))
    fields = inside[1].split(" ")
    if len(fields) != len(_FIELDS) or "" in fields:
        raise ConfigError(
            f"{brief(schedule)} has {len(inside[1].split())} fields; write six with one space "
            "between them: cron(minute hour day-of-month month day-of-week year)"
        )
    minute, hour, day, month, weekday, year = fields
    if (day == "?") == (weekday == "?"):
        both = "both" if day == "?" else "neither"
        raise ConfigError(
            f"{brief(schedule)} has ? for {both} of day-of-month and day-of-week; "
            "one of them must be ?"
        )
    days = _by_week(weekday) if day == "?" else _by_month(day)
    return Cron(
        minutes=_values(minute, _FIELDS[0]),
        hours=_values(hour, _FIELDS[1]),
        months=_values(month, _FIELDS[3]),
        years=_values(year, _FIELDS[5]),
        **days,
    )


def occurrences(schedule: str, after: dt.datetime) -> Iterator[dt.datetime]:
    """Yield the times, in UTC, at which the schedule runs after `after`, which has a time zone.

    Raises ConfigError if the schedule is not a cron expression.
    """
    cron = parse(schedule)
    after = after.astimezone(dt.UTC)
    for year in (year for year in cron.years if year >= after.year):
        for month in cron.months:
            if (year, month) < (after.year, after.month):
                continue
            for day in cron.days(year, month):
                if (year, month, day) < (after.year, after.month, after.day):
                    continue
                for hour in cron.hours:
                    for minute in cron.minutes:
                        at = dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC)
                        if at > after:
                            yield at


def next_after(schedule: str, after: dt.datetime) -> dt.datetime | None:
    """Return the first time after `after` at which the schedule runs, or None if there is none."""
    return next(occurrences(schedule, after), None)


def _shape_of(schedule: str) -> str:
    if schedule.startswith("rate("):
        return f"{brief(schedule)} is a rate, which has no fixed time; {FORMS}"
    if schedule.lower().startswith("cron("):
        return f"{brief(schedule)} must begin with cron( in small letters and end with ); {FORMS}"
    if len(schedule.split()) in (5, 6):
        return f"{brief(schedule)} lacks cron(…) around it; {FORMS}"
    if difflib.get_close_matches(schedule.lower(), [DELETE]):
        return f"{brief(schedule)} is not a schedule; did you mean delete?"
    return f"{brief(schedule)} is not a schedule; {FORMS}"


def _values(text: str, field: _Field) -> tuple[int, ...]:
    return tuple(sorted({value for part in text.split(",") for value in _part(part, text, field)}))


def _part(part: str, text: str, field: _Field) -> list[int]:
    span, slash, step_text = part.partition("/")
    start_text, dash, end_text = span.partition("-")
    if span == "*":
        start, end = field.low, field.high
    else:
        start = _number(start_text, text, field)
        end = _number(end_text, text, field) if dash else (field.high if slash else start)
    step = 1
    if slash:
        most = field.high - field.low + 1
        if not step_text.isascii() or not step_text.isdigit() or not 0 < int(step_text) <= most:
            raise ConfigError(
                f"{field.title} {brief(text)} has the step {brief(step_text)}; 1-{most} is allowed"
            )
        step = int(step_text)
    if start > end and not field.wraps:
        raise ConfigError(f"{field.title} {brief(text)} ends before it begins")
    size = field.high - field.low + 1
    length = (end - start) % size if start > end else end - start
    return [field.low + (start - field.low + n) % size for n in range(0, length + 1, step)]


def _number(text: str, whole: str, field: _Field) -> int:
    if text.upper() in field.names:
        return field.names.index(text.upper()) + field.low
    allowed = f"{field.low}-{field.high}"
    if field.names:
        allowed += f" or {field.names[0]}-{field.names[-1]}"
    if text.isascii() and text.isdigit() and field.low <= int(text[:9]) <= field.high:
        return int(text)
    hint = " (1 is Sunday, 7 is Saturday)" if field.title == "day-of-week" else ""
    raise ConfigError(f"{field.title} {brief(whole)} has {brief(text)}; {allowed} is allowed{hint}")


_LAST_DAY: Final = re.compile(r"L(?:-(\d{1,2}))?")
_NEAREST: Final = re.compile(r"(\d{1,2})W")
_LAST_WEEKDAY: Final = re.compile(r"(\w+)L")
_NTH_WEEKDAY: Final = re.compile(r"(\w+)#(\d)")


def _by_month(text: str) -> dict[str, Any]:
    """Return what a day-of-month says, as members of Cron."""
    field = _FIELDS[2]
    if last := _LAST_DAY.fullmatch(text.upper()):
        before = int(last[1] or 0)
        if before > 30:
            raise ConfigError(
                f"day-of-month {brief(text)} counts back too far; L-1 to L-30 is allowed"
            )
        return {"which": LastDay(before)}
    if nearest := _NEAREST.fullmatch(text.upper()):
        return {"which": Nearest(_number(nearest[1], text, field))}
    return {"month_days": _values(text, field)}


def _by_week(text: str) -> dict[str, Any]:
    """Return what a day-of-week says, as members of Cron."""
    field, upper = _FIELDS[4], text.upper()
    if nth := _NTH_WEEKDAY.fullmatch(upper):
        wanted = _number(nth[1], text, field)
        if not 1 <= int(nth[2]) <= 5:
            raise ConfigError(f"day-of-week {brief(text)} has no such week; #1 to #5 is allowed")
        return {"which": Nth(wanted, int(nth[2]))}
    if (last := _LAST_WEEKDAY.fullmatch(upper)) and upper not in _DAYS:
        return {"which": Nth(_number(last[1], text, field), -1)}
    # As in Quartz, L alone is the last day of the week.
    return {"weekdays": (7,) if upper == "L" else _values(text, field)}


def _nearest(day: int, weekdays: dict[int, int]) -> list[int]:
    length = len(weekdays)
    if day > length:
        return []
    if weekdays[day] == 7:  # Saturday: the Friday before, without leaving the month
        return [day - 1 if day > 1 else day + 2]
    if weekdays[day] == 1:  # Sunday: the Monday after, without leaving the month
        return [day + 1 if day < length else day - 2]
    return [day]
