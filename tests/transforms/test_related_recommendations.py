"""Items' lists and a mapping of users become one list a user."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import polars as pl
import pytest

from personalization.connectors.base import Rendering
from personalization.errors import ConfigError
from personalization.transforms.item_metadata import no_items, read_items
from personalization.transforms.recommendation_rendering import AttributeRenderer
from personalization.transforms.recommendation_state import promote
from personalization.transforms.recommendations import write_outbox
from personalization.transforms.related_recommendations import open_related

LISTS = {"105": ["106", "107", "49"], "106": ["105", "107", "49"], "441": []}
MAPPING = "USER_ID,ITEM_ID\n123,105\n124,105\n234,106\n235,441\n"


def output(folder: Path, lists: dict[str, list[str]] = LISTS) -> Path:
    """As the README of the AWS solution prints it: neither scores nor error."""
    file = folder / "job_config.json.out"
    lines = [
        json.dumps({"input": {"itemId": item}, "output": {"recommendedItems": listed}})
        for item, listed in lists.items()
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def mapped(folder: Path, text: str = MAPPING, name: str = "mapping.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def merged(folder: Path, mapping: str, lists: dict[str, list[str]] = LISTS, **how):
    source = open_related([output(folder, lists)], [mapped(folder, mapping)], scratch=folder, **how)
    rows = {}
    for part in source.parts:
        rows.update(source.read(part).rows.iter_rows())
    source.close()
    return {user: ids.split('","') if ids else [] for user, ids in rows.items()}, source


def test_the_golden_case_gives_every_user_every_item_once(tmp_path):
    metadata = tmp_path / "items.json"
    metadata.write_text('{"id":"106","name":"n106"}\n{"id":"107","name":"n107"}\n')
    items = read_items([metadata])
    source = open_related([output(tmp_path)], [mapped(tmp_path)], scratch=tmp_path)
    rendering = Rendering("external_id", prefix="recs_")
    renderer = AttributeRenderer(rendering, items)

    report = write_outbox(source, renderer, items, tmp_path / "state", tmp_path / "outbox")
    lines = [orjson.loads(it) for it in report.outbox.lines("00000").read_bytes().splitlines()]

    expected = {
        "123": (["106", "107", "49"], ["n106", "n107", None]),
        "124": (["106", "107", "49"], ["n106", "n107", None]),
        "234": (["105", "107", "49"], [None, "n107", None]),
    }
    assert {it["external_id"]: (it["recs_itemId"], it["recs_name"]) for it in lines} == expected
    assert len(lines) == 3
    assert report.counts["without_recommendations"] == 1
    assert report.counts["items_without_metadata"] == 2


def test_users_of_the_same_item_do_not_multiply_its_recommendations(tmp_path):
    lists, _ = merged(tmp_path, "USER_ID,ITEM_ID\n" + "".join(f"{n},105\n" for n in range(50)))

    assert lists == {str(n): ["106", "107", "49"] for n in range(50)}


def test_the_latest_item_is_the_last_row(tmp_path):
    lists, _ = merged(tmp_path, "USER_ID,ITEM_ID\nana,105\nana,106\n")

    assert lists == {"ana": ["105", "107", "49"]}


def test_the_latest_item_is_told_by_times_where_there_are_any(tmp_path):
    mapping = "USER_ID,ITEM_ID,TIMESTAMP\nana,105,1000000000\nana,106,999999999\n"

    lists, _ = merged(tmp_path, mapping)

    assert lists == {"ana": ["106", "107", "49"]}


@pytest.mark.parametrize("last", ["441", "unknown"], ids=["empty-list", "no-line"])
def test_an_item_without_a_list_is_passed_over_for_one_before_it(tmp_path, last):
    lists, _ = merged(tmp_path, f"USER_ID,ITEM_ID\nana,105\nana,{last}\n")

    assert lists == {"ana": ["106", "107", "49"]}


def test_interleaving_takes_the_first_of_each_list_then_the_second_without_repeats(tmp_path):
    lists, _ = merged(
        tmp_path,
        "USER_ID,ITEM_ID\nana,1\nana,2\nben,1\nana,2\n",
        {"1": ["a", "b", "c"], "2": ["x", "a", "y", "z"]},
        merge="interleave",
    )

    assert lists == {"ana": ["x", "a", "b", "y", "c", "z"], "ben": ["a", "b", "c"]}


def test_a_cap_holds_for_merged_lists(tmp_path):
    lists, _ = merged(
        tmp_path,
        "USER_ID,ITEM_ID\nana,1\nana,2\nben,1\n",
        {"1": ["a", "b", "c"], "2": ["x", "a"]},
        merge="interleave",
        cap=3,
    )

    assert lists == {"ana": ["x", "a", "b"], "ben": ["a", "b", "c"]}


def test_what_has_no_counterpart_is_counted(tmp_path):
    lists, source = merged(tmp_path, "USER_ID,ITEM_ID\nana,105\nben,888\nben,999\n")

    assert lists == {"ana": ["106", "107", "49"], "ben": []}
    assert source.counts == {
        "mapped_rows": 3,
        "items": 3,
        "items_without_users": 2,
        "mapped_items_without_list": 2,
    }


def test_ids_keep_their_leading_zeros_and_quotes(tmp_path):
    lists, _ = merged(tmp_path, 'USER_ID,ITEM_ID\n"a,""b""",007\n', {"007": ["01"], "7": ["02"]})

    assert lists == {'a,"b"': ["01"]}


