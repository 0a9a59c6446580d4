"""Item metadata become texts that are rendered once, and versions that tell a change."""

from __future__ import annotations

from pathlib import Path

import pytest

from personalization.errors import ConfigError
from personalization.transforms.item_metadata import read_items
from personalization.transforms.recommendation_state import changed_items


def written(folder: Path, *lines: str, name: str = "items.json") -> Path:
    file = folder / name
    file.write_text("\n".join(lines))
    return file


def rows(items):
    columns = [items.texts[name] for name in items.fields]
    return {id_: row for id_, *row in zip(items.ids, *columns, strict=True)}


def test_chosen_fields_keep_their_order_and_types(tmp_path):
    file = written(tmp_path, '{"id":"a","name":"A\\"1","price":9.5,"tags":["x"],"sold":true}')

    items = read_items([file], fields=["price", "name", "tags", "sold"])

    assert items.fields == ("price", "name", "tags", "sold")
    assert rows(items) == {"a": ["9.5", '"A\\"1"', '["x"]', "true"]}


def test_without_a_choice_all_fields_of_all_items_are_sent(tmp_path):
    file = written(tmp_path, '{"id":"a","name":"A"}', '{"id":"b","price":1,"itemId":"b"}')

    items = read_items([file])

    assert items.fields == ("id", "name", "price")
    assert rows(items) == {"a": ['"a"', '"A"', None], "b": ['"b"', None, "1"]}


def test_the_id_may_stand_in_any_column_and_be_a_number(tmp_path):
    items = read_items(
        [written(tmp_path, '{"sku":7,"name":"A"}')], id_column="sku", fields=["name"]
    )

    assert rows(items) == {"7": ['"A"']}


def test_of_two_lines_for_an_item_the_last_counts(tmp_path):
    first = written(tmp_path, '{"id":"a","n":1}', name="1.json")
    second = written(tmp_path, '{"id":"a","n":2}', name="2.json")

    assert rows(read_items([first, second], fields=["n"])) == {"a": ["2"]}


def test_a_field_that_no_item_has_is_refused_with_those_there_are(tmp_path):
    file = written(tmp_path, '{"id":"a","name":"A"}', '{"id":"b","price":1}')

    with pytest.raises(ConfigError) as refused:
        read_items([file], fields=["nam", "price", "colour"])

    said = str(refused.value)
    assert "itemMetadataFields: nam: no item has it; there are: id, name, price" in said
    assert "itemMetadataFields: colour: no item has it" in said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"id":', "items.json:2: is not JSON"),
        ("[1]", "items.json:2: is not an object; one object a line"),
        ('{"name":"A"}', "items.json:2: has no id in 'id'; name the id's column in itemIdColumn"),
        ('{"id":null}', "items.json:2: has no id in 'id'"),
    ],
    ids=["broken", "list", "no-id", "null-id"],
)
def test_every_line_that_is_no_item_is_named(tmp_path, line, said):
    with pytest.raises(ConfigError, match="the item metadata cannot be used") as refused:
        read_items([written(tmp_path, '{"id":"a"}', line)])

    assert said in str(refused.value)


def test_the_items_own_id_cannot_be_chosen(tmp_path):
    with pytest.raises(ConfigError, match="the name under which the item's own id is always sent"):
        read_items([written(tmp_path, '{"id":"a","itemId":"a"}')], fields=["itemId"])


def versions(folder: Path, *lines: str):
    return read_items([written(folder, *lines)], fields=["name", "price"]).versions


def test_a_version_changes_with_what_is_sent_and_with_nothing_else(tmp_path):
    before = versions(
        tmp_path,
        '{"id":"same","name":"A","price":10,"stock":1}',
        '{"id":"renamed","name":"B","price":1}',
        '{"id":"gone","name":"C","price":1}',
        '{"id":"lost","name":"D","price":1}',
    )
    after = versions(
        tmp_path,
        '{"stock":2,"price":10.0,"name":"A","id":"same"}',
        '{"id":"renamed","name":"B2","price":1}',
        '{"id":"new","name":"E","price":1}',
        '{"id":"lost","name":"D"}',
    )

    assert sorted(changed_items(before, after)) == ["gone", "lost", "new", "renamed"]


def test_versions_are_the_same_on_every_machine(tmp_path):
    found = versions(tmp_path, '{"id":"a","name":"A","price":1}')

    assert found.rows() == [("a", 6796779850272080214)]
