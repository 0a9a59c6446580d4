"""CSVs against a schema, without a server: what goes in comes out."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from personalization import schemas
from personalization.local.personalize import tables
from tests.local.personalize.films import schema

FIELDS = [
    {"name": "ITEM_ID", "type": "string"},
    {"name": "GENRES", "type": ["null", "string"], "categorical": True},
    {"name": "YEAR", "type": ["int", "null"]},
    {"name": "SCORE", "type": ["null", "double"]},
    {"name": "VIEWS", "type": "long"},
    {"name": "NEW", "type": ["boolean", "null"]},
]
# All that UTF-8 can hold in a line; the empty text is null, as in Personalize.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), min_size=1, max_size=20)
ROWS = st.lists(
    st.tuples(
        TEXT,
        st.none() | TEXT,
        st.none() | st.integers(-(2**31), 2**31 - 1),
        st.none() | st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@given(rows=ROWS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_every_value_that_a_schema_allows_comes_back(tmp_path: Path, rows):
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_MINIMAL)
    writer.writerow([field["name"] for field in FIELDS])
    writer.writerows(
        [["" if v is None else repr(v) if isinstance(v, float) else v for v in row] for row in rows]
    )
    path = tmp_path / "items.csv"
    path.write_bytes(text.getvalue().encode())

    read = tables.read(path, schemas.parse(schema("Items", FIELDS)), "items.csv")

    assert read.rows() == rows
    assert read.schema == {
        "ITEM_ID": pl.String,
        "GENRES": pl.String,
        "YEAR": pl.Int32,
        "SCORE": pl.Float64,
        "VIEWS": pl.Int64,
        "NEW": pl.Boolean,
    }


def test_the_schema_of_these_tests_is_one_that_personalize_takes():
    found = schemas.findings(json.loads(schema("Items", FIELDS)), "items", None, "schema")

    assert [str(each) for each in found if each.severity == "error"] == []
