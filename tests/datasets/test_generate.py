"""The generated world keeps its promises: exact truth, stable bytes, nothing before its time."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from personalization.datasets import World, generate
from personalization.datasets.histories import Habits
from personalization.datasets.tastes import GENRE_NAMES
from personalization.errors import ConfigError

FILES = ("interactions.csv", "items.csv", "users.csv", "endpoints.csv", "truth.parquet")
# The package gives the function under the same name.
MODULE = importlib.import_module("personalization.datasets.generate")
INDEPENDENT = Habits(focus=0.0, stick=0.0)


def small(folder: Path, **changes: object) -> World:
    sizes = {"users": 60, "items": 80, "interactions": 6_000, "seed": 3}
    return generate(folder, **(sizes | changes))  # type: ignore[arg-type]


def read(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / f"{name}.csv")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small(tmp_path_factory.mktemp("world"))


def observed_shares(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of each user, and the share of them that each genre has, in the truth's order."""
    genres = read(folder, "items").select(
        "ITEM_ID",
        *(
            pl.col("GENRES").str.split("|").list.contains(name).cast(pl.Float64).alias(name)
            for name in GENRE_NAMES
        ),
    )
    events = read(folder, "interactions").join(genres, on="ITEM_ID")
    by_user = events.group_by("USER_ID").agg(pl.len(), pl.col(GENRE_NAMES).mean()).sort("USER_ID")
    return by_user.select("len"), by_user.select(GENRE_NAMES)


def test_the_columns_are_those_of_the_original_sample_without_addresses_in_the_training_data(
    world: World,
) -> None:
    headers = {
        name: (world.folder / name).read_text().splitlines()[0]
        for name in FILES
        if name.endswith(".csv")
    }

    assert headers == {
        "interactions.csv": "USER_ID,ITEM_ID,EVENT_VALUE,EVENT_TYPE,TIMESTAMP",
        "items.csv": "ITEM_ID,TITLE,RELEASE_YEAR,CREATION_TIMESTAMP,GENRES",
        "users.csv": "USER_ID,GENDER,AGE",
        "endpoints.csv": (
            "Id,User.UserId,ChannelType,User.UserAttributes.Gender,Address,"
            "User.UserAttributes.Age,OptOut,EndpointStatus"
        ),
    }


