from __future__ import annotations

import polars as pl
import pytest

from personalization.errors import ConfigError, FatalError
from personalization.local.engine import (
    RECIPES,
    Model,
    Ranked,
    Recommender,
    RelatedItems,
    Segmenter,
    TrainingData,
)
from tests.local.engine.conftest import BOARD

BY_ATTRIBUTE = RECIPES["aws-item-attribute-affinity"]
BY_ITEM = RECIPES["aws-item-affinity"]
FOR_USERS = [
    "aws-user-personalization",
    "aws-user-personalization-v2",
    "aws-popularity-count",
]
RELATED = ["aws-sims", "aws-similar-items"]
ODD = {"itemAttributes": 'ITEMS.colour = "odd"'}


def with_rows(data: TrainingData, interactions: pl.DataFrame) -> TrainingData:
    return TrainingData(interactions, data.items, data.users, data.event_type)


def answers(model: Model) -> list[object]:
    """All that the model says about the board."""
    if isinstance(model, Recommender):
        return list(model.recommend([f"u{u:02d}" for u in range(BOARD)], 5))
    if isinstance(model, RelatedItems):
        return list(model.related([f"i{i:02d}" for i in range(BOARD)], 5))
    assert isinstance(model, Segmenter)
    query = {"itemAttributes": "ITEMS.NUMBER = 7", "itemId": "i07"}
    return model.segment(query, 5).to_list()


# --- the one right answer -------------------------------------------------------------------------


@pytest.mark.parametrize("name", FOR_USERS[:2])
def test_everybody_is_recommended_the_one_item_that_was_withheld(checkerboard, name):
    model = RECIPES[name].fit(checkerboard)

    first = [ranked.item_ids[0] for ranked in model.recommend(["u00", "u07", "u63"], 3)]

    assert first == ["i00", "i07", "i63"]


def test_an_item_finds_the_one_user_it_was_withheld_from(checkerboard):
    model = BY_ITEM.fit(checkerboard)

    assert model.segment({"itemId": "i07"}, 1).to_list() == ["u07"]


def test_who_has_met_an_item_is_no_candidate_where_nobody_comes_back(checkerboard):
    met = checkerboard.interactions.filter(pl.col("item_id") == "i07")["user_id"]

    segment = BY_ITEM.fit(checkerboard).segment({"itemId": "i07"}, BOARD)

    assert set(segment) == {f"u{u:02d}" for u in range(BOARD)} - set(met)


