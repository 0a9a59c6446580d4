"""The check on data that others made: AWS's own sample, and MovieLens."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from personalization.datasets import Wanted, check, locate
from tests.datasets import csvs

SHARED = Path(__file__).parents[3] / "shared" / "data"
ORIGINAL = SHARED / "bingewatch-original"
MOVIELENS = SHARED / "ml-latest-small"
SAMPLE = Path(__file__).parents[2] / "data" / "bingewatch" / "train" / "bingewatch"


def schemas(config: Path) -> dict[str, dict[str, object]]:
    datasets = json.loads(config.read_text())["datasets"]
    return {name: entry["schema"]["serviceConfig"]["schema"] for name, entry in datasets.items()}


@pytest.mark.skipif(not ORIGINAL.is_dir(), reason=f"{ORIGINAL} is not here")
def test_the_original_sample_passes_with_the_warnings_it_deserves() -> None:
    config = ORIGINAL / "bingewatch_config.json"
    wanted = Wanted(domain="VIDEO_ON_DEMAND")

    report = check(locate(config), schemas(config), wanted=wanted, now=csvs.NOW)

    assert report.errors == ()
    assert csvs.told(report, ORIGINAL) == [
        "users.csv:1: users: column 'E_MAIL' looks like personal data; "
        "no model learns from it, and it has to be deleted on demand; leave it out",
        "users.csv: users.E_MAIL: holds e-mail addresses; no model learns from them, and they have "
        "to be deleted on demand; leave them out, or use an id that says nothing",
        "items.csv:13: items.GENRES: has the category '(no genres listed)'; "
        "3 rows are like this (lines 13, 41, 99); Personalize takes it for a category like any "
        "other; leave the value empty instead, if the schema allows null",
        "interactions.csv:2: interactions.TIMESTAMP: is '1236494281', before the item's "
        "CREATION_TIMESTAMP; 569 rows are like this (lines 2, 4, 8, 12, 19, …); "
        "one of the two is wrong; Personalize takes both as they are",
    ]


def test_our_sample_passes_without_a_word() -> None:
    config = SAMPLE / "config.json"
    wanted = Wanted(domain="VIDEO_ON_DEMAND")

    report = check(locate(config), schemas(config), wanted=wanted)

    assert report.findings == ()
    assert report.datasets["interactions"].rows == 40_000


@pytest.mark.skipif(not MOVIELENS.is_dir(), reason=f"{MOVIELENS} is not here")
def test_real_ratings_pass(tmp_path: Path) -> None:
    ratings = pl.read_csv(MOVIELENS / "ratings.csv")
    events = ratings.select(
        pl.col("userId").alias("USER_ID"),
        pl.col("movieId").alias("ITEM_ID"),
        pl.lit("Rate").alias("EVENT_TYPE"),
        pl.col("timestamp").alias("TIMESTAMP"),
    )
    events.write_csv(tmp_path / "interactions.csv")

    report = csvs.checked(tmp_path)

    assert report.findings == ()
    assert report.interactions is not None
    assert report.interactions.users == 610
