"""Every fault a row can have is found, with its line, its value and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.datasets import csvs

LONG = "x" * 1_001
SHOWN = "x" * 199 + "…"  # what a message shows of it


def with_line_3(rows: list[str], *lines: str) -> list[str]:
    return [rows[0], *lines, *rows[1:]]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(
            "u1,i1,1700000000",
            "interactions: has 3 values for 4 columns; "
            "give every row a value, empty if need be, for every column",
            id="too short",
        ),
        pytest.param(
            "u1,i1,Watch,1700000000,",
            "interactions: has 5 values for 4 columns; "
            "give every row a value, empty if need be, for every column",
            id="too long",
        ),
        pytest.param(
            "u1",
            "interactions: has 1 value for 4 columns; "
            "give every row a value, empty if need be, for every column",
            id="one value",
        ),
        pytest.param(
            'u1,"i1\n2",Watch,1700000000',
            "interactions: holds a line break within quotation marks: "
            "'u1,\"i1 2\",Watch,1700000000'; "
            "Personalize reads one record a line; put a blank in its place",
            id="quoted newline",
        ),
        pytest.param(
            'u1,i1,12" record,1700000000',
            "interactions: has a quotation mark where none can be: "
            "'u1,i1,12\" record,1700000000'; "
            'put the whole value in quotation marks and double those within: "12"" record"',
            id="lone quotation mark",
        ),
        pytest.param(
            'u1,i1,"Watch" now,1700000000',
            "interactions: has a quotation mark where none can be: "
            "'u1,i1,\"Watch\" now,1700000000'; "
            'put the whole value in quotation marks and double those within: "12"" record"',
            id="text after a closing quotation mark",
        ),
        pytest.param(
            'u1,i1,"Watch,1700000000',
            "interactions: has a quotation mark where none can be: "
            "'u1,i1,\"Watch,1700000000'; "
            'put the whole value in quotation marks and double those within: "12"" record"',
            id="quotation mark that nothing closes",
        ),
        pytest.param(
            ",i1,Watch,1700000000",
            "interactions.USER_ID: is empty; every row needs an id",
            id="empty user id",
        ),
        pytest.param(
            'u1,"",Watch,1700000000',
            "interactions.ITEM_ID: is empty; every row needs an id",
            id="empty item id in quotation marks",
        ),
        pytest.param(
            "u1,  ,Watch,1700000000",
            "interactions.ITEM_ID: is empty; every row needs an id",
            id="blank item id",
        ),
        pytest.param(
            "u1,i1,,1700000000",
            "interactions.EVENT_TYPE: is empty; give it a value, or let the schema allow null",
            id="null where the schema allows none",
        ),
        pytest.param(
            f"{'ü' * 257},i1,Watch,1700000000",
            f"interactions.USER_ID: is longer than 256 characters: '{'ü' * 199}…'; shorten it",
            id="long id",
        ),
        pytest.param(
            "u1,i1,Watch,yesterday",
            "interactions.TIMESTAMP: is 'yesterday'; "
            "the schema says long: a whole number, nothing else",
            id="text for a number",
        ),
        pytest.param(
            "u1,i1,Watch,1700000000.5",
            "interactions.TIMESTAMP: is '1700000000.5'; "
            "the schema says long: a whole number, nothing else",
            id="fraction for a whole number",
        ),
        pytest.param(
            "u1,i1,Watch,1700000000000",
            "interactions.TIMESTAMP: is '1700000000000', "
            "which is a date only if read as milliseconds; "
            "Personalize reads Unix time in seconds; divide by 1,000",
            id="milliseconds",
        ),
        pytest.param(
            "u1,i1,Watch,1700000000000000",
            "interactions.TIMESTAMP: is '1700000000000000', "
            "which is a date only if read as microseconds or less; Personalize reads Unix time in "
            "seconds; divide by 1,000,000 (microseconds) or 1,000,000,000",
            id="microseconds",
        ),
        pytest.param(
            "u1,i1,Watch,-1",
            "interactions.TIMESTAMP: is '-1', before 1970; give Unix time in seconds, UTC",
            id="negative time",
        ),
        pytest.param(
            "u1,i1,Watch,1750000000",
            "interactions.TIMESTAMP: is '1750000000', more than a day in the future; "
            "what has not happened yet cannot be learned from; check the clock or the unit",
            id="future",
        ),
    ],
)
def test_a_faulty_interaction_is_an_error_at_its_line(
    tmp_path: Path, line: str, problem: str
) -> None:
    rows = with_line_3(csvs.interactions(), line)
    csvs.put(tmp_path, "interactions.csv", csvs.INTERACTIONS_HEADER, rows)

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path) == [f"interactions.csv:3: {problem}"]
    assert report.findings[0].severity == "error"
    assert (report.datasets["interactions"].rows, report.datasets["interactions"].rejected) == (
        1_000,
        1,
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(
            "j,Film,cheap,1,War,1",
            "items.PRICE: is 'cheap'; the schema says float: a finite number, nothing else",
            id="text for a float",
        ),
        pytest.param(
            "j,Film,NaN,1,War,1",
            "items.PRICE: is 'NaN'; the schema says float: a finite number, nothing else",
            id="not a number",
        ),
        pytest.param(
            "j,Film,1,2147483648,War,1",
            "items.STOCK: is '2147483648'; the schema says int: -2147483648 to 2147483647",
            id="int too large",
        ),
        pytest.param(
            "j,Film,1,1e3,War,1",
            "items.STOCK: is '1e3'; the schema says int: a whole number, nothing else",
            id="int in scientific notation",
        ),
        pytest.param(
            f"j,Film,1,1,{LONG},1",
            f"items.GENRES: is longer than 1,000 characters: '{SHOWN}'; shorten it",
            id="long category",
        ),
        pytest.param(
            f"j,{LONG * 20},1,1,War,1",
            f"items.TITLE: is longer than 20,000 characters: '{SHOWN}'; shorten it",
            id="long text",
        ),
    ],
)
def test_a_faulty_item_is_an_error_at_its_line(tmp_path: Path, line: str, problem: str) -> None:
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, with_line_3(csvs.items(), line))

    report = csvs.checked(tmp_path)

    assert csvs.told(report, tmp_path) == [f"items.csv:3: {problem}"]
    assert report.findings[0].severity == "error"


def test_a_boolean_is_true_or_false(tmp_path: Path) -> None:
    rows = with_line_3(csvs.users(), "u90,1,yes,", "u91,1,TRUE,", "u92,1,,")
    csvs.put(tmp_path, "users.csv", csvs.USERS_HEADER, rows)

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "users.csv:3: users.MEMBER: is 'yes'; the schema says boolean: true or false"
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param(
            'i"7,Film,1,1,War,1',
            "has a quotation mark where none can be",
            id="an unquoted one is an error",
        ),
        pytest.param(
            '"i""7",Film,1,1,War,1',
            "items.ITEM_ID: is 'i\"7'; Personalize's guide advises against quotation marks in ids",
            id="quotation mark in an id",
        ),
        pytest.param(
            "j,Film,1,1,War|(no genres listed),1",
            "items.GENRES: has the category 'War|(no genres listed)'; Personalize takes it for a "
            "category like any other; leave the value empty instead, if the schema allows null",
            id="pseudo-genre",
        ),
        pytest.param(
            "j,Film,1,1,N/A,1",
            "items.GENRES: has the category 'N/A'; Personalize takes it for a "
            "category like any other; leave the value empty instead, if the schema allows null",
            id="placeholder",
        ),
        pytest.param(
            "j,Film,1,1,War,1750000000",
            "items.CREATION_TIMESTAMP: is '1750000000', more than a day in the future; "
            "fine if the item is announced, not if the unit is wrong",
            id="item that is not there yet",
        ),
        pytest.param("", "items: is blank; blank lines are passed over", id="blank line"),
    ],
)
def test_what_is_only_doubtful_is_a_warning(tmp_path: Path, line: str, problem: str) -> None:
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, with_line_3(csvs.items(), line))

    (said,) = csvs.told(csvs.checked(tmp_path), tmp_path)

    assert said.startswith("items.csv:3: items")
    assert problem in said
    assert (csvs.checked(tmp_path).errors == ()) == ("none can be" not in problem)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('j,"a, b",1,1,War,1', id="comma in quotation marks"),
        pytest.param('j,"say ""no"", twice",1,1,War,1', id="doubled quotation marks"),
        pytest.param(r'j,"say \"no\", twice",1,1,War,1', id="quotation marks after a backslash"),
        pytest.param(r'j,"ends in \\",1,1,War,1', id="backslash after a backslash"),
        pytest.param('j,"",1,1,"",1', id="quoted nothing where null is allowed"),
        pytest.param("j,,,1,,1", id="nothing where null is allowed"),
        pytest.param("j,Ωmega,-1.5e3,-1,Café,1", id="numbers and letters of all kinds"),
        pytest.param(f"{'ü' * 256},x,1,1,War,1", id="an id of 256 letters in more bytes"),
    ],
)
def test_what_is_right_is_passed_over_in_silence(tmp_path: Path, line: str) -> None:
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, with_line_3(csvs.items(), line))

    report = csvs.checked(tmp_path)

    assert report.findings == ()
    assert report.datasets["items"].rows == 26


def test_bytes_that_are_not_utf_8_are_found_by_line_and_byte(tmp_path: Path) -> None:
    rows = with_line_3(csvs.items(), "j,Café,1,1,War,1")
    path = csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, rows)
    path.write_bytes(path.read_bytes().replace("é".encode(), b"\xe9"))
    at = path.read_bytes().index(b"\xe9")

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        f"items.csv:3: items: is not UTF-8: 0xe9 at byte {at} of the file; save the file as UTF-8 "
        "(iconv -f latin1 -t utf-8 turns the usual Windows text into it)"
    ]


def test_a_nul_is_no_text(tmp_path: Path) -> None:
    csvs.put(tmp_path, "items.csv", csvs.ITEMS_HEADER, with_line_3(csvs.items(), "j,\0,1,1,War,1"))

    (said,) = csvs.told(csvs.checked(tmp_path), tmp_path)

    assert said.startswith("items.csv:3: items: is not UTF-8: a NUL at byte ")


def test_many_faults_of_a_kind_are_one_finding_with_a_count_and_five_lines(tmp_path: Path) -> None:
    rows = [*csvs.interactions(), *(f"u1,i1,Watch,{n}" for n in ["soon"] * 1_200)]
    csvs.put(tmp_path, "interactions.csv", csvs.INTERACTIONS_HEADER, rows)

    assert csvs.told(csvs.checked(tmp_path), tmp_path) == [
        "interactions.csv:1002: interactions.TIMESTAMP: is 'soon'; "
        "1,200 rows are like this (lines 1002, 1003, 1004, 1005, 1006, …); "
        "the schema says long: a whole number, nothing else"
    ]


def test_each_fault_of_a_row_is_told_but_the_row_is_counted_once(tmp_path: Path) -> None:
    rows = with_line_3(csvs.interactions(), ",,Watch,soon")
    csvs.put(tmp_path, "interactions.csv", csvs.INTERACTIONS_HEADER, rows)

    report = csvs.checked(tmp_path)

    assert [finding.where for finding in report.errors] == [
        "interactions.USER_ID",
        "interactions.ITEM_ID",
        "interactions.TIMESTAMP",
    ]
    assert report.datasets["interactions"].rejected == 1
