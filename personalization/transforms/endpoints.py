"""The endpoint table: who can be reached where.  CSV with Pinpoint's column names.

Source: Pinpoint user guide, "Importing segments" (endpoint attributes).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from personalization.columns import (
    ACTIVE,
    CHANNEL,
    ENDPOINT_ID,
    OPTED_OUT,
    PINPOINT_CHANNEL,
    PINPOINT_ENDPOINT_ID,
    PINPOINT_OPT_OUT,
    PINPOINT_STATUS,
    PINPOINT_USER_ID,
    USER_ID,
)
from personalization.errors import ConfigError, Finding, shortened


@dataclass(frozen=True)
class EndpointTable:
    """One table in one or more CSV files, each with its own columns in its own order."""

    columns: dict[Path, tuple[str, ...]]

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(self.columns)

    def scan(self) -> pl.LazyFrame:
        """Return all endpoints that belong to a user, in the table's order.

        user_id str; endpoint_id str, channel str in upper case (null where the column or the cell
        is missing); active bool (EndpointStatus is ACTIVE or missing); opted_out bool (OptOut is
        ALL)
        """
        return pl.concat([_scan(file, columns) for file, columns in self.columns.items()])


def open_endpoints(source: Path | Sequence[Path], needed: Iterable[str] = ()) -> EndpointTable:
    """Read the headers of a CSV file, of a folder's `*.csv`, or of several files.

    Raises ConfigError if there is no file, one cannot be read, or a column of `needed` (besides
    the user's id) is missing from one; it lists the columns that are there.
    """
    files = _files(source)
    if not files:
        raise ConfigError(f"{source} holds no .csv file; put the endpoint table there")
    table = EndpointTable({file: _header(file) for file in files})
    findings = [
        Finding(
            where=name,
            problem="is missing from the endpoint table",
            allowed=f"there are: {', '.join(there)}; {_REPAIR.get(name, 'add the column')}",
            source=str(file),
        )
        for file, there in table.columns.items()
        for name in (PINPOINT_USER_ID, *needed)
        if name not in there
    ]
    if findings:
        raise ConfigError("the endpoint table cannot answer what is asked of it", findings)
    return table


_REPAIR: Final = {
    PINPOINT_ENDPOINT_ID: "add the endpoints' ids, or choose address_by: user",
    PINPOINT_CHANNEL: "add the channels, or leave out channels and one_per_channel",
}


def unreadable(error: Exception, *files: Path) -> ConfigError:
    """Translate what polars says about a CSV it cannot read."""
    names = ", ".join(file.name for file in files)
    return ConfigError(
        f"the endpoint table cannot be read: {shortened(error)}; is it a CSV in UTF-8? ({names})"
    )


def _files(source: Path | Sequence[Path]) -> list[Path]:
    if not isinstance(source, Path):
        return list(source)
    return sorted(source.glob("*.csv")) if source.is_dir() else [source]


def _header(file: Path) -> tuple[str, ...]:
    if not file.is_file():
        raise ConfigError(f"the endpoint table {file} does not exist")
    try:
        return tuple(pl.scan_csv(file, infer_schema=False, glob=False).collect_schema().names())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(error, file) from error


def _scan(file: Path, columns: tuple[str, ...]) -> pl.LazyFrame:
    def cell(name: str) -> pl.Expr:
        # An id may be "007": nothing is inferred, nothing is trimmed.
        return pl.col(name) if name in columns else pl.lit(None, pl.String)

    return (
        pl.scan_csv(file, infer_schema=False, glob=False)
        .select(
            cell(PINPOINT_USER_ID).alias(USER_ID),
            cell(PINPOINT_ENDPOINT_ID).alias(ENDPOINT_ID),
            cell(PINPOINT_CHANNEL).str.to_uppercase().alias(CHANNEL),
            cell(PINPOINT_STATUS).fill_null("ACTIVE").eq("ACTIVE").alias(ACTIVE),
            cell(PINPOINT_OPT_OUT).eq_missing("ALL").alias(OPTED_OUT),
        )
        .filter(pl.col(USER_ID).is_not_null())
    )