def test_an_attribute_finds_the_users_who_like_it(checkerboard):
    model = BY_ATTRIBUTE.fit(checkerboard)

    odd = model.segment(ODD, BOARD // 2)

    assert set(odd) == {f"u{u:02d}" for u in range(1, BOARD, 2)}


@pytest.mark.parametrize("name", RELATED)
def test_an_item_goes_with_all_items_of_its_colour(checkerboard, name):
    (ranked,) = RECIPES[name].fit(checkerboard).related(["i07"], BOARD // 2 - 1)

    assert set(ranked.item_ids) == {f"i{i:02d}" for i in range(1, BOARD, 2)} - {"i07"}


def test_popularity_is_the_same_for_everybody(checkerboard):
    extra = pl.DataFrame({"user_id": ["x", "y"], "item_id": ["i40", "i40"], "timestamp": [1, 1]})
    data = with_rows(checkerboard, pl.concat([checkerboard.interactions, extra]))

    ranked = list(RECIPES["aws-popularity-count"].fit(data).recommend(["u00", "nobody"], 3))

    assert ranked == [Ranked(["i40", "i00", "i01"])] * 2


# --- determinism ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_the_order_of_rows_means_nothing(checkerboard, name):
    shuffled = TrainingData(
        checkerboard.interactions.sample(fraction=1, shuffle=True, seed=7),
        checkerboard.items.sample(fraction=1, shuffle=True, seed=7),
    )
    recipe = RECIPES[name]

    assert answers(recipe.fit(shuffled)) == answers(recipe.fit(checkerboard))
    assert recipe.metrics(shuffled) == recipe.metrics(checkerboard)


def test_ties_are_broken_by_id(checkerboard):
    (ranked,) = RECIPES["aws-sims"].fit(checkerboard).related(["i07"], 3)

    assert ranked.item_ids == ["i01", "i03", "i05"]


# --- strangers and bad questions ------------------------------------------------------------------


@pytest.mark.parametrize("name", FOR_USERS)
def test_a_stranger_gets_popular_items(checkerboard, name):
    popular = pl.DataFrame({"user_id": ["x"] * 2, "item_id": ["i40"] * 2, "timestamp": [1, 2]})
    data = with_rows(checkerboard, pl.concat([checkerboard.interactions, popular]))

    (ranked,) = RECIPES[name].fit(data).recommend(["nobody"], 2)

    assert ranked.item_ids[0] == "i40"


@pytest.mark.parametrize("name", RELATED)
def test_an_unknown_item_gets_popular_items(checkerboard, name):
    ranked = list(RECIPES[name].fit(checkerboard).related(["nothing", "i07"], 2))

    assert ranked[0].item_ids == ["i00", "i01"]
    assert ranked[1].item_ids != ranked[0].item_ids


def test_an_item_nobody_met_is_found_by_its_metadata(checkerboard):
    unmet = pl.DataFrame({"item_id": ["new"], "COLOUR": ["odd"]})
    items = pl.concat([checkerboard.items.drop("NUMBER"), unmet])
    data = TrainingData(checkerboard.interactions, items)

    (ranked,) = RECIPES["aws-similar-items"].fit(data).related(["new"], 10)

    assert all(int(item[1:]) % 2 for item in ranked.item_ids)


@pytest.mark.parametrize(
    ("recipe", "query", "message"),
    [
        pytest.param(BY_ATTRIBUTE, {"itemId": "i07"}, "no text under 'itemAttributes'", id="key"),
        pytest.param(
            BY_ATTRIBUTE, {"itemAttributes": "ITEMS.COLOUR"}, "at character 13", id="syntax"
        ),
        pytest.param(
            BY_ATTRIBUTE,
            {"itemAttributes": 'ITEMS.COLOUR = "Odd"'},
            'no item matches ITEMS.COLOUR = "Odd"; values compare exactly',
            id="no-match",
        ),
        pytest.param(BY_ITEM, {"itemId": "i99"}, "item 'i99' had no interactions", id="item"),
        pytest.param(BY_ITEM, {"itemId": 7}, "no text under 'itemId'", id="not-text"),
    ],
)
def test_a_query_without_an_answer_says_why(checkerboard, recipe, query, message):
    model = recipe.fit(checkerboard)

    with pytest.raises(ConfigError, match=message):
        model.segment(query, 5)


# --- scores ---------------------------------------------------------------------------------------


def test_the_scores_of_a_user_sum_to_one_over_the_catalogue(checkerboard):
    recipe = RECIPES["aws-user-personalization"]

    (ranked,) = recipe.fit(checkerboard).recommend(["u07"], BOARD)

    assert recipe.gives_scores
    assert sum(ranked.scores) == pytest.approx(1, abs=1e-5)
    assert ranked.scores == sorted(ranked.scores, reverse=True)


def test_items_are_offered_again_only_where_users_come_back(checkerboard):
    again = checkerboard.interactions.with_columns(pl.col("timestamp") + 200_000)
    back = with_rows(checkerboard, pl.concat([checkerboard.interactions, again]))
    recipe = RECIPES["aws-user-personalization"]
    met = set(checkerboard.interactions.filter(pl.col("user_id") == "u07")["item_id"])

    (once,) = recipe.fit(checkerboard).recommend(["u07"], 10)
    (repeated,) = recipe.fit(back).recommend(["u07"], 10)

    assert not met & set(once.item_ids)
    assert set(repeated.item_ids) <= met


# --- what Personalize asks for --------------------------------------------------------------------


def test_too_few_interactions_fail_as_in_personalize(checkerboard):
    few = TrainingData(checkerboard.interactions.head(999), event_type="Watch")

    with pytest.raises(
        FatalError,
        match=r"^Dataset has fewer than 1000 interactions after filtering by event type: Watch$",
    ):
        RECIPES["aws-sims"].fit(few)
    with pytest.raises(FatalError, match=r"^Dataset has fewer than 1000 interactions$"):
        RECIPES["aws-sims"].metrics(TrainingData(few.interactions))


def test_too_few_users_fail_as_in_personalize():
    rows = [(f"u{n % 24}", f"i{n % 50}", n) for n in range(1000)]
    rows += [(f"once{n}", "i0", n) for n in range(50)]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")

    with pytest.raises(
        FatalError, match=r"^Dataset has fewer than 25 users with at least 2 interactions each\.$"
    ):
        RECIPES["aws-popularity-count"].fit(TrainingData(frame))


@pytest.mark.parametrize(
    "items",
    [
        pytest.param(None, id="no-items-dataset"),
        pytest.param(
            pl.DataFrame({"item_id": ["i00"], "CREATION_TIMESTAMP": [1]}),
            id="only-reserved-columns",
        ),
    ],
)
def test_attribute_affinity_needs_attributes(checkerboard, items):
    with pytest.raises(FatalError, match="needs an Items dataset with a metadata column"):
        BY_ATTRIBUTE.fit(TrainingData(checkerboard.interactions, items))


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        pytest.param(
            "aws-sims",
            {"depth": "3"},
            "aws-sims has no hyper-parameter 'depth'; it has: min_cointeraction_count, popularity",
            id="unknown",
        ),
        pytest.param(
            "aws-popularity-count", {"depth": "3"}, "'depth'; it has: none", id="none-at-all"
        ),
        pytest.param(
            "aws-sims",
            {"popularity_discount_factor": "1.5"},
            "is '1.5'; it must be a number from 0 to 1",
            id="out-of-range",
        ),
        pytest.param(
            "aws-sims", {"min_cointeraction_count": "few"}, "is 'few'; it must be", id="no-number"
        ),
        pytest.param(
            "aws-user-personalization",
            {"recency_mask": "maybe"},
            "recency_mask is 'maybe'; it must be True or False",
            id="no-flag",
        ),
    ],
)
def test_wrong_hyperparameters_are_refused(checkerboard, name, given, message):
    with pytest.raises(ConfigError, match=message):
        RECIPES[name].fit(checkerboard, given)


