"""Every way in which a line may be written gives what a JSON parser reads in it."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.transforms.recommendation_lines import ListReader, pieces

COMPACT = (",", ":")
SPACED = (", ", ": ")


def line(user="u1", items=("a", "b"), separators=COMPACT, **more) -> str:
    output = {"recommendedItems": list(items), **more}
    whole = {"input": {"userId": user}, "output": output, "error": None}
    return json.dumps(whole, separators=separators, ensure_ascii=False)


def written(folder: Path, *lines: str | bytes, end: bytes = b"\n") -> Path:
    file = folder / "job.out"
    file.write_bytes(end.join(it if isinstance(it, bytes) else it.encode() for it in lines) + end)
    return file


class Counting(ListReader):
    parsed = 0

    def _parse(self, text: bytes) -> tuple[str, str]:
        self.parsed += 1
        return super()._parse(text)


def read(file: Path, size: int = 8 << 20, **how):
    """All rows with ids as lists, all faults, and how many lines took the JSON parser."""
    reader = Counting("userId", **how)
    rows, faults = [], []
    for piece in pieces([file], size):
        lists = reader.read(piece)
        rows += [(user, json.loads(f'["{ids}"]') if ids else []) for user, ids in lists.rows.rows()]
        faults += lists.faults
    return rows, faults, reader.parsed


@pytest.mark.parametrize("separators", [COMPACT, SPACED], ids=["compact", "spaced"])
@pytest.mark.parametrize(
    "more", [{}, {"scores": [0.5, 1e-7]}, {"scores": []}], ids=["no-scores", "scores", "empty"]
)
def test_the_two_usual_forms_need_no_parser(tmp_path, separators, more):
    file = written(tmp_path, line(separators=separators, **more))

    assert read(file) == ([("u1", ["a", "b"])], [], 0)


def test_neither_error_nor_scores_are_needed(tmp_path):
    text = '{"input":{"userId":"u1"},"output":{"recommendedItems":["a"]}}'

    assert read(written(tmp_path, text)) == ([("u1", ["a"])], [], 0)


def test_a_ranking_job_repeats_its_items_in_its_input(tmp_path):
    text = (
        '{"input":{"userId":"891","itemList":["27","886"]},'
        '"output":{"recommendedItems":["886","27"],"scores":[0.9,0.1]},"error":null}'
    )

    assert read(written(tmp_path, text)) == ([("891", ["886", "27"])], [], 0)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param('{"input":{"userId":"x"},"output":{"recommendedItems":["a", "b"]}}', id="gap"),
        pytest.param('{"input":{"userId":"x"},"output":{"recommendedItems":["a" ,"b"]}}',
                     id="gap-before"),
        pytest.param('{"output":{"recommendedItems":["a","b"]},"input":{"userId":"x"}}',
                     id="order"),
        pytest.param('{"input":{"userId":"\\u0078"},"output":{"recommendedItems":["\\u0061","b"]}}',
                     id="escapes"),
        pytest.param('{"input":{"userId":"x"},"output":{"scores":[],"recommendedItems":["a","b"]}}',
                     id="scores-first"),
        pytest.param(line("x", theme="t"), id="another-key"),
        pytest.param(line("x") + "  ", id="blanks-behind"),
        pytest.param('{"input":{"userId":"x"},"output":{"recommendedItems":["a","b"]},'
                     '"error":""}', id="empty-error"),
    ],
)  # fmt: skip
def test_other_lines_take_the_parser_and_stay_in_their_place(tmp_path, odd):
    file = written(tmp_path, line("u0"), odd, line("u2"))

    rows, faults, parsed = read(file)

    assert rows == [("u0", ["a", "b"]), ("x", ["a", "b"]), ("u2", ["a", "b"])]
    assert faults == []
    assert parsed == 1


def test_numbers_are_ids_too(tmp_path):
    file = written(tmp_path, '{"input":{"userId":7},"output":{"recommendedItems":[1,2]}}')

    assert read(file)[0] == [("7", ["1", "2"])]


@pytest.mark.parametrize("ids", [["a]b", 'q"q', "c\\d"], ["ä", "日本", "\u2028"], ["x,y", '","']])
def test_ids_may_hold_anything(tmp_path, ids):
    assert read(written(tmp_path, line('u"1', ids), line("ü", ids)))[0] == [
        ('u"1', ids),
        ("ü", ids),
    ]


@pytest.mark.parametrize("listed", ["[]", "null"], ids=["empty", "null"])
def test_no_recommendations_are_no_fault(tmp_path, listed):
    text = f'{{"input":{{"userId":"u1"}},"output":{{"recommendedItems":{listed}}},"error":null}}'

    assert read(written(tmp_path, text))[:2] == ([("u1", [])], [])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"input":{"userId":"x"},"output":null,"error":"no such user"}',
         "Personalize says: no such user"),
        ('{"input":{"userId":"x"},"output":null,"error":{"code":4}}',
         'Personalize says: {"code":4}'),
        ('{"input":{"itemId":"x"},"output":{"recommendedItems":[]}}', "its input has no userId"),
        ('{"input":{"userId":""},"output":{"recommendedItems":[]}}', "its input has no userId"),
        ('{"input":{"userId":"x"},"output":null}', "has no output"),
        ('{"input":{"userId":"x"},"output":{"recommendedItems":"a"}}',
         "its recommendedItems are not a list"),
        ('{"input":{"userId":"x"},"output":{"recommendedItems":["a",""]}}',
         "recommended item 2 is not an id"),
        ("[1]", "is a JSON list, not an object"),
        (line("x")[:-5], "is not JSON: "),
        (b'{"input":{"userId":"\xff"},"output":{"recommendedItems":["a"]}}', "is not JSON: "),
    ],
)  # fmt: skip
def test_what_gives_nothing_says_why_and_leaves_the_others_alone(tmp_path, text, reason):
    rows, faults, _ = read(written(tmp_path, line("u0"), text, line("u2")))

    assert [user for user, _ in rows] == ["u0", "u2"]
    assert len(faults) == 1
    assert faults[0].reason.startswith(reason)
    assert faults[0].text == (text if isinstance(text, bytes) else text.encode())
    assert faults[0].said == reason.startswith("Personalize")


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"], ids=["lf", "crlf", "blank-lines"])
def test_line_ends_do_not_matter(tmp_path, end):
    file = written(tmp_path, line("u0"), line("u1"), end=end)

    assert [user for user, _ in read(file)[0]] == ["u0", "u1"]


def test_a_byte_order_mark_and_a_missing_last_line_end_do_not_matter(tmp_path):
    file = tmp_path / "job.out"
    file.write_bytes(b"\xef\xbb\xbf" + "\n".join([line("u0"), line("u1")]).encode())

    assert [user for user, _ in read(file)[0]] == ["u0", "u1"]


@pytest.mark.parametrize("size", [1, 90, 100, 1000])
def test_pieces_of_any_size_give_the_same(tmp_path, size):
    file = written(tmp_path, *(line(f"u{n}", ["a"] * (n % 7)) for n in range(50)))

    assert read(file, size)[0] == [(f"u{n}", ["a"] * (n % 7)) for n in range(50)]


def test_a_cap_keeps_the_best(tmp_path):
    file = written(tmp_path, line("u0", "abcd"), line("u1", "ab"), line("u2", ""))

    assert read(file, cap=2)[0] == [("u0", ["a", "b"]), ("u1", ["a", "b"]), ("u2", [])]


def test_an_item_that_looks_like_the_end_of_a_list_is_an_item(tmp_path):
    file = written(tmp_path, line("u0", []), line("u1", ["]", "a"]), line("u2", ["a", "]b"]))

    assert read(file)[0] == [("u0", []), ("u1", ["]", "a"]), ("u2", ["a", "]b"])]


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(texts, st.lists(texts, max_size=4), st.sampled_from([COMPACT, SPACED])),
        min_size=1,
        max_size=12,
    )
)
def test_it_reads_what_a_json_parser_reads(tmp_path_factory, answers):
    lines = [line(user, items, separators) for user, items, separators in answers]
    file = written(tmp_path_factory.mktemp("out"), *lines)
    parsed = [orjson.loads(it) for it in lines]

    assert read(file)[:2] == (
        [(it["input"]["userId"], it["output"]["recommendedItems"]) for it in parsed],
        [],
    )
