"""CSV files against a schema, as an import job reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from personalization import columns
from personalization.errors import FatalError, shortened
from personalization.schemas import Field, Schema

# Avro's types.  Booleans are read as text first: `True` is as good as `true`.
_DTYPES: Final[dict[str, type[pl.DataType]]] = {
    "string": pl.String,
    "long": pl.Int64,
    "int": pl.Int32,
    "float": pl.Float64,
    "double": pl.Float64,
    "boolean": pl.String,
}
_IDS: Final = frozenset({columns.AWS_USER_ID, columns.AWS_ITEM_ID, "ACTION_ID"})
_COMPRESSED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")  # gzip, zstd
_NOT_THE_SCHEMA: Final = (
    "Input csv has rows that do not conform to the dataset schema. Please ensure all required data "
    "fields are present and that they are of the type specified in the schema."
)


def read(path: Path, schema: Schema, called: str) -> pl.DataFrame:
    """Return the schema's columns of a CSV with a header row; other columns are passed over.

    called  the file's name in messages
    Raises FatalError with Personalize's failureReason, and the first offending row and column.
    """
    header = _header(path)
    if missing := [field.name for field in schema.fields if field.name not in header]:
        raise FatalError(f"Input CSV is missing the following columns:[{', '.join(missing)}].")
    wanted = {field.name: _DTYPES[field.types[0]] for field in schema.fields}
    try:
        frame = _parsed(path, wanted)
    except pl.exceptions.PolarsError:  # it says that something is wrong, not where
        frame = _converted(_as_text(path, list(wanted), called), schema, called)
    frame = _with_booleans(frame, schema, called)
    _refuse_missing(frame, schema, called)
    _refuse_long(frame, schema, called)
    return frame


def _header(path: Path) -> list[str]:
    with path.open("rb") as file:
        if file.read(4).startswith(_COMPRESSED):
            return []  # polars would unpack it, Personalize does not
    try:
        return pl.read_csv(path, n_rows=0, infer_schema=False).columns
    except pl.exceptions.NoDataError:
        return []


def _parsed(path: Path, wanted: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    return pl.read_csv(
        path, columns=list(wanted), schema_overrides=wanted, infer_schema=False
    ).select(list(wanted))


def _as_text(path: Path, names: list[str], called: str) -> pl.DataFrame:
    try:
        return pl.read_csv(path, columns=names, infer_schema=False).select(names)
    except pl.exceptions.PolarsError as error:
        raise FatalError(f"{_NOT_THE_SCHEMA} {called}: {shortened(error)}") from error


def _converted(text: pl.DataFrame, schema: Schema, called: str) -> pl.DataFrame:
    """Return `text` with the schema's types; raises at the first value that has another."""
    for field in schema.fields:
        column = text.get_column(field.name)
        converted = column.cast(_DTYPES[field.types[0]], strict=False)
        _refuse(column, converted.is_null() & column.is_not_null(), field, called)
        text = text.with_columns(converted)
    return text


def _with_booleans(frame: pl.DataFrame, schema: Schema, called: str) -> pl.DataFrame:
    for field in schema.fields:
        if field.types[0] == "boolean":
            column = frame.get_column(field.name)
            lower = column.str.to_lowercase()
            _refuse(column, ~lower.is_in(["true", "false"]).fill_null(value=True), field, called)
            frame = frame.with_columns(lower == "true")
    return frame


def _refuse(column: pl.Series, wrong: pl.Series, field: Field, called: str) -> None:
    if wrong.any():
        row = wrong.arg_max() or 0
        value = shortened(repr(column[row]), 80)
        raise FatalError(
            f"{_NOT_THE_SCHEMA} {called}: row {row + 1}, column {field.name}: "
            f"{value} is not a {field.types[0]}"
        )


def _refuse_missing(frame: pl.DataFrame, schema: Schema, called: str) -> None:
    for field in schema.fields:
        column = frame.get_column(field.name)
        if not field.nullable and column.null_count():
            row = column.is_null().arg_max() or 0
            raise FatalError(
                f"{_NOT_THE_SCHEMA} {called}: row {row + 1}, column {field.name}: there is no "
                "value, and the schema does not allow null"
            )


def _refuse_long(frame: pl.DataFrame, schema: Schema, called: str) -> None:
    """Refuse over-long text.  Source: Personalize developer guide, "Service quotas"."""
    for field in schema.fields:
        limit = 256 if field.name in _IDS else 1000 if field.categorical else 20_000
        if field.types[0] != "string" or not (
            field.name in _IDS or field.categorical or field.textual
        ):
            continue
        lengths = frame.get_column(field.name).str.len_chars()
        if (longest := lengths.max()) is not None and longest > limit:  # type: ignore[operator]
            row = (lengths > limit).arg_max() or 0
            raise FatalError(
                f"Length cannot be more than {limit} characters for {field.name}. "
                f"{called}: row {row + 1} has {lengths[row]}"
            )
