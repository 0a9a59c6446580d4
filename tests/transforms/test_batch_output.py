"""Reading `.out` files: every shape that is written or printed somewhere, and every fault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalization.transforms import batch_output
from personalization.transforms.batch_output import RejectedLine, SegmentLine, read_lines
from personalization.transforms.user_lists import split_strings, strings_of

WRITTEN = b'{"input":{"itemId":"7"},"output":{"usersList":["ana","bo"]},"error":null}'


def read(path: Path, content: bytes) -> tuple[list[SegmentLine], list[RejectedLine], list[bytes]]:
    rejected: list[RejectedLine] = []
    texts: list[bytes] = []

    def reject(line: RejectedLine, text: bytes) -> None:
        rejected.append(line)
        texts.append(text)

    path.write_bytes(content)
    return list(read_lines(path, reject)), rejected, texts


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(WRITTEN, id="as-written"),
        pytest.param(
            b'{"input": {"itemId": "7"}, "output": {"usersList": ["ana", "bo"]}, "error": null}',
            id="spaced-as-in-the-notebooks",
        ),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"recommendedUsers":["ana","bo"]},"error":null}',
            id="recommendedUsers-as-in-the-guide",
        ),
        pytest.param(
            b'{"itemId":"7","output":{"recommendedUsers":["ana","bo"]},"error":null}',
            id="query-at-the-top-level",
        ),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"usersList":["ana","bo"]}}', id="no-error"
        ),
        pytest.param(
            b'{"error":null,"output":{"usersList":["ana","bo"]},"input":{"itemId":"7"}}',
            id="other-order",
        ),
        pytest.param(b'{"input":{"itemId":7},"output":{"usersList":["ana","bo"]}}', id="number-id"),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"usersList":["\\u0061na","bo"]}}', id="escaped"
        ),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"usersList":["ana","bo"],"recommendedUsers":["ana",'
            b'"bo"]}}',
            id="both-keys-alike",
        ),
        pytest.param(
            b'{"input":{"itemId":"7","note":"usersList"},"output":{"usersList":["ana","bo"]}}',
            id="the-key-is-a-value-elsewhere",
        ),
        pytest.param(
            b'{"input":{"itemId":"7","x":{"usersList":["no"]}},"output":{"usersList":["ana","bo"]}}',
            id="the-key-is-a-key-elsewhere",
        ),
        pytest.param(
            b'{"output":{"usersList":["no"]},"input":{"itemId":"7"},"output":{"usersList":'
            b'["ana","bo"]}}',
            id="a-repeated-key-counts-last",
        ),
    ],
)
def test_every_shape_of_a_line_is_read(tmp_path, line):
    lines, rejected, _ = read(tmp_path / "a.out", line)

    assert [found.users.to_list() for found in lines] == [["ana", "bo"]]
    assert lines[0].query["itemId"] == "7"
    assert rejected == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(WRITTEN + b"\n" + WRITTEN + b"\n", id="final-newline"),
        pytest.param(WRITTEN + b"\n" + WRITTEN, id="no-final-newline"),
        pytest.param(WRITTEN + b"\r\n" + WRITTEN + b"\r\n", id="crlf"),
        pytest.param(b"\n\n" + WRITTEN + b"\n \t\r\n\n" + WRITTEN + b"\n\n", id="blank-lines"),
        pytest.param(b"\xef\xbb\xbf" + WRITTEN + b"\n" + WRITTEN, id="byte-order-mark"),
    ],
)
def test_lines_end_as_they_like(tmp_path, content):
    lines, rejected, _ = read(tmp_path / "a.out", content)

    assert [line.users.to_list() for line in lines] == [["ana", "bo"]] * 2
    assert lines[1].text() == WRITTEN
    assert rejected == []


def test_an_empty_file_has_no_lines(tmp_path):
    assert read(tmp_path / "a.out", b"") == ([], [], [])


def test_filter_values_are_part_of_the_query(tmp_path):
    line = b'{"input":{"itemId":"7","filterValues":{"A":"1"}},"output":{"usersList":[]}}'
    (found,), _, _ = read(tmp_path / "a.out", line)

    assert found.query == {"itemId": "7", "filterValues": {"A": "1"}}
    assert found.users.to_list() == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        pytest.param(b'{"input":{"itemId":"7"},"outp', "is not JSON: ", id="cut-off"),
        pytest.param(
            b'{"output":{"usersList":["a","b"', "is not JSON: ", id="cut-off-in-the-users"
        ),
        pytest.param(b'{"output":{"usersList":["\xff"]}}', "is not JSON: ", id="not-utf-8"),
        pytest.param(b'{"output":{"usersList":["a\tb"]}}', "is not JSON: ", id="control-character"),
        pytest.param(b'{"output":{"usersList":["a",]}}', "is not JSON: ", id="trailing-comma"),
        pytest.param(b"[1]", "is a JSON list, not an object", id="a-list"),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":null,"error":"item 7 is unknown"}',
            "Personalize says: item 7 is unknown",
            id="error",
        ),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"usersList":["a"]},"error":{"code":4}}',
            'Personalize says: {"code":4}',
            id="error-object-beside-users",
        ),
        pytest.param(b'{"input":{"itemId":"7"},"output":null}', "has no output", id="null-output"),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"recommendedItems":["1"]}}',
            "its output has neither usersList nor recommendedUsers but recommendedItems",
            id="output-of-an-inference-job",
        ),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"usersList":["a"],"recommendedUsers":["b"]}}',
            "its usersList and recommendedUsers differ",
            id="two-lists",
        ),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"usersList":"a"}}',
            "its users are a, not a list",
            id="no-list",
        ),
        pytest.param(
            b'{"input":{"itemId":"7"},"output":{"usersList":[null,""]}}',
            "none of its 2 users is an id; the first is None",
            id="no-user-with-an-id",
        ),
        pytest.param(
            b'{"input":{},"output":{"usersList":["a"]}}',
            "says neither itemAttributes nor itemId",
            id="no-query",
        ),
        pytest.param(
            b'{"input":{"itemId":"7","itemAttributes":"x"},"output":{"usersList":["a"]}}',
            "says both itemAttributes and itemId",
            id="two-queries",
        ),
        pytest.param(
            b'{"input":{"itemAttributes":["x"]},"output":{"usersList":["a"]}}',
            'its itemAttributes is ["x"], not a string',
            id="query-not-text",
        ),
    ],
)
def test_a_line_that_cannot_be_used_is_set_aside_with_its_reason(tmp_path, line, reason):
    lines, rejected, texts = read(tmp_path / "a.out", WRITTEN + b"\n" + line + b"\n" + WRITTEN)

    assert [found.number for found in lines] == [1, 3]
    assert [(found.file.name, found.number) for found in rejected] == [("a.out", 2)]
    assert rejected[0].reason.startswith(reason)
    assert texts == [line]


def test_users_without_an_id_are_left_out_and_counted(tmp_path):
    line = b'{"input":{"itemId":"7"},"output":{"usersList":["a","",null,"b",true,7,{"x":1}]}}'
    (found,), rejected, _ = read(tmp_path / "a.out", line)

    assert rejected == []
    assert (found.users.to_list(), found.no_ids) == (["a", "b", "7"], 4)


def test_a_reason_from_outside_is_shortened(tmp_path):
    line = orjson.dumps({"output": None, "error": "no " * 1000})
    _, rejected, _ = read(tmp_path / "a.out", line)

    assert len(rejected[0].reason) == 200


ids = st.lists(st.text(min_size=1).filter(lambda text: not _has_surrogates(text)), max_size=8)


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


@given(
    users=ids,
    ascii_only=st.booleans(),
    separators=st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]),
)
def test_any_ids_in_any_spelling_are_read_as_json_means_them(
    tmp_path_factory, users, ascii_only, separators
):
    line: dict[str, Any] = {"input": {"itemAttributes": 'a = "]["'}, "output": {"usersList": users}}
    text = json.dumps(line, ensure_ascii=ascii_only, separators=separators).encode()
    lines, rejected, _ = read(tmp_path_factory.mktemp("any") / "a.out", text)

    assert rejected == []
    assert lines[0].users.to_list() == users
    assert lines[0].query == line["input"]


compact = st.lists(
    st.text(
        st.characters(exclude_characters='"\\', min_codepoint=0x20, exclude_categories=["Cs"])
    ).filter(bool),
    min_size=1,
    max_size=30,
)


@given(users=compact, window=st.integers(1, 64), separator=st.sampled_from([",", ", "]))
def test_plain_arrays_are_split_without_a_parser_whatever_the_window(users, window, separator):
    inside = json.dumps(users, ensure_ascii=False, separators=(separator, ":"))[1:-1].encode()
    split = split_strings(inside, 0, len(inside), window)

    # A window too small for an id, or cut at an id that looks like a border, declines; it never
    # answers otherwise.
    assert split is None or split.to_list() == users
    looks_like_a_border = {",", ", "} & set(users)
    assert (
        split is not None or looks_like_a_border or window < max(len(u.encode()) for u in users) + 5
    )


@given(
    st.lists(
        st.sampled_from([b'"', b",", b" ", b"a", b'"a"', b'"b","c"', b"\\", b"1", b"\n", b"\xc3"]),
        max_size=12,
    )
)
def test_the_splitter_never_accepts_what_a_parser_reads_otherwise(pieces):
    inside = b"".join(pieces)
    split = split_strings(inside, 0, len(inside))

    if split is not None:
        assert split.to_list() == orjson.loads(b"[" + inside + b"]")


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param(b'"a","b", "c"', id="compact-then-spaced"),
        pytest.param(b'"a", "b","c"', id="spaced-then-compact"),
        pytest.param(b'"a","b" ,"c"', id="space-before"),
        pytest.param(b'"a",  "b",  "c"', id="two-spaces"),
        pytest.param(b' "a","b"', id="space-at-the-start"),
        pytest.param(b'"a","b" ', id="space-at-the-end"),
        pytest.param(b'"a","\\u0062"', id="escape"),
        pytest.param(b'"a",1', id="number"),
        pytest.param(b'1,"a"  ', id="bytes-that-add-up-by-accident"),
    ],
)
def test_an_array_with_any_surprise_is_left_to_a_parser(inside):
    assert split_strings(inside, 0, len(inside)) is None


def test_a_space_after_each_comma_loses_no_user():
    inside = b'"a", "b", "c d"'
    split = split_strings(inside, 0, len(inside))

    assert split is not None
    assert split.to_list() == ["a", "b", "c d"]


def test_whole_numbers_become_text():
    users = strings_of([1, "b"])

    assert not isinstance(users, str)
    assert users.to_list() == ["1", "b"]


@pytest.mark.parametrize("separator", [",", ", "], ids=["compact", "spaced"])
def test_a_long_line_never_becomes_python_objects(tmp_path, monkeypatch, separator):
    def refuse(values: object) -> None:
        raise AssertionError("the users went through the JSON parser")

    monkeypatch.setattr(batch_output, "strings_of", refuse)
    users = [f"user-{number}" for number in range(1_000_000)]  # more than one window
    line = {"input": {"itemId": "7"}, "output": {"usersList": users}}
    text = json.dumps(line, separators=(separator, ":")).encode()
    (found,), _, _ = read(tmp_path / "a.out", text)

    assert found.users.equals(pl.Series("user_id", users))
