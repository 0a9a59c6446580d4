"""JSON text: what cannot be read, and where things stand."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.config.document import read

TEXT = """{
  "name": "a",
  "list": [
    1,
    {"deep": {"er": [true]}}
  ]
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        pytest.param("", 1, id="root"),
        pytest.param("name", 2, id="member"),
        pytest.param("list", 3, id="list"),
        pytest.param("list[0]", 4, id="element"),
        pytest.param("list[1].deep.er[0]", 5, id="deep"),
        pytest.param("list[1].deep.missing", 5, id="what-is-missing-stands-where-it-should"),
        pytest.param("other.thing[3]", 1, id="nowhere"),
        pytest.param("odd.]", 1, id="no-path"),
    ],
)
def test_every_part_knows_its_line(path, line):
    assert read(TEXT).line(path) == line


def test_a_byte_order_mark_is_passed_over():
    assert read(b'\xef\xbb\xbf{"a": 1}').value == {"a": 1}
    assert read('\ufeff{"a": 1}').value == {"a": 1}


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        pytest.param("", None, "is empty; a parameter file is a JSON object", id="empty"),
        pytest.param(
            '{\n"a": 1, }',
            2,
            "; take out the comma before the bracket",
            id="comma-too-many",
        ),
        pytest.param(
            '{\n"a" 1}', 2, "is not JSON: Expecting ':' delimiter at column 5: \"a\" 1}", id="colon"
        ),
        pytest.param("{'a': 1}", 1, "{'a': 1}; JSON takes double quotes", id="quotes"),
        pytest.param('{"a": 1 // one\n}', 1, "; JSON has no comments", id="comment"),
        pytest.param('{"a": "x\ny"}', 1, "is not JSON: Invalid control character", id="newline"),
        pytest.param(
            b'{"a":\n"\xe9"}',
            2,
            "is not UTF-8: byte 0xe9 at position 7; save the file as UTF-8",
            id="latin-1",
        ),
        pytest.param(
            '{"a": 1,\n"a": 2}',
            2,
            "a: is written twice, first on line 1; only the last would count; take one out",
            id="twice",
        ),
        pytest.param('{"a": [NaN]}', 1, "a[0]: is NaN, which is not JSON", id="nan"),
        pytest.param(
            '{"a": -1e999}', 1, "a: is -1e999, too large a number; at most 1.7e308", id="too-large"
        ),
        pytest.param('{"a": -Infinity}', 1, "a: is -Infinity, which is not", id="infinity"),
        pytest.param(
            "[" * 60 + "]" * 60, 1, "is nested too deeply; at most 50 levels are allowed", id="deep"
        ),
        pytest.param("[" * 100_000, None, "is nested too deeply", id="endless"),
        pytest.param("9" * 5000, None, "holds a number of more than 4300 digits", id="digits"),
        pytest.param(
            '{"a":\n"\\ud800"}',
            1,
            "half a character (a lone surrogate): '\"\\\\ud800\"'; write the chara",
            id="half-a-character",
        ),
    ],
)
def test_what_cannot_be_read_is_a_finding_with_its_line(text, line, expected):
    document = read(text)

    (finding,) = document.findings
    assert finding.line == line
    assert expected in str(finding)


def test_keys_that_look_like_paths_are_not_taken_for_others():
    document = read('{"a.b": 1, "a": {"b": 2}, "": 3, "c": [4], "c[0]": 5}')

    assert document.findings == ()


def test_a_long_line_is_shown_around_the_fault():
    (finding,) = read('{"a": "' + "x" * 5000 + '", oops}').findings

    assert "oops" in finding.problem
    assert len(finding.problem) < 200


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(value=JSON, indent=st.none() | st.integers(0, 3), ascii_only=st.booleans())
def test_whatever_is_json_is_read_as_it_is(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    document = read(text)

    assert document.value == value
    assert document.findings == ()
    assert set(document.lines.values()) <= set(range(1, text.count("\n") + 2))


@settings(deadline=None)
@given(st.text() | st.binary())
def test_no_text_makes_reading_crash(text):
    read(text)
