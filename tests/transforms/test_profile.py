"""What an audience likes, on a world of two users and three films."""

from __future__ import annotations

import polars as pl
import pytest

from personalization.errors import ConfigError
from personalization.transforms.profile import genre_profile

ITEMS = pl.LazyFrame({"item_id": ["1", "2", "3"], "GENRES": ["Action|Crime", "Drama", None]})
INTERACTIONS = pl.LazyFrame(
    {"user_id": ["ana", "ana", "bo", "bo"], "item_id": ["1", "2", "2", "3"]}
)


def test_shares_of_events_by_hand():
    profile = genre_profile(["ana", "ana", "nobody"], INTERACTIONS, ITEMS).collect()

    assert profile.rows() == [
        ("Action", 0.5, 0.25, 2.0),
        ("Crime", 0.5, 0.25, 2.0),
        ("Drama", 0.5, 0.5, 1.0),
    ]
    assert profile.columns == ["attribute_value", "audience_share", "everyone_share", "lift"]


def test_a_value_named_twice_counts_once():
    items = pl.LazyFrame({"item_id": ["1", "1"], "GENRES": ["Action|Action", "Action"]})
    events = pl.LazyFrame({"user_id": ["ana"], "item_id": ["1"]})

    assert genre_profile(["ana"], events, items).collect().rows() == [("Action", 1.0, 1.0, 1.0)]


def test_an_audience_without_events_has_no_share():
    shares = genre_profile([], INTERACTIONS, ITEMS).collect()["audience_share"]

    assert shares.to_list() == [0.0, 0.0, 0.0]


def test_an_unknown_column_lists_the_known_ones():
    with pytest.raises(ConfigError, match="no column 'TAGS'; there are: item_id, GENRES"):
        genre_profile([], INTERACTIONS, ITEMS, column="TAGS")
