"""Whatever the values: right data pass in silence, one fault is found at its line."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.datasets.faults import EXAMPLES, Faults
from personalization.datasets.repeats import counting_repeats
from tests.datasets import csvs

# Any letters but line breaks, NUL and what cannot be written as UTF-8.
LETTERS = st.characters(exclude_characters="\0\n\r", exclude_categories=("Cs",))
IDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=20)
TEXTS = st.text(LETTERS, max_size=30).filter(lambda text: "\\" not in text)
NUMBERS = st.one_of(
    st.just(""), st.floats(allow_nan=False, allow_infinity=False, width=32).map(str)
)
ITEMS = st.lists(
    st.tuples(
        IDS,
        TEXTS,
        NUMBERS,
        st.integers(-(2**31), 2**31 - 1).map(str),
        st.sampled_from(["", "War", "War|Drama", "Sci-Fi, hard", '"Cult"']),
        st.integers(0, csvs.START_S).map(str),
    ),
    min_size=1,
    max_size=30,
    unique_by=lambda item: item[0],
)
# One column's value, and what it is called when it stands there.
FAULTS = st.sampled_from(
    [
        (0, "", "empty"),
        (0, "x" * 257, "longer than 256"),
        (2, "dear", "a finite number"),
        (3, "1.0", "a whole number"),
        (3, str(2**31), "-2147483648 to 2147483647"),
        (4, "x" * 1_001, "longer than 1,000"),
        (5, "1700000000123", "milliseconds"),
        (5, "-1", "before 1970"),
    ]
)


def line(values: tuple[str, ...] | list[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()


@settings(deadline=None, max_examples=60)
@given(ITEMS)
def test_right_items_are_passed_over_in_silence(items: list[tuple[str, ...]]) -> None:
    with TemporaryDirectory() as folder:
        csvs.put(Path(folder), "items.csv", csvs.ITEMS_HEADER, [line(item) for item in items])

        report = csvs.checked(Path(folder))

    assert [str(finding) for finding in report.findings] == []
    assert report.datasets["items"].rows == len(items)


@settings(deadline=None, max_examples=60)
@given(ITEMS, FAULTS, st.data())
def test_one_planted_fault_is_found_at_its_line(
    items: list[tuple[str, ...]], fault: tuple[int, str, str], data: st.DataObject
) -> None:
    column, value, said = fault
    place = data.draw(st.integers(0, len(items) - 1))
    rows = [list(item) for item in items]
    rows[place][column] = value
    with TemporaryDirectory() as folder:
        csvs.put(Path(folder), "items.csv", csvs.ITEMS_HEADER, [line(row) for row in rows])

        report = csvs.checked(Path(folder))

    (finding,) = report.errors
    assert finding.line == place + 2
    assert finding.where == f"items.{csvs.ITEMS_HEADER.split(',')[column]}"
    assert said in str(finding)
    assert report.datasets["items"].rejected == 1


@settings(deadline=None, max_examples=40)
@given(ITEMS, st.integers(0, 7), st.data())
def test_a_row_of_another_length_is_found_at_its_line(
    items: list[tuple[str, ...]], length: int, data: st.DataObject
) -> None:
    if length in (0, 6):
        length = 8
    place = data.draw(st.integers(0, len(items)))
    lines = [line(item) for item in items]
    lines.insert(place, ",".join("x" * length))
    with TemporaryDirectory() as folder:
        csvs.put(Path(folder), "items.csv", csvs.ITEMS_HEADER, lines)

        report = csvs.checked(Path(folder))

    (finding,) = report.errors
    assert (finding.line, finding.problem.split(" for ")[0]) == (
        place + 2,
        f"has {length} value{'s' if length > 1 else ''}",
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.integers(0, 2**64 - 1), max_size=40), max_size=5))
def test_repetitions_are_counted_over_all_blocks(blocks: list[list[int]]) -> None:
    every = [number for block in blocks for number in block]
    with counting_repeats() as repeats:
        for block in blocks:
            repeats.add(pl.Series(block, dtype=pl.UInt64).to_numpy())

        assert repeats.count() == len(every) - len(set(every))


@pytest.mark.parametrize("count", [1, EXAMPLES, EXAMPLES + 1])
def test_examples_are_as_many_as_stated(tmp_path: Path, count: int) -> None:
    rows = [*csvs.interactions(), *(f"u{n},i1,Watch,soon" for n in range(count))]
    csvs.put(tmp_path, "interactions.csv", csvs.INTERACTIONS_HEADER, rows)

    (finding,) = csvs.checked(tmp_path).findings

    lines = ", ".join(str(1_002 + n) for n in range(min(count, EXAMPLES)))
    more = ", …" if count > EXAMPLES else ""
    expected = f"; {count} rows are like this (lines {lines}{more})" if count > 1 else ""
    assert finding.problem == f"is 'soon'{expected}"


def test_nothing_found_is_nothing_told() -> None:
    assert list(Faults().findings()) == []
