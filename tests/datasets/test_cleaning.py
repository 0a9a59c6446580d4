"""A cleaned copy holds the good rows as they were, and a list says why others are missing."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from personalization.datasets import check, locate
from personalization.errors import ConfigError
from tests.datasets import csvs

ITEMS = {"items": csvs.ITEMS}
FAULTY = [
    "j1,Film,1",
    'j2,"a\nb",1,1,War,1',
    "j3,Film,1,one,War,1",
    ",Film,1,1,War,1700000000000",
]


def rejects(folder: Path) -> list[list[str]]:
    with (folder / "rejects.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_the_copy_has_the_good_rows_and_the_list_has_the_others(tmp_path: Path) -> None:
    good = [*csvs.items(), r'j9,"say \"no\", twice",1,1,War,1']
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, [*good[:10], *FAULTY, *good[10:]])
    clean = tmp_path / "clean"

    report = csvs.checked(tmp_path, cleaned=clean)

    assert report.errors == ()
    assert report.cleaned == {"items": clean / "items.csv"}
    assert report.rejects == clean / "rejects.csv"
    assert (clean / "items.csv").read_text() == "\n".join([csvs.ITEMS_HEADER, *good, ""])
    assert (report.datasets["items"].rows, report.datasets["items"].rejected) == (26, 4)
    source = str(tmp_path / "items.csv")
    broken = "holds a line break within quotation marks: 'j2,\"a b\",1,1,War,1'"
    assert rejects(clean) == [
        ["file", "line", "column", "reason", "row"],
        [source, "12", "", "has 3 values for 6 columns", "j1,Film,1"],
        [source, "13", "", broken, 'j2,"a\nb",1,1,War,1'],
        [source, "16", "ITEM_ID", "is empty", ",Film,1,1,War,1700000000000"],
        [source, "15", "STOCK", "is 'one'", "j3,Film,1,one,War,1"],
    ]


def test_the_copy_passes_the_check(tmp_path: Path) -> None:
    rows = [*csvs.interactions(), "u1,i1", ",i1,Watch,1", "u1,i1,Watch,1700000000000"]
    path = csvs.put(tmp_path, "interactions.csv", f"\ufeff{csvs.INTERACTIONS_HEADER}", rows)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    clean = tmp_path / "clean"

    first = csvs.checked(tmp_path, cleaned=clean)
    second = csvs.checked(clean, schemas={"interactions": csvs.INTERACTIONS})

    assert first.errors == ()
    assert first.datasets["interactions"].rejected == 3
    assert second.findings == ()
    assert second.datasets["interactions"].rows == 1_000


def test_what_was_left_out_is_told_as_a_warning(tmp_path: Path) -> None:
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, [*csvs.items(), "j,Film,1,one,War,1"])

    assert csvs.told(csvs.checked(tmp_path, cleaned=tmp_path / "clean"), tmp_path) == [
        "items.csv:27: items.STOCK: is 'one'; left out of the cleaned copy; "
        "the schema says int: a whole number, nothing else"
    ]


def test_parts_become_one_file_with_one_header(tmp_path: Path) -> None:
    csvs.put(tmp_path, "items/a.csv", csvs.ITEMS_HEADER, csvs.items()[:10])
    csvs.put(tmp_path, "items/b.csv", csvs.ITEMS_HEADER, csvs.items()[10:])

    csvs.checked(tmp_path, cleaned=tmp_path / "clean")

    assert (tmp_path / "clean" / "items.csv").read_text() == "\n".join(
        [csvs.ITEMS_HEADER, *csvs.items(), ""]
    )


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(f"\ufeff{csvs.ITEMS_HEADER}", id="BOM"),
        pytest.param(
            ",".join(f'"{name}"' for name in csvs.ITEMS_HEADER.split(",")), id="quotation marks"
        ),
    ],
)
def test_what_the_copy_mends_is_no_error(tmp_path: Path, header: str) -> None:
    csvs.put(tmp_path, "items.csv", header, csvs.items())
    clean = tmp_path / "clean"

    report = csvs.checked(tmp_path, cleaned=clean)

    assert [finding.severity for finding in report.findings] == ["warning"]
    assert (clean / "items.csv").read_text().startswith(f"{csvs.ITEMS_HEADER}\n")


def test_a_header_that_cannot_be_read_stays_an_error_and_is_not_copied(tmp_path: Path) -> None:
    csvs.put(tmp_path, "items.csv", "ID,NAME", ["1,a"])

    report = csvs.checked(tmp_path, cleaned=tmp_path / "clean")

    assert len(report.errors) == 1
    assert report.cleaned == {}


def test_too_few_that_are_left_stay_an_error(tmp_path: Path) -> None:
    rows = [*csvs.interactions(999), "u1,i1,Watch,soon"]
    csvs.put(tmp_path, "interactions.csv", csvs.INTERACTIONS_HEADER, rows)

    report = csvs.checked(tmp_path, cleaned=tmp_path / "clean")

    assert [finding.problem for finding in report.errors] == ["has 999 usable rows"]


def test_a_check_that_dies_leaves_no_half_copy(tmp_path: Path) -> None:
    csvs.put(tmp_path, "items/a.csv", csvs.ITEMS_HEADER, csvs.items())
    gone = csvs.put(tmp_path, "items/b.csv", csvs.ITEMS_HEADER, csvs.items())
    files = locate(tmp_path / "config.json")
    gone.unlink()

    with pytest.raises(ConfigError, match="cannot be read"):
        check(files, ITEMS, cleaned=tmp_path / "clean")
    assert list((tmp_path / "clean").iterdir()) == []
