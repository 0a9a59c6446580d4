"""Lines are what a JSON library would have written, and arrays never misalign."""

from __future__ import annotations

from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.connectors.base import Membership, Rendering
from personalization.errors import ConfigError
from personalization.transforms.item_metadata import Items, no_items, read_items
from personalization.transforms.recommendation_lines import SEPARATOR, inside
from personalization.transforms.recommendation_rendering import (
    AttributeRenderer,
    MembershipRenderer,
)


def items(folder: Path, *rows: dict, fields=None) -> Items:
    file = folder / "items.json"
    file.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return read_items([file], fields=fields)


def users(**lists: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": list(lists),
            "ids": [SEPARATOR.join(inside(item) for item in ids) for ids in lists.values()],
        }
    )


def lines(renderer, frame: pl.DataFrame, retired=()):
    return [orjson.loads(text) for text in renderer.lines(frame, retired)]


@pytest.fixture
def known(tmp_path: Path) -> Items:
    rows = ({"id": "107", "name": "n107", "price": 9.5}, {"id": "49", "name": "n49"})
    return items(tmp_path, *rows, fields=["name", "price"])


def test_an_item_that_lacks_a_field_does_not_shift_the_others(known):
    renderer = AttributeRenderer(Rendering("external_id", prefix="recs_"), known)

    assert lines(renderer, users(ana=["105", "107", "49"])) == [
        {
            "external_id": "ana",
            "recs_name": [None, "n107", "n49"],
            "recs_price": [None, 9.5, None],
            "recs_itemId": ["105", "107", "49"],
        }
    ]


def test_objects_leave_out_what_an_item_does_not_have(known):
    rendering = Rendering("external_id", prefix="recs_", style="objects", list_name="picks")

    assert lines(AttributeRenderer(rendering, known), users(ana=["105", "107", "49"])) == [
        {
            "external_id": "ana",
            "picks": [
                {"itemId": "105"},
                {"name": "n107", "price": 9.5, "itemId": "107"},
                {"name": "n49", "itemId": "49"},
            ],
        }
    ]


def test_lists_of_different_lengths_keep_the_order_of_their_users(known):
    renderer = AttributeRenderer(Rendering("external_id"), known)
    frame = users(a=["49"], b=["107", "49"], c=["1"], d=["107", "107"])

    found = [(it["external_id"], it["itemId"], it["name"]) for it in lines(renderer, frame)]

    assert found == [
        ("a", ["49"], ["n49"]),
        ("b", ["107", "49"], ["n107", "n49"]),
        ("c", ["1"], [None]),
        ("d", ["107", "107"], ["n107", "n107"]),
    ]


def test_other_attributes_and_the_destinations_wrap_surround_the_lists():
    rendering = Rendering(
        "external_id",
        constants={"campaign": "x", "n": 1},
        wrap='{"type":"profile","attributes":{"external_id":$user,"properties":{$attributes}}}',
    )

    assert lines(AttributeRenderer(rendering, no_items()), users(ana=["1"])) == [
        {
            "type": "profile",
            "attributes": {
                "external_id": "ana",
                "properties": {"campaign": "x", "n": 1, "itemId": ["1"]},
            },
        }
    ]


def test_clearing_takes_away_what_was_ever_set(known):
    rendering = Rendering("external_id", prefix="recs_", constants={"_update_existing_only": True})
    renderer = AttributeRenderer(rendering, known)

    found = renderer.clearing(pl.Series("user_id", ['a"b']), ("old_name", "recs_name"))

    assert [orjson.loads(text) for text in found] == [
        {
            "external_id": 'a"b',
            "_update_existing_only": True,
            "recs_name": None,
            "recs_price": None,
            "recs_itemId": None,
            "old_name": None,
        }
    ]


def test_what_is_no_longer_sent_is_taken_away_with_the_next_line(known):
    renderer = AttributeRenderer(Rendering("external_id"), known)

    (line,) = lines(renderer, users(ana=["49"]), ("old_name",))

    assert line["old_name"] is None
    assert line["name"] == ["n49"]


@pytest.mark.parametrize(
    ("rendering", "said"),
    [
        (Rendering("id", prefix="r_", constants={"r_name": 1}),
         "itemMetadataFields: name: gives the attribute 'r_name', which otherAttributes sets"),
        (Rendering("name"), "gives the attribute 'name', which is the user's id already"),
        (Rendering("id", style="objects", list_name="x", constants={"x": 1}),
         "listName: x: gives the attribute 'x', which otherAttributes sets already"),
    ],
    ids=["other-attribute", "user-id", "list-name"],
)  # fmt: skip
def test_two_attributes_of_one_name_are_refused(known, rendering, said):
    with pytest.raises(ConfigError, match="two attributes would have the same name") as refused:
        AttributeRenderer(rendering, known)

    assert said.removeprefix("itemMetadataFields: name: ") in str(refused.value)


