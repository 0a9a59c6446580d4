r"""Item-attribute expressions: which items a segment is about.

    ITEMS.genres = "Action" AND ITEMS.RELEASE_YEAR = 1995

Only AND and `=`; text in double quotes, where `\` takes the next character as it is; numbers bare.
The dataset, the columns and AND compare without regard to case, values exactly.
Source: Personalize developer guide, "Batch segment job input and output JSON examples".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import polars as pl

from personalization.errors import ConfigError, shortened

# Text that holds several values: `Action|Comedy` is Action and is Comedy.
VALUE_SEPARATOR = "|"

_SPACE = re.compile(r"\s*")
_DATASET = re.compile(r"items", re.IGNORECASE)
_DOT = re.compile(r"\.")
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_EQUALS = re.compile(r"=")
_AND = re.compile(r"and\b", re.IGNORECASE)
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")


@dataclass(frozen=True)
class Condition:
    """One `column = value`; the column as written, the value as the number or text it means.

    `str(condition)` is an expression that parses to the same condition.
    """

    column: str
    value: str | int | float

    def __str__(self) -> str:
        if isinstance(self.value, str):
            escaped = self.value.replace("\\", "\\\\").replace('"', '\\"')
            return f'ITEMS.{self.column} = "{escaped}"'
        return f"ITEMS.{self.column} = {self.value!r}"


def parse(expression: str) -> tuple[Condition, ...]:
    """Return the conditions of `expression`, all of which an item must meet.

    Raises ConfigError that shows the character (counted from 1) where it stopped making sense.
    """
    reader = _Reader(expression)
    conditions = [_condition(reader)]
    while not reader.at_end():
        reader.take(_AND, "AND, or the end (only AND joins conditions)")
        conditions.append(_condition(reader))
    return tuple(conditions)


def matching(conditions: Iterable[Condition], items: pl.DataFrame | pl.LazyFrame) -> pl.Expr:
    """Return a boolean expression over `items`: true where all conditions are met, never null.

    items  the item dataset under its AWS names; text with `|` holds several values

    A bare number matches text that reads the same, and quoted text matches an equal number.
    Raises ConfigError for a column that `items` lacks, or whose type no value can be compared with.
    """
    schema = items.collect_schema()
    tests = [_test(condition, schema) for condition in conditions]
    return reduce(lambda left, right: left & right, tests, pl.lit(True))


def resolve(column: str, columns: Sequence[str]) -> str:
    """Return the one of `columns` that `column` names; exact spelling wins over another case.

    Raises ConfigError, listing the columns.
    """
    if column in columns:
        return column
    for candidate in columns:
        if candidate.lower() == column.lower():
            return candidate
    raise ConfigError(f"items have no column {column!r}; there are: {', '.join(columns)}")


def _condition(reader: _Reader) -> Condition:
    reader.take(_DATASET, "ITEMS")
    reader.take(_DOT, "a dot after ITEMS", spaced=False)
    column = reader.take(_COLUMN, "a column name", spaced=False).group()
    reader.take(_EQUALS, "= (the only comparison)")
    if text := reader.try_to_take(_TEXT):
        return Condition(column, re.sub(r"\\(.)", r"\1", text.group(1), flags=re.DOTALL))
    number = reader.take(_NUMBER, "a number, or text in double quotes").group()
    return Condition(column, int(number) if re.fullmatch(r"[+-]?\d+", number) else float(number))


def _test(condition: Condition, schema: pl.Schema) -> pl.Expr:
    name = resolve(condition.column, schema.names())
    dtype = schema[name]
    if dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum)):
        value = str(condition.value)
        column = pl.col(name).cast(pl.String)
        test = (column == value) | column.str.split(VALUE_SEPARATOR).list.contains(value)
    elif dtype.is_numeric():
        test = pl.col(name) == _as_number(condition, name)
    else:
        raise ConfigError(
            f"{condition}: {name} is {dtype}, which a segment cannot be made of; "
            "use a column of text or numbers"
        )
    return test.fill_null(False)


def _as_number(condition: Condition, name: str) -> int | float:
    if not isinstance(condition.value, str):
        return condition.value
    try:
        return float(condition.value)
    except ValueError as error:
        raise ConfigError(f"{condition}: {name} holds numbers; compare it with one") from error


class _Reader:
    """The expression and how far it has been read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        self._skip_space()
        return self._at == len(self._text)

    def try_to_take(self, pattern: re.Pattern[str], *, spaced: bool = True) -> re.Match[str] | None:
        if spaced:
            self._skip_space()
        if found := pattern.match(self._text, self._at):
            self._at = found.end()
        return found

    def take(
        self, pattern: re.Pattern[str], expected: str, *, spaced: bool = True
    ) -> re.Match[str]:
        if found := self.try_to_take(pattern, spaced=spaced):
            return found
        rest = self._text[self._at :]
        raise ConfigError(
            f"item attributes {shortened(self._text)!r}: at character {self._at + 1} expected "
            f"{expected}, but found {shortened(rest, 30)!r}"
            if rest
            else f"item attributes {shortened(self._text)!r}: at character {self._at + 1} expected "
            f"{expected}, but the text ends there"
        )

    def _skip_space(self) -> None:
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
