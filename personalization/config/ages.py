"""How old something may become: "365 days", "1 hour 30 minutes", "two days", "0.5 days".

The AWS solution read these with parsedatetime, which turns what it cannot read into zero, and zero
into "any age is fine".  Here every word must mean something, and the sum must be more than zero.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from personalization.errors import ConfigError, shortened

EXAMPLES: Final = '"365 days", "1 hour 30 minutes", "two weeks"'

_WORDS: Final = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve"),
)
_NUMBERS: Final = {word: float(value) for value, word in enumerate(_WORDS)} | {"a": 1.0, "an": 1.0}
_SPELLINGS: Final = {
    1: ("s", "sec", "secs", "second", "seconds"),
    60: ("m", "min", "mins", "minute", "minutes"),
    3600: ("h", "hr", "hrs", "hour", "hours"),
    86_400: ("d", "day", "days"),
    7 * 86_400: ("w", "wk", "wks", "week", "weeks"),
    # No calendar says from where to count: as long as the first month and year of any are.
    31 * 86_400: ("month", "months"),
    365 * 86_400: ("y", "yr", "yrs", "year", "years"),
}
_SECONDS: Final = {unit: seconds for seconds, units in _SPELLINGS.items() for unit in units}
_PART: Final = re.compile(
    r"([0-9]+(?:\.[0-9]+)?|[a-z]+(?=\s))\s*([a-z]+)\s*(?:,\s*(?:and\s+)?|and\s+)?"
)
_LONGEST: Final = dt.timedelta(days=36_525)


def parse(text: object) -> dt.timedelta:
    """Return the age.  Raises ConfigError if it is no text, no sum of times, or not above zero."""
    if not isinstance(text, str):
        raise ConfigError(f"must be text such as {EXAMPLES}")
    rest, seconds = text.strip().lower(), 0.0
    if not rest:
        raise ConfigError(f"must be text such as {EXAMPLES}")
    while rest:
        part = _PART.match(rest)
        number = part and _number(part[1])
        unit = part and _SECONDS.get(part[2])
        if part is None or number is None or unit is None:
            raise ConfigError(
                f"makes no sense from {shortened(rest, 30)!r} on; write a number and a unit, as in "
                f"{EXAMPLES}"
            )
        seconds += number * unit
        rest = rest[part.end() :]
    return _as_age(seconds)


def _number(word: str) -> float | None:
    return float(word) if word[0].isdigit() else _NUMBERS.get(word)


def _as_age(seconds: float) -> dt.timedelta:
    if seconds <= 0:
        raise ConfigError(f"must be more than zero, such as {EXAMPLES}")
    if seconds > _LONGEST.total_seconds():
        raise ConfigError("must be at most 100 years")
    return dt.timedelta(seconds=seconds)
