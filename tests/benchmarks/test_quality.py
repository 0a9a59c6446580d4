from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from benchmarks.quality import chapters
from benchmarks.quality.bars import Bar, show_bars
from benchmarks.quality.behaviour import read
from benchmarks.quality.statistics import auc, gained, lift, spearman
from personalization.errors import ConfigError

ROWS = [(2, 10, 5), (10, 10, 1), (2, 9, 3), (10, 9, 2), (2, 10, 9)]  # user, item, timestamp


@pytest.fixture
def movielens(tmp_path: Path) -> Path:
    frame = pl.DataFrame(ROWS, schema=["userId", "movieId", "timestamp"], orient="row")
    frame.with_columns(rating=pl.lit(4.0)).write_csv(tmp_path / "ratings.csv")
    items = pl.DataFrame({"movieId": [9, 10], "title": ["A", "B"], "genres": ["War|Drama", "War"]})
    items.write_csv(tmp_path / "movies.csv")
    return tmp_path


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Uniform noise in Personalize's columns: there is nothing to learn."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame(
        {
            "USER_ID": rng.integers(0, 150, 3000),
            "ITEM_ID": rng.integers(0, 400, 3000),
            "TIMESTAMP": rng.integers(0, 10**8, 3000),
        }
    ).unique(["USER_ID", "ITEM_ID"], maintain_order=True)
    frame.write_csv(tmp_path / "interactions.csv")
    genre = [("Action", "Drama", "War")[n % 3] for n in range(400)]
    items = pl.DataFrame({"ITEM_ID": range(400), "GENRES": genre})
    items.write_csv(tmp_path / "items.csv")
    return tmp_path


def test_movielens_and_personalize_files_say_the_same(movielens, tmp_path):
    ours = tmp_path / "ours"
    ours.mkdir()
    frame = pl.DataFrame(ROWS, schema=["USER_ID", "ITEM_ID", "TIMESTAMP"], orient="row")
    frame.write_csv(ours / "interactions.csv")
    items = pl.DataFrame({"ITEM_ID": [9, 10], "GENRES": ["War|Drama", "War"]})
    items.write_csv(ours / "items.csv")

    theirs, same = read(movielens), read(ours)

    assert theirs.events.user.tolist() == same.events.user.tolist() == [0, 0, 0, 1, 1]
    assert theirs.events.item.tolist() == same.events.item.tolist() == [0, 1, 1, 1, 0]
    assert theirs.carries.toarray().tolist() == same.carries.toarray().tolist() == [[1], [1]]


def test_a_folder_without_data_is_an_error_that_says_what_is_looked_for(tmp_path):
    with pytest.raises(ConfigError, match=r"neither ratings\.csv and movies\.csv nor interactions"):
        read(tmp_path)


def test_a_shuffled_copy_has_the_same_items_and_no_repeats(noise):
    behaviour = read(noise)
    copy = behaviour.shuffled()

    assert not copy.events.is_repeat.any()
    assert len(copy.events) > 0.9 * len(behaviour.events)
    assert (copy.events.per_item <= behaviour.events.per_item).all()


def test_noise_misses_the_bars(noise):
    behaviour, quiet = read(noise), Console(file=io.StringIO())

    (over_popularity,) = chapters.recommendations(quiet, behaviour, known=False)
    bars = {bar.what: bar for bar in chapters.segments(quiet, behaviour, known=False)}

    assert not over_popularity.is_met
    assert not bars["attribute segments: lift@50"].is_met


@pytest.mark.parametrize(
    ("bar", "met", "bounds"),
    [
        pytest.param(Bar("x", 2.0, 1.5), True, "≥ 1.5", id="over"),
        pytest.param(Bar("x", 1.0, 1.5), False, "≥ 1.5", id="under"),
        pytest.param(Bar("x", 1.0, 0.9, 1.1), True, "≥ 0.9 and ≤ 1.1", id="between"),
        pytest.param(Bar("x", float("nan"), 0.9), False, "≥ 0.9", id="no-number"),
    ],
)
def test_a_bar_is_met_within_its_bounds(bar, met, bounds):
    said = io.StringIO()
    show_bars(Console(file=said, width=100), "Bars", [bar])

    assert bar.is_met is met
    assert bar.bounds == bounds
    assert ("MISSED" in said.getvalue()) is not met


def test_the_statistics_are_those_of_the_textbook():
    scores, share = np.array([4, 3, 2, 1]), np.array([0.5, 0.0, 0.5, 0.0])

    assert spearman(scores, np.array([8, 7, 6, 5])) == pytest.approx(1)
    assert spearman(scores, np.ones(4)) == 0
    assert auc(scores, share > 0) == 3 / 4
    assert auc(np.ones(4), share > 0) == 1 / 2
    assert lift(scores, share, 1) == 2
    # Gains at ranks 1 and 3, best possible at 1 and 2: (1 + 1/2) / (1 + 1/log2(3))
    assert gained(scores, share, 4) == pytest.approx(1.5 / (1 + 1 / np.log2(3)))
