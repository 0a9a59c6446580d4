"""A schedule as other schedulers write it: five-field cron where that says the same, else a rule.

Five fields know no year, no `W`, no `L-3` and no last Friday, and six would mean seconds; RFC 5545
rules know them all.  Both are written from what the schedule means, never from how it is written:
cron counts days of the week from 0, knows no range around the week and starts steps elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

from personalization.config.schedules import Cron, LastDay, Nearest, Nth, parse
from personalization.errors import ConfigError
from personalization.shapes import brief

# What schedulers take at most.  Source: prefect 3.8, client.schemas.schedules.
MAX_RULE_CHARACTERS: Final = 6500
# Rules need a first day; no schedule of ours is older.
_FIRST_YEAR: Final = 2020
_LAST_YEAR: Final = 2199

_CRON_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_RULE_DAYS: Final = ("SU", "MO", "TU", "WE", "TH", "FR", "SA")
_WEEKDAYS: Final = "MO,TU,WE,TH,FR"
_MONTHS_OF_31: Final = frozenset({1, 3, 5, 7, 8, 10, 12})
_MONTHS_OF_30: Final = frozenset({4, 6, 9, 11})
_FEBRUARY: Final = 2


@dataclass(frozen=True)
class Timetable:
    """Either a cron of five fields or an RFC 5545 recurrence (several lines); both in UTC."""

    cron: str = ""
    rrule: str = ""

    def __str__(self) -> str:
        return self.cron or self.rrule


@lru_cache(maxsize=256)
def timetable(schedule: str) -> Timetable:
    """Return the times of a `cron(…)` as schedulers take them.

    Raises ConfigError if it is no cron expression, or if its years and days need a rule that is
    longer than schedulers take.
    """
    cron = parse(schedule)
    if _every_year(cron) and (days := _cron_days(cron)):
        fields = (
            _field(cron.minutes, 0, 59),
            _field(cron.hours, 0, 23),
            days[0],
            _field(cron.months, 1, 12),
            days[1],
        )
        return Timetable(cron=" ".join(fields))
    rule = "\n".join(_rule_lines(cron))
    if len(rule) > MAX_RULE_CHARACTERS:
        raise ConfigError(
            f"{brief(schedule)} has years that need a rule of {len(rule)} characters, and a "
            f"scheduler takes {MAX_RULE_CHARACTERS}; write the year as *, as one range or with a "
            "step, or the minutes as fewer"
        )
    return Timetable(rrule=rule)


def _every_year(cron: Cron) -> bool:
    return set(cron.years) >= set(range(_FIRST_YEAR, _LAST_YEAR + 1))


def _cron_days(cron: Cron) -> tuple[str, str] | None:
    """Return day-of-month and day-of-week, or None where cron has no words for them."""
    match cron.which:
        case LastDay(0):
            return "L", "*"
        case Nth(weekday, nth) if nth > 0:
            return "*", f"{_CRON_DAYS[weekday - 1]}#{nth}"
        case LastDay() | Nearest() | Nth():
            return None
    if cron.weekdays:
        return "*", _field([day - 1 for day in cron.weekdays], 0, 6, _CRON_DAYS)
    return _field(cron.month_days, 1, 31), "*"


def _field(values: Sequence[int], low: int, high: int, names: Sequence[str] = ()) -> str:
    """Return sorted values as cron writes them: `*`, `*/15`, `8-18`, `0,30`."""
    if len(values) == high - low + 1:
        return "*"
    steps = {after - before for before, after in pairwise(values)}
    if len(values) > 2 and len(steps) == 1 and not names and (step := steps.pop()) > 1:
        whole = values[0] == low and values[-1] + step > high
        return f"*/{step}" if whole else f"{values[0]}-{values[-1]}/{step}"
    parts: list[str] = []
    for first, last in _runs(values):
        ends = [names[it] if names else str(it) for it in (first, last)]
        parts += ["-".join(ends)] if last > first + 1 else sorted(set(ends), key=ends.index)
    return ",".join(parts)


def _runs(values: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each unbroken run of sorted values."""
    first = previous = values[0]
    for value in values[1:]:
        if value != previous + 1:
            yield first, previous
            first = value
        previous = value
    yield first, previous


