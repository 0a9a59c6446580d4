from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from benchmarks.worlds import GENRES, Plan, World, planted
from personalization.local.engine import RECIPES

SMALL = Plan(users=600, items=800)
RECIPE = RECIPES["aws-item-attribute-affinity"]


@pytest.fixture(scope="module")
def world() -> World:
    return planted(SMALL, seed=3)


def mean_lift(world: World, given: dict[str, str], top: int = 30) -> float:
    """The true share of the segment's users over everybody's, mean over the ten main genres."""
    model = RECIPE.fit(world.data, given)
    lifts = []
    for genre, truth in list(zip(GENRES, world.truth.T, strict=True))[:10]:
        users = model.segment({"itemAttributes": f'ITEMS.GENRES = "{genre}"'}, top)
        chosen = users.str.slice(1).cast(pl.Int64).to_numpy()
        lifts.append(truth[chosen].mean() / truth.mean())
    return float(np.mean(lifts))


def test_a_segment_holds_those_who_were_made_to_like_it(world):
    oracle = np.mean([np.sort(t)[-30:].mean() / t.mean() for t in world.truth.T[:10]])

    assert mean_lift(world, {}) > 0.8 * oracle > 2


def test_activity_alone_finds_nobody_in_particular(world):
    busiest = np.argsort(-world.events_per_user)[:30]
    lifts = world.truth[busiest].mean(axis=0) / world.truth.mean(axis=0)

    assert np.mean(lifts[:10]) == pytest.approx(1, abs=0.15)


def test_activity_can_be_given_weight_at_the_cost_of_lift(world):
    assert mean_lift(world, {"activity_weight": "1"}) < mean_lift(world, {})


def test_where_nobody_has_a_taste_there_is_no_lift():
    world = planted(Plan(users=600, items=800, kappa=1e5, mix=(1.0, 0.0, 0.0)))
    train = world.data.interactions.filter(pl.int_range(pl.len()).over("user_id") % 5 > 0)
    kept = world.data.interactions.filter(pl.int_range(pl.len()).over("user_id") % 5 == 0)
    model = RECIPE.fit(type(world.data)(train, world.data.items))
    drama = world.data.items.filter(pl.col("GENRES").str.contains("Drama"))["item_id"]

    users = model.segment({"itemAttributes": 'ITEMS.GENRES = "Drama"'}, 60)

    share = kept.select(pl.col("item_id").is_in(drama.implode()).mean()).item()
    found = kept.filter(pl.col("user_id").is_in(users.implode()))
    assert found.select(pl.col("item_id").is_in(drama.implode()).mean()).item() == pytest.approx(
        share, rel=0.1
    )
