from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from personalization.local.engine import TrainingData
from personalization.local.engine.events import Events, encode

ROWS = [  # user, item, timestamp
    ("ben", "tea", 30),
    ("ana", "tea", 10),
    ("ana", "cup", 20),
    ("ana", "tea", 25),
    ("ben", "pot", 5),
]


def data(rows: list[tuple[str, str, int]], items: list[str] | None = None) -> TrainingData:
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return TrainingData(frame, None if items is None else pl.DataFrame({"item_id": items}))


@pytest.fixture
def events() -> Events:
    return encode(data(ROWS), seed=0).events  # ana 0, ben 1; cup 0, pot 1, tea 2


def test_events_are_sorted_by_user_and_time(events):
    assert events.user.tolist() == [0, 0, 0, 1, 1]
    assert events.item.tolist() == [2, 0, 2, 1, 2]
    assert events.age_rank.tolist() == [3, 2, 1, 2, 1]


def test_items_without_interactions_have_a_place_too():
    encoded = encode(data(ROWS, items=["urn", "cup"]), seed=0)

    assert encoded.items.values.to_list() == ["cup", "pot", "tea", "urn"]
    assert encoded.events.per_item.tolist() == [1, 1, 3, 0]


def test_unknown_ids_have_no_position():
    users = encode(data(ROWS), seed=0).users

    assert users.positions(["ben", "zoe", "ana"]).tolist() == [1, -1, 0]


def test_the_order_within_a_second_depends_on_the_seed_and_not_on_the_rows():
    rows = [("ana", f"i{n}", 7) for n in range(20)]
    orders = [
        encode(data(some), seed).events.item.tolist()
        for some, seed in ((rows, 0), (rows[::-1], 0), (rows, 1))
    ]

    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != sorted(orders[0])


def test_an_event_on_an_item_met_before_is_a_repeat(events):
    assert events.is_repeat.tolist() == [False, False, True, False, False]


def test_a_history_can_be_cut_to_its_newest_events(events):
    assert events.newest(1).item.tolist() == [2, 2]


def test_users_can_be_picked_in_any_order_and_strangers_have_no_events(events):
    picked = events.of(np.array([1, -1, 0]))

    assert picked.per_user.tolist() == [2, 0, 3]
    assert picked.item.tolist() == [1, 2, 2, 0, 2]


def test_making_a_matrix_leaves_the_events_alone(events):
    before = events.item.tolist(), events.starts.tolist()
    matrix = events.matrix(np.ones(5, np.float32))

    assert matrix.toarray().tolist() == [[1, 0, 2], [0, 1, 1]]
    assert (events.item.tolist(), events.starts.tolist()) == before


def test_without_weights_the_matrix_is_ones(events):
    assert events.matrix().toarray().tolist() == [[1, 0, 1], [0, 1, 1]]
