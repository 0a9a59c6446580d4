from __future__ import annotations

import polars as pl
import pytest

from personalization.local.engine.events import Ids
from personalization.local.engine.features import attribute_values, item_features, queryable

ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "GENRES": ["War|Crime", "War", "Crime", None],
        "TITLE": ["Aa", "Bb", "Cc", "Dd"],
        "YEAR": [1990, 1990, 2000, None],
        "CREATION_TIMESTAMP": [1, 1, 1, 1],
        "ADULT": [True, True, False, False],
    }
)
IDS = Ids(pl.Series(["a", "b", "c", "d"]))


def test_segments_can_be_made_of_text_and_numbers_that_are_not_reserved():
    assert queryable(ITEMS) == ["GENRES", "TITLE", "YEAR"]


def test_an_attribute_value_counts_when_two_items_carry_it():
    values = attribute_values(ITEMS, IDS)

    # GENRES=Crime, GENRES=War, YEAR=1990
    assert values.toarray().tolist() == [[1, 1, 1], [0, 1, 1], [1, 0, 0], [0, 0, 0]]


def test_items_that_share_values_are_alike():
    features = item_features(ITEMS, IDS)
    assert features is not None
    alike = (features @ features.T).toarray()

    assert alike[0, 0] == pytest.approx(1)
    assert alike[0, 1] > alike[0, 2] > 0
    assert alike[1, 2] == 0
    assert alike[3].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(None, id="no-items"),
        pytest.param(ITEMS.select("item_id", "TITLE"), id="nothing-shared"),
        pytest.param(ITEMS.select("item_id", "CREATION_TIMESTAMP"), id="only-reserved-columns"),
    ],
)
def test_there_may_be_nothing_to_compare(items):
    assert item_features(items, IDS) is None
