"""Lines are judged the same however the file is cut into blocks."""

from __future__ import annotations

import pytest

from personalization.datasets.faults import LINE_BREAK, RAGGED, UNPAIRED
from personalization.datasets.lines import Block, LineTooLong, blocks

TEXT = (
    b"1,a,x\n"
    b"2,b\n"
    b'3,"b\nb",x\n'
    b'4,"c, ""c""",x\n'
    b'5,d"d,x\n'
    b"\n"
    b'6,"e\n\ne\n",x\n'
    b"7,\xff,x\n"
    b'8,"f,x\n'
    b"9,g,x\r\n"
) + b"".join(b"%d,h,x\n" % n for n in range(10, 80))


def cut(text: bytes, size: int) -> list[Block]:
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return list(blocks(pieces, columns=3, first_line=2, first_byte=100))


def summary(found: list[Block]) -> tuple[bytes, list[int], list[tuple[int, str]]]:
    data = b"".join(block.data for block in found)
    numbers = [int(number) for block in found for number in block.numbers]
    broken = [(fault.line, fault.kind.name) for block in found for fault in block.broken]
    return data, numbers, sorted(broken)


def test_each_line_is_judged_for_itself() -> None:
    data, numbers, broken = summary(cut(TEXT, len(TEXT)))

    assert data.startswith(b'1,a,x\n4,"c, ""c""",x\n9,g,x\n10,h,x\n')
    assert numbers == [2, 6, 15, *range(16, 86)]
    assert broken == [
        (3, "columns"),
        (4, "line break"),
        (7, "quotes"),
        (8, "blank"),
        (9, "line break"),
        (10, "blank"),  # blank lines go first, wherever they stand
        (13, "encoding"),
        (14, "quotes"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 50, 1_000])
def test_where_the_file_is_cut_makes_no_difference(size: int) -> None:
    assert summary(cut(TEXT, size)) == summary(cut(TEXT, len(TEXT)))


def test_a_quotation_mark_that_nothing_closes_costs_one_line() -> None:
    rows = b"".join(b"%d,a,x\n" % n for n in range(200))

    (block,) = cut(b'0,"a,x\n' + rows, 10_000)

    assert [(fault.line, fault.kind) for fault in block.broken] == [(2, UNPAIRED)]
    assert len(block.numbers) == 200


def test_a_short_and_a_long_line_do_not_make_up_for_one_another() -> None:
    (block,) = cut(b"1,a\n2,a,x,x\n3,a,x\n", 1_000)

    assert [(fault.line, fault.kind, fault.said) for fault in block.broken] == [
        (2, RAGGED, "has 2 values for 3 columns"),
        (3, RAGGED, "has 4 values for 3 columns"),
    ]
    assert block.data == b"3,a,x\n"


def test_a_broken_value_is_kept_whole() -> None:
    (block,) = cut(b'1,"a\n,,,,\nb",x\n', 1_000)

    assert [(fault.kind, fault.text) for fault in block.broken] == [
        (LINE_BREAK, b'1,"a\n,,,,\nb",x')
    ]


def test_backslashes_before_quotation_marks_become_doubled_ones_for_the_reader() -> None:
    (block,) = cut(rb'1,"say \"no\"",x' + b"\n" + rb'2,"C:\\",x' + b"\n", 1_000)

    assert block.as_rfc4180 == b'1,"say ""no""",x\n' + rb'2,"C:\\",x' + b"\n"
    assert block.data.startswith(rb'1,"say \"no\""')


def test_bytes_are_counted_from_the_start_of_the_file() -> None:
    (block,) = cut(b"1,a,x\r\n2,\xff,x\r\n", 1_000)

    assert [fault.said for fault in block.broken] == ["0xff at byte 109 of the file"]


def test_crlf_is_noticed() -> None:
    assert [block.crlf for block in cut(b"1,a,x\r\n", 1_000)] == [True]
    assert [block.crlf for block in cut(b"1,a,x\n", 1_000)] == [False]


def test_a_line_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("personalization.datasets.lines.LONGEST_LINE", 100)

    with pytest.raises(LineTooLong) as given_up:
        cut(b"1,a,x\n" + b"y" * 300, 50)
    assert given_up.value.line == 3