# --- metrics --------------------------------------------------------------------------------------

RANKING_KEYS = [
    "coverage",
    "mean_reciprocal_rank_at_25",
    *(f"normalized_discounted_cumulative_gain_at_{k}" for k in (5, 10, 25)),
    *(f"precision_at_{k}" for k in (5, 10, 25)),
]


@pytest.mark.parametrize("name", RECIPES)
def test_the_metrics_are_those_of_get_solution_metrics(checkerboard, name):
    metrics = RECIPES[name].metrics(checkerboard)

    segments = RECIPES[name].recipe_type == "USER_SEGMENTATION"
    assert list(metrics) == (
        ["coverage", "hits_at_1_percent", "recall_at_1_percent"] if segments else RANKING_KEYS
    )
    assert all(type(value) is float for value in metrics.values())
    assert metrics["coverage"] > 0


def test_who_is_recommended_his_own_colour_is_right_every_time(checkerboard):
    metrics = RECIPES["aws-user-personalization"].metrics(checkerboard)

    # Three of a user's 31 items are hidden; four of his colour are left to recommend.
    assert metrics["mean_reciprocal_rank_at_25"] > 0.6
    assert metrics["precision_at_5"] == pytest.approx(3 / 5)


def test_recipes_know_their_names_and_types():
    assert {name: recipe.recipe_type for name, recipe in RECIPES.items()} == {
        "aws-item-attribute-affinity": "USER_SEGMENTATION",
        "aws-item-affinity": "USER_SEGMENTATION",
        "aws-user-personalization": "USER_PERSONALIZATION",
        "aws-user-personalization-v2": "USER_PERSONALIZATION",
        "aws-popularity-count": "USER_PERSONALIZATION",
        "aws-sims": "RELATED_ITEMS",
        "aws-similar-items": "RELATED_ITEMS",
    }
    assert all(name == recipe.name for name, recipe in RECIPES.items())
