"""The values of records against their schema and the service's limits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from personalization.columns import (
    AWS_CREATION_TIMESTAMP,
    AWS_ITEM_ID,
    AWS_TIMESTAMP,
    AWS_USER_ID,
)
from personalization.datasets import faults
from personalization.datasets.faults import Kind
from personalization.schemas import Field, Schema

# The line that a record stands in, beside the columns of the file.
LINE: Final = "line of the file"

IDS: Final = frozenset({AWS_USER_ID, AWS_ITEM_ID, "ACTION_ID"})
TIMES: Final = frozenset({AWS_TIMESTAMP, AWS_CREATION_TIMESTAMP})
# Characters.  Source: Personalize developer guide, "Service quotas".
_LONGEST_ID: Final = 256
_LONGEST_CATEGORY: Final = 1_000
_LONGEST_TEXT: Final = 20_000

_DAY_S: Final = 86_400
# As seconds these lie beyond the year 5000; as milliseconds and microseconds, in our time.
_MILLISECONDS: Final = 100_000_000_000
_MICROSECONDS: Final = 100_000_000_000_000
_PLACEHOLDERS: Final = ("null", "none", "nan", "n/a", "na", "unknown", "undefined")

_DTYPES: Final[dict[str, pl.DataType]] = {
    "long": pl.Int64(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "double": pl.Float64(),
}


@dataclass(frozen=True)
class Rule:
    """A fault that a value of the column can have.

    broken  boolean expression over the file's text columns and `typed` ones; never null
    """

    kind: Kind
    column: str
    broken: pl.Expr
    words: dict[str, object]


def typed(schema: Schema) -> list[pl.Expr]:
    """Expressions for the numbers, under `number of <column>`; null where there is none."""
    return [
        pl.col(column.name).cast(_DTYPES[column.types[0]], strict=False).alias(number(column.name))
        for column in schema.fields
        if column.types[0] in _DTYPES
    ]


def number(column: str) -> str:
    """The name of a column's typed twin."""
    return f"number of {column}"


def rules(schema: Schema, now_s: int) -> list[Rule]:
    """All rules for the rows of a dataset.

    now_s  Unix seconds; what lies a day and more behind it is in the future
    """
    found = []
    for column in schema.fields:
        words: dict[str, object] = {"type": column.types[0]}
        found += [
            Rule(kind, column.name, broken.fill_null(False), words | more)
            for kind, broken, more in _of(column, now_s)
        ]
    return found


def _of(column: Field, now_s: int) -> Iterator[tuple[Kind, pl.Expr, dict[str, object]]]:
    text = pl.col(column.name)
    given = text.is_not_null() & (text != "")
    if column.name in IDS:
        blank = text.str.starts_with(" ") & (text.str.strip_chars() == "")
        yield faults.EMPTY_ID, ~given | blank, {}
        yield faults.QUOTED_ID, text.str.contains('"', literal=True), {}
        yield _longer(text, _LONGEST_ID)
    elif not column.nullable:
        yield faults.EMPTY, ~given, {}
    if column.categorical:
        yield _longer(text, _LONGEST_CATEGORY)
    if column.textual:
        yield _longer(text, _LONGEST_TEXT)

    value = pl.col(number(column.name))
    match column.types[0]:
        case "long":
            yield faults.NOT_WHOLE, given & value.is_null(), {}
        case "int":
            yield faults.NOT_WHOLE, given & value.is_null(), {}
            yield faults.NOT_IN_RANGE, ~value.is_between(-(2**31), 2**31 - 1), {}
        case "float" | "double":
            yield faults.NOT_A_NUMBER, given & ~value.is_finite().fill_null(False), {}
        case "boolean":
            known = text.str.to_lowercase().is_in(["true", "false"])
            yield faults.NOT_BOOLEAN, given & ~known, {}
    if column.name in TIMES and column.types[0] in _DTYPES:
        yield from _time(column.name, value, now_s)


def _longer(text: pl.Expr, limit: int) -> tuple[Kind, pl.Expr, dict[str, object]]:
    # Bytes are known at once, characters have to be counted; there are never fewer bytes.
    broken = (text.str.len_bytes() > limit) & (text.str.len_chars() > limit)
    return faults.TOO_LONG, broken, {"limit": f"{limit:,}"}


def _time(
    name: str, value: pl.Expr, now_s: int
) -> Iterator[tuple[Kind, pl.Expr, dict[str, object]]]:
    future = faults.FUTURE if name == AWS_TIMESTAMP else faults.NOT_YET
    late = value >= now_s + _DAY_S
    yield faults.NEGATIVE, value < 0, {}
    yield faults.MICROSECONDS, value >= _MICROSECONDS, {}
    yield faults.MILLISECONDS, (value >= _MILLISECONDS) & (value < _MICROSECONDS), {}
    yield future, late & (value < _MILLISECONDS), {}


def placeholders(column: Field, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows whose category stands for having none, like "(no genres listed)"."""
    values = rows[column.name].drop_nulls().unique()
    tokens = values.str.split("|").list.explode() if len(values) else values
    plain = tokens.str.to_lowercase().str.strip_chars(" ()[]<>")
    said = tokens.filter(
        plain.is_in(_PLACEHOLDERS) | plain.str.contains(r"^no \w+ (listed|given|available)$")
    ).unique()
    if said.is_empty():
        return rows.clear()
    tokens_of_row = pl.col(column.name).str.split("|")
    return rows.filter(tokens_of_row.list.eval(pl.element().is_in(said.to_list())).list.any())