def test_what_was_asked_for_is_what_is_there(world: World) -> None:
    events = read(world.folder, "interactions")

    assert (world.users, world.items, world.interactions, world.short) == (60, 80, 6_000, 0)
    assert events.height == 6_000
    assert events["USER_ID"].unique().sort().to_list() == list(range(1, 61))
    assert events.group_by("USER_ID").len()["len"].min() >= 10
    assert read(world.folder, "endpoints").height == world.endpoints
    assert (events["TIMESTAMP"].min(), events["TIMESTAMP"].max()) == (world.first_s, world.last_s)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_world(
    world: World, tmp_path: Path
) -> None:
    small(tmp_path / "again")
    small(tmp_path / "other", seed=4)

    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (world.folder / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (world.folder / name).read_bytes()


def test_nothing_is_watched_before_it_is_in_the_catalogue(world: World) -> None:
    watched = read(world.folder, "interactions").join(read(world.folder, "items"), on="ITEM_ID")

    assert watched.height == 6_000
    assert (watched["TIMESTAMP"] > watched["CREATION_TIMESTAMP"]).all()


def test_the_newest_films_are_unseen(tmp_path: Path) -> None:
    world = small(tmp_path, cold_share=0.1)
    items, events = read(tmp_path, "items"), read(tmp_path, "interactions")

    added_later = items.filter(pl.col("CREATION_TIMESTAMP") > world.last_s)["ITEM_ID"]

    assert added_later.to_list() == list(range(73, 81))
    assert not events["ITEM_ID"].is_in(added_later.implode()).any()


def test_a_users_events_are_in_strict_order_of_time(world: World) -> None:
    gaps = read(world.folder, "interactions").select(
        pl.col("TIMESTAMP").diff().over("USER_ID").alias("gap")
    )

    assert gaps["gap"].drop_nulls().min() >= 1


@pytest.mark.parametrize(
    "habits",
    [pytest.param(INDEPENDENT, id="independent events"), pytest.param(Habits(), id="sessions")],
)
def test_the_truth_is_the_probability_that_events_follow(tmp_path: Path, habits: Habits) -> None:
    """Over 3 users with about 40,000 events each, no share is off by more than chance allows."""
    generate(
        tmp_path,
        users=3,
        items=80,
        interactions=120_000,
        seed=5,
        activity_sigma=0.1,
        habits=habits,
    )
    truth = pl.read_parquet(tmp_path / "truth.parquet").select(GENRE_NAMES).to_numpy()
    lengths, shares = observed_shares(tmp_path)

    spread = np.sqrt(truth * (1 - truth) / lengths.to_numpy())
    # Events of a session resemble one another: fewer independent ones, a wider spread.
    allowed = 4.5 * spread * (1.0 if habits is INDEPENDENT else 2.0)
    assert (np.abs(shares.to_numpy() - truth) <= allowed + 1e-12).all()


def test_independent_events_spread_as_the_binomial_does(tmp_path: Path) -> None:
    small(tmp_path, users=400, interactions=40_000, habits=INDEPENDENT)
    truth = pl.read_parquet(tmp_path / "truth.parquet").select(GENRE_NAMES).to_numpy()
    lengths, shares = observed_shares(tmp_path)

    possible = (truth > 0.01) & (truth < 0.99)
    squared = (shares.to_numpy() - truth) ** 2 * lengths.to_numpy()
    ratio = (squared[possible] / (truth * (1 - truth))[possible]).mean()
    assert ratio == pytest.approx(1.0, abs=0.05)


def test_base_rates_are_the_means_of_the_truth(world: World) -> None:
    truth = pl.read_parquet(world.folder / "truth.parquet")

    assert truth["user_id"].to_list() == [str(number) for number in range(1, 61)]
    for genre, rate in world.base_rates.items():
        assert truth[genre].mean() == pytest.approx(rate)


def test_tastes_differ_between_users_and_in_a_null_world_they_do_not(
    world: World, tmp_path: Path
) -> None:
    small(tmp_path, taste=False)
    planted = pl.read_parquet(world.folder / "truth.parquet").select(GENRE_NAMES)
    null = pl.read_parquet(tmp_path / "truth.parquet").select(GENRE_NAMES)

    assert planted["Drama"].std() > 0.05
    assert null.unique().height == 1


def test_without_repeats_no_user_watches_anything_twice(tmp_path: Path) -> None:
    world = small(tmp_path, repeats=False, items=400, interactions=1_500)
    events = read(tmp_path, "interactions")

    assert events.is_duplicated().sum() == 0
    assert events.unique(["USER_ID", "ITEM_ID"]).height == events.height == world.interactions
    assert world.interactions + world.short == 1_500
    assert world.short < 150


def test_people_have_several_endpoints_or_none_and_some_cannot_be_written_to(
    tmp_path: Path,
) -> None:
    small(tmp_path, users=500, interactions=5_000)
    endpoints = read(tmp_path, "endpoints")

    counts = endpoints.group_by("User.UserId").len()["len"]
    assert counts.max() == 3
    assert 440 <= len(counts) <= 490
    assert endpoints["Id"].is_unique().all()
    assert endpoints["Address"].is_unique().all()
    assert set(endpoints["ChannelType"]) == {"EMAIL", "APNS", "GCM"}
    assert set(endpoints["OptOut"]) == {"NONE", "ALL"}
    assert set(endpoints["EndpointStatus"]) == {"ACTIVE", "INACTIVE"}
    mail = endpoints.filter(pl.col("ChannelType") == "EMAIL")["Address"]
    assert mail.str.contains(r"^success\+\d+(\.\d)?@simulator\.amazonses\.com$").all()
    tokens = endpoints.filter(pl.col("ChannelType") != "EMAIL")["Address"]
    assert tokens.str.contains(r"^[0-9a-f]{64}$").all()


def test_titles_try_a_readers_csv(world: World) -> None:
    text = (world.folder / "items.csv").read_text(encoding="utf-8")

    assert re.search(r'\d,"[^"]+, ', text)
    assert '""' in text
    assert not text.isascii()


def test_many_chunks_make_one_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "_CHUNK_EVENTS", 500)
    world = small(tmp_path)
    events = read(tmp_path, "interactions")

    assert world.interactions == events.height == 6_000
    assert events["USER_ID"].is_sorted()
    assert pl.read_parquet(tmp_path / "truth.parquet").height == 60


@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param({"users": 0}, id="no users"),
        pytest.param({"items": 49}, id="too few items for 18 genres"),
        pytest.param({"interactions": 59}, id="fewer events than users"),
    ],
)
def test_an_impossible_world_is_refused(tmp_path: Path, sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"^no world has .*; it takes at least 1 user, 50 items"):
        small(tmp_path, **sizes)

    assert list(tmp_path.iterdir()) == []


def test_a_run_that_dies_leaves_the_old_files_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(MODULE, "draw_events", lambda *_args, **_kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        small(tmp_path, seed=9)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