def _rule_lines(cron: Cron) -> Iterator[str]:
    start, spans = _spans(cron)
    yield f"DTSTART:{start}0101T000000"
    for months, days in _rule_days(cron):
        if not months:
            continue
        parts = (
            f"BYMONTH={_list(months)};{days};BYHOUR={_list(cron.hours)};"
            f"BYMINUTE={_list(cron.minutes)};BYSECOND=0"
        )
        for span in spans:
            yield f"RRULE:FREQ=YEARLY;{span}{parts}"


def _spans(cron: Cron) -> tuple[int, list[str]]:
    """Return the first year, and parts of rules that together allow the years and no others.

    Rules of one set share their first year.  So a year that stands alone is reached from the first
    one with a single step as long as the gap: that allows both, and the first is allowed anyway.
    """
    if _every_year(cron):
        return _FIRST_YEAR, [""]
    years = [year for year in cron.years if year >= _FIRST_YEAR] or list(cron.years)
    first, last = years[0], years[-1]
    steps = {after - before for before, after in pairwise(years)} or {1}
    if len(steps) == 1:
        return first, [_span(steps.pop(), last)]
    _, unbroken = next(_runs(years))
    alone = [year for year in years if year > unbroken]
    return first, [_span(1, unbroken), *(_span(year - first, year) for year in alone)]


def _span(interval: int, until: int) -> str:
    step = f"INTERVAL={interval};" if interval > 1 else ""
    return f"{step}UNTIL={until}1231T235959;"


def _rule_days(cron: Cron) -> Iterator[tuple[Sequence[int], str]]:
    """Yield months and the days in them on which it runs, as parts of a rule."""
    match cron.which:
        case LastDay(before):
            yield cron.months, f"BYMONTHDAY={-1 - before}"
        case Nth(weekday, nth):
            yield cron.months, f"BYDAY={nth}{_RULE_DAYS[weekday - 1]}"
        case Nearest(day):
            yield from _nearest(day, cron.months)
        case _ if cron.weekdays:
            yield cron.months, f"BYDAY={','.join(_RULE_DAYS[day - 1] for day in cron.weekdays)}"
        case _:
            yield cron.months, f"BYMONTHDAY={_list(cron.month_days)}"


def _nearest(day: int, months: Sequence[int]) -> Iterator[tuple[Sequence[int], str]]:
    """Yield rules for the weekday nearest to a day, without leaving the month.

    The day itself if it is a weekday; the Friday before a Saturday, but the Monday after one that
    is the 1st; the Monday after a Sunday, but the Friday before one that is the last.
    """
    chosen = set(months)
    longer = chosen & _MONTHS_OF_31 if day < 31 else set()
    longer |= chosen & _MONTHS_OF_30 if day < 30 else set()
    longer |= chosen & {_FEBRUARY} if day < 28 else set()
    ending = chosen & {31: _MONTHS_OF_31, 30: _MONTHS_OF_30}.get(day, frozenset())
    there = sorted(longer | ending)
    saturday = f"BYMONTHDAY={day - 1};BYDAY=FR" if day > 1 else "BYMONTHDAY=3;BYDAY=MO"
    yield there, f"BYMONTHDAY={day};BYDAY={_WEEKDAYS}"
    yield there, saturday
    yield sorted(longer), f"BYMONTHDAY={day + 1};BYDAY=MO"
    yield sorted(ending), f"BYMONTHDAY={day - 2};BYDAY=FR"
    if _FEBRUARY in chosen and day in (28, 29):
        yield from _nearest_in_february(day)


def _nearest_in_february(day: int) -> Iterator[tuple[Sequence[int], str]]:
    """Yield the rules for 28W and 29W in February.

    Days counted from the year's end tell leap years apart: the 309th last one is the 27th of
    February in a leap year and the 26th in others.
    """
    months = [_FEBRUARY]
    yield months, f"BYMONTHDAY={day};BYDAY={_WEEKDAYS}"
    if day == 28:
        yield months, "BYMONTHDAY=27;BYDAY=FR"
        yield months, "BYMONTHDAY=29;BYDAY=MO"
        yield months, "BYYEARDAY=-309;BYMONTHDAY=26;BYDAY=FR"
    else:
        yield months, "BYYEARDAY=-308;BYMONTHDAY=28;BYDAY=FR"
        yield months, "BYYEARDAY=-309;BYMONTHDAY=27;BYDAY=FR"


def _list(values: Sequence[int]) -> str:
    return ",".join(map(str, values))
