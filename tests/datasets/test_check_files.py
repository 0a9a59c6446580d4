"""Faults of files: their headers, their line ends, their parts, their absence."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from personalization.datasets import DataFile, DataFiles, Wanted, check, locate
from personalization.errors import ConfigError
from tests.datasets import csvs

GOOD = "USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP"
EMPTY = "it needs a header and rows; is the export complete?"


@pytest.mark.parametrize(
    ("header", "errors"),
    [
        pytest.param(
            "USER_ID,EVENT_TYPE",
            [
                "Input CSV is missing the following columns:[ITEM_ID, TIMESTAMP]; "
                "add them, or take them out of the schema"
            ],
            id="missing columns",
        ),
        pytest.param(
            "user_id,ITEM_ID,EventType,TIMESTAMP",
            [
                "column 'user_id' is USER_ID in the schema; "
                "the names must be the same to the letter",
                "column 'EventType' is EVENT_TYPE in the schema; "
                "the names must be the same to the letter",
            ],
            id="other spelling",
        ),
        pytest.param(
            " USER_ID,ITEM_ID,EVENT_TYPE,TIMESTAMP ",
            [
                "column ' USER_ID' is USER_ID in the schema; "
                "the names must be the same to the letter",
                "column 'TIMESTAMP ' is TIMESTAMP in the schema; "
                "the names must be the same to the letter",
            ],
            id="blanks around names",
        ),
        pytest.param(
            f"{GOOD},USER_ID",
            ["column 'USER_ID' occurs more than once; keep one of each name"],
            id="the same name twice",
        ),
        pytest.param(
            "u1,i1,Watch,1700000000",
            [
                "has no header; its first line is 'u1,i1,Watch,1700000000'; "
                "the first line must name USER_ID, ITEM_ID, EVENT_TYPE, TIMESTAMP"
            ],
            id="no header",
        ),
        pytest.param(
            GOOD.replace(",", ";"),
            ["values are separated by semicolons; Personalize reads commas only"],
            id="semicolons",
        ),
        pytest.param(
            GOOD.replace(",", "\t"),
            ["values are separated by tabs; Personalize reads commas only"],
            id="tabs",
        ),
        pytest.param(
            GOOD.replace(",", "|"),
            ["values are separated by vertical bars; Personalize reads commas only"],
            id="vertical bars",
        ),
        pytest.param("", [f"the header is blank; write {GOOD}"], id="blank header"),
    ],
)
def test_a_header_that_is_not_the_schemas_is_an_error_and_no_row_is_judged_by_it(
    tmp_path: Path, header: str, errors: list[str]
) -> None:
    csvs.put(tmp_path, "interactions.csv", header, csvs.interactions())

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path, "error") == [
        f"interactions.csv:1: interactions: {error}" for error in errors
    ]
    assert report.interactions is None


def test_columns_may_stand_in_any_order(tmp_path: Path) -> None:
    rows = [",".join(reversed(row.split(","))) for row in csvs.interactions()]
    csvs.put(tmp_path, "interactions.csv", "TIMESTAMP,EVENT_TYPE,ITEM_ID,USER_ID", rows)

    assert csvs.checked(tmp_path).findings == ()


def test_columns_that_the_schema_does_not_have_are_a_warning(tmp_path: Path) -> None:
    rows = [f"{row},web,1" for row in csvs.interactions()]
    csvs.put(tmp_path, "interactions.csv", f"{GOOD},DEVICE,LEVEL", rows)

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path) == [
        "interactions.csv:1: interactions: the schema does not have columns 'DEVICE', 'LEVEL'; "
        "nothing of it is imported"
    ]
    assert report.errors == ()


def test_a_header_in_quotation_marks_is_an_error_and_the_rows_are_read(tmp_path: Path) -> None:
    header = ",".join(f'"{name}"' for name in GOOD.split(","))
    csvs.put(tmp_path, "interactions.csv", header, csvs.interactions())

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path, "error") == [
        "interactions.csv:1: interactions: the header has quotation marks; "
        "Personalize's guide wants the names without"
    ]
    assert report.datasets["interactions"].rows == 1_000


def test_a_bom_is_an_error_and_the_rows_are_read(tmp_path: Path) -> None:
    csvs.put(tmp_path, "interactions.csv", f"\ufeff{GOOD}", csvs.interactions())

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path, "error") == [
        "interactions.csv:1: interactions: begins with a byte order mark, which becomes part of "
        "the first column's name; save the file as UTF-8 without BOM"
    ]
    assert report.datasets["interactions"].rows == 1_000


def test_crlf_is_accepted_with_a_warning(tmp_path: Path) -> None:
    path = csvs.put(tmp_path, "interactions.csv", GOOD, csvs.interactions())
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path) == [
        "interactions.csv: interactions: lines end in CRLF; "
        "the check accepts it; Personalize's guide does not speak of it, LF is certain"
    ]
    assert report.errors == ()
    assert report.datasets["interactions"].rows == 1_000


def test_cr_alone_makes_one_line_of_a_file(tmp_path: Path) -> None:
    path = csvs.put(tmp_path, "interactions.csv", GOOD, csvs.interactions())
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions.csv:1: interactions: lines end in CR alone, so that the file is one line; "
        "end them in LF"
    ]


def test_the_last_line_needs_no_end(tmp_path: Path) -> None:
    path = csvs.put(tmp_path, "interactions.csv", GOOD, csvs.interactions())
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))

    report = csvs.checked(tmp_path)

    assert report.findings == ()
    assert report.datasets["interactions"].rows == 1_000


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", f"interactions.csv: interactions: is empty; {EMPTY}", id="empty"),
        pytest.param(
            gzip.compress(GOOD.encode()),
            "interactions.csv:1: interactions: is compressed by gzip, not CSV; "
            "Personalize reads plain CSV in UTF-8",
            id="gzip",
        ),
        pytest.param(
            f"{GOOD}\n".encode("utf-16"),
            "interactions.csv:1: interactions: is UTF-16, not CSV; "
            "Personalize reads plain CSV in UTF-8",
            id="UTF-16",
        ),
        pytest.param(
            b"USER_ID,CAF\xc9\n",
            "interactions.csv:1: interactions: the header is not UTF-8: 0xc9 at byte 11; "
            "save the file as UTF-8",
            id="header in Latin-1",
        ),
        pytest.param(
            b"x" * 200_000 + b"\n",
            "interactions.csv:1: interactions: the header cannot be read: "
            "field larger than field limit (131072); is this a CSV file?",
            id="endless header",
        ),
    ],
)
def test_a_file_that_is_no_csv_is_an_error(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "interactions.csv").write_bytes(content)

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [problem]


def test_a_header_alone_is_an_error(tmp_path: Path) -> None:
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, [])

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "items.csv: items: has a header and no rows; is the export complete?"
    ]


@pytest.mark.parametrize("at", [pytest.param(1, id="header"), pytest.param(3, id="row")])
def test_a_line_without_an_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    monkeypatch.setattr("personalization.datasets.reading.PIECE_BYTES", 1_000)
    monkeypatch.setattr("personalization.datasets.lines.LONGEST_LINE", 5_000)
    monkeypatch.setattr("personalization.datasets.scan.LONGEST_LINE", 5_000)
    lines = [csvs.ITEMS_HEADER, csvs.items()[0]]
    lines.insert(at - 1, "x" * 20_000)
    (tmp_path / "items.csv").write_text("\n".join(lines))

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        f"items.csv:{at}: items: the line is longer than 16 MB; "
        "is this a CSV file, with lines that end in LF?"
    ]


def test_parts_are_checked_as_one_and_each_fault_names_its_part(tmp_path: Path) -> None:
    rows = csvs.interactions()
    csvs.put(tmp_path, "interactions/a.csv", GOOD, [*rows[:500], "u1,i1,Watch,soon"])
    csvs.put(tmp_path, "interactions/b.csv", GOOD, ["u1,i1,Watch,late", *rows[500:]])

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path) == [
        "interactions/a.csv:502: interactions.TIMESTAMP: is 'soon'; 2 rows are like this "
        f"(lines 502, {'interactions/b.csv:2'}); the schema says long: a whole number, nothing else"
    ]
    assert report.datasets["interactions"].rows == 1_000
    assert report.datasets["interactions"].files == 2


@pytest.mark.parametrize(
    "header",
    [
        pytest.param("ITEM_ID,USER_ID,EVENT_TYPE,TIMESTAMP", id="another order"),
        pytest.param(f"{GOOD},DEVICE", id="another column"),
    ],
)
def test_parts_with_different_headers_are_an_error(tmp_path: Path, header: str) -> None:
    csvs.put(tmp_path, "interactions/a.csv", GOOD, csvs.interactions())
    csvs.put(tmp_path, "interactions/b.csv", header, csvs.interactions())

    said = f"interactions/b.csv:1: interactions: has the columns {header.replace(',', ', ')}, "
    assert csvs.told(csvs.checked(tmp_path), tmp_path, "error") == [
        f"{said}unlike the first part: USER_ID, ITEM_ID, EVENT_TYPE, TIMESTAMP; "
        "all parts need the same columns in the same order"
    ]


def test_the_same_fault_of_many_parts_is_told_once(tmp_path: Path) -> None:
    for number in range(10):
        rows = csvs.interactions()[100 * number : 100 * (number + 1)]
        csvs.put(tmp_path, f"interactions/{number}.csv", f"\ufeff{GOOD}", rows)

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions/0.csv:1: interactions: begins with a byte order mark, which becomes part of "
        "the first column's name; 10 files are like this; save the file as UTF-8 without BOM"
    ]


def test_a_part_without_rows_is_a_warning_if_others_have_some(tmp_path: Path) -> None:
    csvs.put(tmp_path, "interactions/a.csv", GOOD, [])
    csvs.put(tmp_path, "interactions/b.csv", GOOD, csvs.interactions())

    report = csvs.checked(tmp_path)

    assert report.errors == ()
    assert csvs.told(report, tmp_path) == [
        "interactions/a.csv: interactions: has a header and no rows; is the export complete?"
    ]


def test_other_files_among_the_parts_are_a_warning(tmp_path: Path) -> None:
    csvs.put(tmp_path, "interactions/a.csv", GOOD, csvs.interactions())
    (tmp_path / "interactions" / "_SUCCESS").touch()

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions/: interactions: there are files besides the CSVs: '_SUCCESS'; "
        "an import reads every file of a folder as CSV; move them elsewhere"
    ]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        pytest.param("E_MAIL", "column 'E_MAIL' looks like personal data", id="e-mail"),
        pytest.param("Phone_Number", "column 'Phone_Number' looks like personal data", id="phone"),
        pytest.param("LASTNAME", "column 'LASTNAME' looks like personal data", id="name"),
    ],
)
def test_a_column_named_for_personal_data_is_a_warning(
    tmp_path: Path, header: str, said: str
) -> None:
    csvs.put(
        tmp_path, "users.csv", f"{csvs.USERS_HEADER},{header}", [f"{row}," for row in csvs.users()]
    )

    assert (
        f"users.csv:1: users: {said}; "
        "no model learns from it, and it has to be deleted on demand; leave it out"
    ) in csvs.told(csvs.checked(tmp_path), tmp_path, "warning")


@pytest.mark.parametrize("header", ["HEADPHONES", "NAMESPACE", "EMAIL_OPT_IN"])
def test_a_column_whose_name_only_resembles_that_is_none(tmp_path: Path, header: str) -> None:
    rows = [f"{row}," for row in csvs.users()]
    csvs.put(tmp_path, "users.csv", f"{csvs.USERS_HEADER},{header}", rows)

    assert not any("personal" in said for said in csvs.told(csvs.checked(tmp_path), tmp_path))


def test_addresses_are_noticed_under_any_name(tmp_path: Path) -> None:
    rows = [f"u{n}@example.com,20,true," for n in range(40)]
    csvs.put(tmp_path, "users.csv", csvs.USERS_HEADER, rows)

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "users.csv: users.USER_ID: holds e-mail addresses; no model learns from them, and they "
        "have to be deleted on demand; leave them out, or use an id that says nothing"
    ]


def test_no_data_at_all_is_an_error() -> None:
    assert [str(finding) for finding in check({}, csvs.SCHEMAS).errors] == [
        "data: there are none; put interactions.csv or interactions/*.csv or items.csv or "
        "items/*.csv or users.csv or users/*.csv beside the parameter file"
    ]


def test_data_without_schema_and_schemas_without_data_are_warnings(tmp_path: Path) -> None:
    csvs.put(tmp_path, "interactions.csv", GOOD, csvs.interactions())
    csvs.put(tmp_path, "users.csv", csvs.USERS_HEADER, csvs.users())
    schemas = {"interactions": csvs.INTERACTIONS, "items": csvs.ITEMS}

    report = csvs.checked(tmp_path, schemas=schemas)

    assert report.errors == ()
    assert csvs.told(report, tmp_path) == [
        "items: there are no data; nothing is imported for it; items.csv or items/*.csv would be",
        "users.csv: users: there are data, but no schema; nothing is imported of it; "
        "add it to `datasets` in the parameter file",
    ]


@pytest.mark.parametrize(
    ("mode", "size", "said"),
    [
        pytest.param("FULL", 101, "has 101.0 GB; an import job of mode FULL takes at most 100 GB"),
        pytest.param(
            "INCREMENTAL", 2, "has 2.0 GB; an import job of mode INCREMENTAL takes at most 1 GB"
        ),
    ],
    ids=["full", "incremental"],
)
def test_more_than_an_import_takes_is_an_error(
    tmp_path: Path, mode: str, size: int, said: str
) -> None:
    path = csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, csvs.items())
    (small,) = locate(tmp_path / "config.json")["items"].files
    large = DataFile(path, size * 1024**3, small.etag, small.last_modified)
    files = {"items": DataFiles("items", "items.csv", (large,))}

    report = check(files, {"items": csvs.ITEMS}, wanted=Wanted(import_mode=mode))  # type: ignore[arg-type]

    assert [str(finding) for finding in report.errors] == [f"items.csv: items: {said}"]


def test_a_file_that_vanished_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, csvs.items())
    files = locate(tmp_path / "config.json")
    path.unlink()

    with pytest.raises(ConfigError) as refused:
        check(files, {"items": csvs.ITEMS})
    assert str(refused.value) == f"{path} cannot be read: No such file or directory"


def test_errors_can_be_raised_all_at_once(tmp_path: Path) -> None:
    rows = [*csvs.interactions(), "u1,i1,Watch,soon", ",i1,Watch,1700000000"]
    csvs.put(tmp_path, "interactions.csv", GOOD, rows)

    with pytest.raises(ConfigError) as refused:
        csvs.checked(tmp_path).raise_for_errors()
    assert str(refused.value).startswith("the data cannot be imported as they are: 2 errors\n  - ")
    assert len(refused.value.findings) == 2


def test_where_all_is_well_nothing_is_raised(tmp_path: Path) -> None:
    csvs.put(tmp_path, "interactions.csv", GOOD, csvs.interactions())

    csvs.checked(tmp_path).raise_for_errors()