def test_a_mapping_without_its_columns_is_refused_with_what_it_has(tmp_path):
    mapping = mapped(tmp_path, "user,ITEM_ID\n1,2\n")

    with pytest.raises(ConfigError, match="USER_ID: is missing; there are: user, ITEM_ID"):
        open_related([output(tmp_path)], [mapping], scratch=tmp_path)


def test_no_mapping_at_all_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="put CSVs into input/user_item_mapping/"):
        open_related([output(tmp_path)], [], scratch=tmp_path)


def test_a_mapping_of_many_buckets_gives_the_same(tmp_path, monkeypatch):
    module = "personalization.transforms.related_recommendations._BUCKET_BYTES"
    mapping = "USER_ID,ITEM_ID\n" + "".join(f"u{n},{105 + n % 2}\n" for n in range(500))
    whole, _ = merged(tmp_path, mapping)
    monkeypatch.setattr(module, 200)

    split, source = merged(tmp_path, mapping)

    assert source.buckets > 10
    assert split == whole


def test_no_items_known_gives_ids_only(tmp_path):
    source = open_related([output(tmp_path)], [mapped(tmp_path)], scratch=tmp_path)
    renderer = AttributeRenderer(Rendering("external_id"), no_items())

    report = write_outbox(source, renderer, no_items(), tmp_path / "state", tmp_path / "outbox")
    lines = sorted(report.outbox.lines("00000").read_bytes().splitlines())

    assert lines[0] == b'{"external_id":"123","itemId":["106","107","49"]}'


FAILED = '{"input":{"itemId":"105"},"output":null,"error":"InternalServerException"}\n'


def kept(folder: Path, mapping: str, lists: dict[str, list[str]], **how):
    file = output(folder, lists)
    file.write_text(file.read_text() + FAILED)
    source = open_related([file], [mapped(folder, mapping)], scratch=folder, **how)
    rows, failed = {}, []
    for part in source.parts:
        found = source.read(part)
        rows.update(found.rows.iter_rows())
        failed += found.failed.to_list()
    source.close()
    return rows, sorted(failed), source.counts


@pytest.mark.parametrize("merge", ["latest", "interleave"])
def test_users_whose_items_have_errors_and_no_list_keep_what_they_have(tmp_path, merge):
    mapping = "USER_ID,ITEM_ID\nana,105\nana,441\nben,441\ncy,105\ncy,106\n"

    rows, failed, counts = kept(tmp_path, mapping, {"106": ["1"], "441": []}, merge=merge)

    assert rows == {"ben": "", "cy": "1"}
    assert failed == ["ana"]
    assert counts["mapped_items_without_list"] == 1


def test_an_item_with_an_answer_and_an_error_has_the_answer(tmp_path):
    rows, failed, _ = kept(tmp_path, "USER_ID,ITEM_ID\nana,105\n", {"105": ["1"]})

    assert (rows, failed) == ({"ana": "1"}, [])


def test_an_error_of_an_item_clears_none_of_its_users(tmp_path):
    mapping = mapped(tmp_path, "USER_ID,ITEM_ID\nana,105\nben,106\n")
    errors = tmp_path / "errors.out"
    errors.write_text(FAILED)
    state, target = tmp_path / "state", tmp_path / "outbox"
    renderer = AttributeRenderer(Rendering("id"), no_items())

    def report(*files: Path):
        source = open_related(list(files), [mapping], scratch=tmp_path)
        return write_outbox(source, renderer, no_items(), state, target)

    outbox = report(output(tmp_path, {"105": ["1"], "106": ["2"]})).outbox
    promote(state, [(outbox, {"00000": pl.Series([True, True])})])
    counts = report(output(tmp_path, {"106": ["2"]}), errors).counts

    assert (counts["cleared"], counts["kept_on_error"], counts["errors"]) == (0, 1, 1)


@pytest.mark.parametrize(("cap", "expected"), [(None, 500), (30, 30)], ids=["none", "maxItems"])
def test_interleaved_lists_are_no_longer_than_personalize_would_make_one(tmp_path, cap, expected):
    lists = {str(n): [f"{n}-{m}" for m in range(25)] for n in range(60)}
    mapping = "USER_ID,ITEM_ID\n" + "".join(f"ana,{n}\n" for n in lists)

    merged_lists, _ = merged(tmp_path, mapping, lists, merge="interleave", cap=cap)

    assert len(merged_lists["ana"]) == expected
    assert merged_lists["ana"][:2] == ["59-0", "58-0"]
