from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from personalization.local.engine import RECIPES

PREFIX = "arn:aws:personalize:::"


def test_the_recipes_are_those_of_the_engine(trained):
    films, _ = trained
    pages = films.personalize.get_paginator("list_recipes").paginate(
        PaginationConfig={"PageSize": 3}
    )
    listed = [recipe for page in pages for recipe in page["recipes"]]

    assert [recipe["name"] for recipe in listed] == sorted(RECIPES)
    assert {recipe["status"] for recipe in listed} == {"ACTIVE"}
    assert films.personalize.list_recipes(domain="ECOMMERCE")["recipes"] == []


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_has_an_algorithm_and_may_have_a_transformation(trained, name):
    films, _ = trained
    client = films.personalize

    recipe = client.describe_recipe(recipeArn=f"{PREFIX}recipe/{name}")["recipe"]
    algorithm = client.describe_algorithm(algorithmArn=recipe["algorithmArn"])["algorithm"]

    assert recipe["recipeType"] == RECIPES[name].recipe_type
    assert set(algorithm["defaultHyperParameters"]) <= RECIPES[name].hyperparameters
    if arn := recipe.get("featureTransformationArn"):
        found = client.describe_feature_transformation(featureTransformationArn=arn)
        assert found["featureTransformation"]["featureTransformationArn"] == arn


def test_hyperparameters_have_their_defaults_and_ranges(trained):
    films, _ = trained
    algorithm = films.personalize.describe_algorithm(algorithmArn=f"{PREFIX}algorithm/aws-sims")
    transformation = films.personalize.describe_feature_transformation(
        featureTransformationArn=f"{PREFIX}feature-transformation/sims"
    )
    ranges = algorithm["algorithm"]["defaultHyperParameterRanges"]

    assert algorithm["algorithm"]["defaultHyperParameters"] == {
        "popularity_discount_factor": "0.5",
        "min_cointeraction_count": "3",
    }
    assert ranges["integerHyperParameterRanges"] == [
        {"name": "min_cointeraction_count", "minValue": 0, "maxValue": 10, "isTunable": True}
    ]
    assert ranges["continuousHyperParameterRanges"][0]["maxValue"] == 1.0
    assert len(transformation["featureTransformation"]["defaultParameters"]) == 4


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("recipe", "recipeArn"),
        ("algorithm", "algorithmArn"),
        ("feature_transformation", "featureTransformationArn"),
    ],
)
def test_what_personalize_does_not_own_is_not_found(trained, kind, key):
    films, _ = trained
    describe = getattr(films.personalize, f"describe_{kind}")

    for arn in (f"{PREFIX}{kind.replace('_', '-')}/aws-telepathy", f"{PREFIX[:-1]}x:y/z"):
        with pytest.raises(ClientError) as refusal:
            describe(**{key: arn})
        assert refusal.value.response["Error"]["Code"] == "ResourceNotFoundException"
