"""However lists are written, every id is found where it is, and no other is taken for it."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.transforms.item_rows import ItemRows
from personalization.transforms.recommendation_lines import SEPARATOR, inside

IDS = ("B01", "B02", "B03", "é1", "B00000007", "00000000-0000-0000-0000-00000000000a", 'a"b')


def item_rows(*ids: str) -> ItemRows:
    return ItemRows(pl.Series("item_id", [inside(it) for it in ids], pl.String))


def lists(*listed: list[str]) -> pl.Series:
    return pl.Series([SEPARATOR.join(inside(it) for it in ids) for ids in listed])


def expected(known: tuple[str, ...], *listed: list[str]) -> list[int]:
    return [known.index(it) if it in known else len(known) for ids in listed for it in ids]


@pytest.mark.parametrize("width", [1, 2, 7, 8, 9, 15, 16, 17, 36])
def test_ids_of_any_width_are_found(width):
    known = tuple(f"{number:0{width}x}" for number in range(min(16**width, 3000)))
    looked = [list(known[-3:]), [known[0], "-" * width, known[1]], ["+" * width] * 3]
    rows = item_rows(*known)

    even = rows.of_lists(lists(*looked))

    assert even is not None
    assert even.length == 3
    assert even.rows.to_list() == expected(known, *looked)
    assert rows.unknown == 2


@pytest.mark.parametrize(
    "uneven",
    [
        pytest.param([["B01", "B02"], ["B03"]], id="lengths"),
        pytest.param([["B01", "B02"], ["B0", "B021"]], id="places"),
        pytest.param([["B0123", "B4567"], ["B", "C", "B4567"]], id="more-in-as-many-bytes"),
        pytest.param([["B01", "B02"], ["B01", "B0123"]], id="sizes"),
        pytest.param([['a"b', "B012"]], id="a-quote"),
    ],
)
def test_lists_that_are_not_even_are_told_apart(uneven):
    assert item_rows(*IDS).of_lists(lists(*uneven)) is None


def test_an_id_is_not_found_among_those_that_only_begin_or_end_like_it():
    rows = item_rows("12345678A", "x12345678", "1234567")

    even = rows.of_lists(lists(["12345678B", "y12345678"]))

    assert even is not None
    assert even.rows.to_list() == [3, 3]


def test_nothing_is_found_where_nothing_is_known():
    rows = item_rows()

    even = rows.of_lists(lists(["B01", "B02"]))

    assert even is not None
    assert even.rows.to_list() == [0, 0]
    assert rows.of_items(pl.Series(["B01"])).to_list() == [0]


def test_what_is_not_known_is_counted_once_whichever_way_it_is_looked_for():
    rows = item_rows("B01")
    rows.of_lists(lists(["B02", "B03"], ["B03", "B02"]))
    rows.of_items(pl.Series(["B02", "B04", "B01"]))

    assert rows.unknown == 3


@given(st.lists(st.lists(st.sampled_from([*IDS, "B09", "é2"]), min_size=1), min_size=1))
@settings(max_examples=200, deadline=None)
def test_both_ways_find_the_same(listed):
    rows, texts = item_rows(*IDS), lists(*listed)

    even = rows.of_lists(texts)
    found = rows.of_items(texts.str.split(SEPARATOR).explode())

    assert found.to_list() == expected(IDS, *listed)
    assert even is None or even.rows.equals(found)
