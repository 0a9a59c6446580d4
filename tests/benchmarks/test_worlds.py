from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks.worlds import GENRES, Plan, planted

FEW = Plan(users=40, items=500)


def observed_shares(world) -> np.ndarray:
    item = world.data.interactions["item_id"].str.slice(1).cast(pl.Int64).to_numpy()
    user = world.data.interactions["user_id"].str.slice(1).cast(pl.Int64).to_numpy()
    counted = np.zeros(world.truth.shape)
    np.add.at(counted, user, world.carries[item])
    return counted / world.events_per_user[:, None]


def test_the_same_seed_makes_the_same_world():
    one, same, other = planted(FEW, 1), planted(FEW, 1), planted(FEW, 2)

    assert one.data.interactions.equals(same.data.interactions)
    assert not one.data.interactions.equals(other.data.interactions)


@pytest.mark.parametrize(
    ("plan", "tolerance"),
    [
        pytest.param(FEW, 0.02, id="independent-draws"),
        pytest.param(Plan(users=40, items=500, stick=0.6, focus=0.6), 0.06, id="sessions"),
    ],
)
def test_busy_users_do_what_was_planted(plan, tolerance):
    world = planted(plan)
    busy = world.events_per_user > 500

    gap = np.abs(observed_shares(world)[busy] - world.truth[busy])

    assert busy.sum() > 1
    assert gap.mean() < tolerance


def test_without_tastes_all_are_alike():
    world = planted(Plan(users=40, items=500, kappa=1e5, mix=(1.0, 0.0, 0.0)))

    assert np.ptp(world.truth, axis=0) == pytest.approx(np.zeros(len(GENRES)))


def test_without_repeats_nobody_meets_an_item_twice():
    rows = planted(Plan(users=40, items=500, repeat=False)).data.interactions

    assert not rows.select("user_id", "item_id").is_duplicated().any()


def test_time_never_runs_backwards_for_a_user():
    rows = planted(FEW).data.interactions
    steps = rows.select(pl.col("timestamp").diff().over("user_id"))

    assert (steps["timestamp"].drop_nulls() >= 0).all()