@pytest.mark.parametrize(
    "other",
    [
        Rendering("external_id", prefix="b_"),
        Rendering("external_id", prefix="a_", style="objects"),
        Rendering("external_id", prefix="a_", constants={"x": 1}),
        Rendering("other_id", prefix="a_"),
        Rendering("external_id", prefix="a_", cleared='""'),
    ],
    ids=["prefix", "style", "constants", "user-key", "cleared"],
)
def test_a_fingerprint_changes_with_the_rendering(known, other):
    mine = Rendering("external_id", prefix="a_", constants={})

    assert AttributeRenderer(mine, known).fingerprint == AttributeRenderer(mine, known).fingerprint
    assert AttributeRenderer(mine, known).fingerprint != AttributeRenderer(other, known).fingerprint


def test_a_fingerprint_forgets_the_order_of_other_attributes_but_not_of_fields(tmp_path):
    row = {"id": "a", "x": 1, "y": 2}
    one, two = (items(tmp_path, row, fields=it) for it in (["x", "y"], ["y", "x"]))
    ab, ba = (Rendering("id", constants=it) for it in ({"a": 1, "b": 2}, {"b": 2, "a": 1}))

    assert AttributeRenderer(ab, one).fingerprint == AttributeRenderer(ba, one).fingerprint
    assert AttributeRenderer(ab, one).fingerprint != AttributeRenderer(ab, two).fingerprint


def test_items_without_metadata_are_counted_once(known):
    renderer = AttributeRenderer(Rendering("external_id"), known)

    renderer.lines(users(a=["1", "49", "2"], b=["2", "107"]), ())

    assert renderer.without_metadata == 2


def test_membership_is_the_destinations_own_text():
    rendering = Rendering("external_id", constants={"c": 1})
    renderer = MembershipRenderer(rendering, Membership('"vip":true', '"vip":false'))
    frame = users(ana=["member"])

    assert lines(renderer, frame) == [{"external_id": "ana", "c": 1, "vip": True}]
    assert list(renderer.clearing(frame["user_id"], ())) == [
        '{"external_id":"ana","c":1,"vip":false}'
    ]


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
values = st.none() | st.booleans() | st.integers(-9, 9) | names | st.lists(names, max_size=2)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.dictionaries(names, st.fixed_dictionaries({"f": values, "g": values}), max_size=5),
    lists=st.dictionaries(names, st.lists(names, min_size=1, max_size=4), min_size=1, max_size=6),
    style=st.sampled_from(["parallel", "objects"]),
)
def test_any_text_comes_out_as_it_went_in(tmp_path_factory, rows, lists, style):
    rows = {"0": {"f": 0, "g": 0}, **rows}
    known = items(
        tmp_path_factory.mktemp("items"),
        *({"id": id_, **row} for id_, row in rows.items()),
        fields=["f", "g"],
    )
    # Whatever is recommended, half of it is known.
    lists = {user: [*ids, list(rows)[len(ids) % len(rows)]] for user, ids in lists.items()}
    renderer = AttributeRenderer(Rendering("who", prefix="p_", style=style, list_name="l"), known)

    found = lines(renderer, users(**lists))

    empty = {"f": None, "g": None}
    if style == "parallel":
        expected = [
            {
                "who": user,
                "p_f": [rows.get(item, empty)["f"] for item in ids],
                "p_g": [rows.get(item, empty)["g"] for item in ids],
                "p_itemId": ids,
            }
            for user, ids in lists.items()
        ]
    else:
        expected = [
            {
                "who": user,
                "l": [
                    {k: v for k, v in rows.get(item, empty).items() if v is not None}
                    | {"itemId": item}
                    for item in ids
                ],
            }
            for user, ids in lists.items()
        ]
    assert found == expected


def test_objects_without_any_metadata_hold_ids_only():
    rendering = Rendering("who", style="objects", list_name="l")

    assert lines(AttributeRenderer(rendering, no_items()), users(ana=["1", "2"])) == [
        {"who": "ana", "l": [{"itemId": "1"}, {"itemId": "2"}]}
    ]
