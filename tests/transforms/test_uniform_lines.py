"""Pieces that look alike are cut as a table; whatever else there is, is left to another way."""

from __future__ import annotations

import json

import pytest

from personalization.transforms.uniform_lines import cut_uniform


def line(user="u1", items=("a", "b"), gap="", scores=True) -> str:
    output = {"recommendedItems": list(items), **({"scores": [0.5, 1e-7]} if scores else {})}
    whole = {"input": {"userId": user}, "output": output, "error": None}
    return json.dumps(whole, separators=(f",{gap}", f":{gap}"), ensure_ascii=False)


@pytest.mark.parametrize("gap", ["", " "], ids=["compact", "spaced"])
@pytest.mark.parametrize("scores", [True, False], ids=["scores", "no-scores"])
@pytest.mark.parametrize("end", ["", "\n"], ids=["cut-off", "ended"])
def test_usual_lines_are_cut(gap, scores, end):
    lines = [line("u1", "ab", gap, scores), line("ü", ["ä,", "}", "x y"], gap, scores)]

    cut = cut_uniform(("\n".join(lines) + end).encode(), "userId")

    assert cut is not None
    assert cut.rows() == [("u1", 'a","b'), ("ü", 'ä,","}","x y')]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(line(items=[]), id="empty-list"),
        pytest.param(line(items=["a", ""]), id="empty-id"),
        pytest.param(line(items=["", "a"]), id="empty-first-id"),
        pytest.param(line(items=["a[", "b"]), id="bracket"),
        pytest.param(line(items=['a"b']), id="escape"),
        pytest.param(line(user="a\tb"), id="escaped-control"),
        pytest.param(line().replace("u1", "u\t1"), id="control-in-user"),
        pytest.param(line().replace('"a"', '"a\x1f"'), id="control-in-id"),
        pytest.param(line().replace("0.5", "\\u0030"), id="backslash-in-scores"),
        pytest.param(line(user=""), id="no-user"),
        pytest.param(line(gap=" "), id="the-other-form"),
        pytest.param(line(scores=False), id="no-scores"),
        pytest.param(line().replace('"a","b"', '"a", "b"'), id="gap-behind"),
        pytest.param(line().replace('"a","b"', '"a" ,"b"'), id="gap-before"),
        pytest.param(line().replace('"a","b"', '"a"x"b"'), id="stray-quotes"),
        pytest.param(line().replace('"a","b"', '"a",1'), id="number"),
        pytest.param(line().replace("0.5", '"0.5"'), id="quoted-score"),
        pytest.param(line().replace("0.5", "]}"), id="brace-in-scores"),
        pytest.param(line().replace("null", '"no"'), id="error"),
        pytest.param(line().replace("userId", "itemId"), id="another-key"),
        pytest.param(line().replace('"u1"', '"u1","x":"y"'), id="more-input"),
        pytest.param(line()[:-9], id="half-a-line"),
        pytest.param(line() + " ", id="blank-behind"),
        pytest.param(line() + "\r", id="cr"),
        pytest.param("", id="blank-line"),
        pytest.param("   ", id="blanks"),
        pytest.param(line() + line(), id="two-in-a-line"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "later"])
def test_one_line_that_differs_is_a_doubt_about_all(odd, first):
    lines = [odd, line()] if first else [line(), odd, line()]

    assert cut_uniform("\n".join(lines).encode(), "userId") is None


def test_text_that_is_not_utf_8_is_a_doubt():
    assert cut_uniform(line().encode() + b"\n" + line("x").encode("utf-16"), "userId") is None
    assert cut_uniform(line("ü").encode("latin-1"), "userId") is None
