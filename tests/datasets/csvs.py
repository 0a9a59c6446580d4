"""Small data sets that are right, for tests to put one fault into."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from personalization.datasets import DataReport, check, locate

NOW = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
START_S = 1_700_000_000  # in November 2023

INTERACTIONS_HEADER = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"
ITEMS_HEADER = "ITEM_ID,TITLE,PRICE,STOCK,GENRES,CREATION_TIMESTAMP"
USERS_HEADER = "USER_ID,AGE,MEMBER,ABOUT"


def schema(name: str, *fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": [dict(field) for field in fields],
        "version": "1.0",
    }


INTERACTIONS = schema(
    "Interactions",
    {"name": "USER_ID", "type": "string"},
    {"name": "ITEM_ID", "type": "string"},
    {"name": "EVENT_TYPE", "type": "string"},
    {"name": "TIMESTAMP", "type": "long"},
)
ITEMS = schema(
    "Items",
    {"name": "ITEM_ID", "type": "string"},
    {"name": "TITLE", "type": ["null", "string"], "textual": True},
    {"name": "PRICE", "type": ["null", "float"]},
    {"name": "STOCK", "type": "int"},
    {"name": "GENRES", "type": ["null", "string"], "categorical": True},
    {"name": "CREATION_TIMESTAMP", "type": "long"},
)
USERS = schema(
    "Users",
    {"name": "USER_ID", "type": "string"},
    {"name": "AGE", "type": ["null", "int"]},
    {"name": "MEMBER", "type": ["null", "boolean"]},
    {"name": "ABOUT", "type": ["null", "string"]},
)
SCHEMAS = {"interactions": INTERACTIONS, "items": ITEMS, "users": USERS}


def interactions(rows: int = 1_000) -> list[str]:
    """40 users who watch 25 items each, in turn; lines 2 to 1001 of the file."""
    return [f"u{n % 40},i{n // 40},Watch,{START_S + n}" for n in range(rows)]


def items() -> list[str]:
    return [f"i{n},Film {n},9.5,{n},Drama|War,{START_S - 1}" for n in range(25)]


def users() -> list[str]:
    return [f"u{n},{20 + n},true,likes tea" for n in range(40)]


def put(folder: Path, name: str, header: str, rows: Sequence[str]) -> Path:
    """Write one CSV, LF line ends, UTF-8."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(f"{line}\n" for line in (header, *rows)).encode())
    return path


def checked(folder: Path, **options: Any) -> DataReport:
    """Check what lies in the folder; only the data sets that lie there are wanted."""
    files = locate(folder / "config.json")
    schemas = options.pop("schemas", {name: SCHEMAS[name] for name in files})
    return check(files, schemas, now=NOW, **options)


def told(report: DataReport, folder: Path, severity: str | None = None) -> list[str]:
    """The findings as a person reads them, without the folder."""
    return [
        str(finding).replace(f"{folder}/", "")
        for finding in report.findings
        if severity in (None, finding.severity)
    ]
