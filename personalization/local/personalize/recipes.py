"""What Personalize itself owns: recipes, their algorithms and feature transformations.

Sources: Personalize developer guide, the page of each recipe (ARNs, hyperparameters with their
defaults and ranges); botocore, personalize 2018-05-22, shapes `Recipe`, `Algorithm`,
`FeatureTransformation`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from personalization.local.engine import RECIPES
from personalization.local.engine import Recipe as Learner
from personalization.local.personalize.listing import page
from personalization.local.wire import Context, Handler, ServiceError

PREFIX: Final = "arn:aws:personalize:::"

# The recipes of Personalize that the engine does not have: asking for one is no mistake.
# Source: Personalize developer guide, "Choosing a recipe" and the domain use cases.
NOT_HERE: Final = frozenset(
    {
        "aws-personalized-ranking",
        "aws-personalized-ranking-v2",
        "aws-semantic-similarity",
        "aws-trending-now",
        "aws-next-best-action",
        "aws-hrnn",
        "aws-hrnn-metadata",
        "aws-hrnn-coldstart",
        "aws-ecomm-popular-items-by-views",
        "aws-ecomm-popular-items-by-purchases",
        "aws-ecomm-frequently-bought-together",
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "aws-ecomm-recommended-for-you",
        "aws-vod-because-you-watched-x",
        "aws-vod-more-like-x",
        "aws-vod-most-popular",
        "aws-vod-trending-now",
        "aws-vod-top-picks",
    }
)


@dataclass(frozen=True)
class Description:
    """What the guide says of a recipe.

    transformation   the feature transformation's name, where the guide gives one
    hyperparameters  name to default; ranges by the same names: lowest and highest
    featurization    the feature transformation's own parameters
    """

    text: str
    transformation: str | None = None
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    featurization: Mapping[str, str] = field(default_factory=dict)


_DESCRIPTIONS: Final = {
    "aws-item-attribute-affinity": Description(
        "Predicts which users will like items with given attributes.",
        "item-attribute-affinity",
        {"hidden_dimension": "149"},
        {"hidden_dimension": (32, 256)},
    ),
    "aws-item-affinity": Description(
        "Predicts which users will like a given item.",
        "item-affinity",
        {"hidden_dimension": "149"},
        {"hidden_dimension": (32, 256)},
    ),
    "aws-user-personalization": Description(
        "Predicts the items a user will interact with, and explores new ones.",
        None,
        {"hidden_dimension": "149", "bptt": "32", "recency_mask": "True"},
        {"hidden_dimension": (32, 256), "bptt": (2, 32)},
        {
            "min_user_history_length_percentile": "0.0",
            "max_user_history_length_percentile": "0.99",
        },
    ),
    "aws-user-personalization-v2": Description(
        "Predicts the items a user will interact with, from transformers.",
        None,
        {"apply_recency_bias": "true"},
    ),
    "aws-popularity-count": Description(
        "Calculates the popularity of items by their number of interactions.", "sims"
    ),
    "aws-sims": Description(
        "Finds items like a given one by how often users interact with both.",
        "sims",
        {"popularity_discount_factor": "0.5", "min_cointeraction_count": "3"},
        {"popularity_discount_factor": (0.0, 1.0), "min_cointeraction_count": (0, 10)},
        {
            "min_user_history_length_percentile": "0.005",
            "max_user_history_length_percentile": "0.995",
            "min_item_interaction_count_percentile": "0.01",
            "max_item_interaction_count_percentile": "0.9",
        },
    ),
    "aws-similar-items": Description(
        "Finds items like a given one by interactions and item metadata."
    ),
}


def learner(recipe_arn: str) -> Learner:
    """Return the engine's recipe.

    Raises ResourceNotFoundException, or NotImplementedException for what only AWS can train.
    """
    name = recipe_arn.removeprefix(f"{PREFIX}recipe/")
    if recipe_arn.startswith(PREFIX) and name in RECIPES:
        return RECIPES[name]
    if name in NOT_HERE:
        said = f"the local AWS cannot train {name}; it has {', '.join(sorted(RECIPES))}"
        raise ServiceError("NotImplementedException", said, 501)
    raise not_found(recipe_arn)


def not_found(arn: str) -> ServiceError:
    """Return the error for an ARN of Personalize's own that there is not."""
    return ServiceError("ResourceNotFoundException", f"Resource Arn {arn} does not exist.")


class Catalogue:
    """Answers for what Personalize owns.  Its things are as old as the server."""

    def __init__(self) -> None:
        self._since = dt.datetime.now(dt.UTC)

    def handlers(self) -> Iterator[tuple[str, Handler]]:
        """Yield the four operations."""
        yield "ListRecipes", self._list
        yield "DescribeRecipe", self._recipe
        yield "DescribeAlgorithm", self._algorithm
        yield "DescribeFeatureTransformation", self._transformation

    def _list(self, context: Context) -> Mapping[str, Any]:
        # The engine has no domain recipes: a list of those is rightly empty.
        names = [] if "domain" in context.params else sorted(RECIPES)
        numbers = {name: number for number, name in enumerate(names)}
        shown, token = page(names, context, key=lambda name: numbers[name])
        return {
            "recipes": [
                {
                    "name": name,
                    "recipeArn": f"{PREFIX}recipe/{name}",
                    "status": "ACTIVE",
                    **self._times,
                }
                for name in shown
            ],
            "nextToken": token,
        }

    def _recipe(self, context: Context) -> Mapping[str, Any]:
        recipe = learner(context.params["recipeArn"])
        about = _DESCRIPTIONS[recipe.name]
        transformation = about.transformation
        return {
            "recipe": {
                "name": recipe.name,
                "recipeArn": f"{PREFIX}recipe/{recipe.name}",
                "algorithmArn": f"{PREFIX}algorithm/{recipe.name}",
                "featureTransformationArn": transformation
                and f"{PREFIX}feature-transformation/{transformation}",
                "status": "ACTIVE",
                "description": about.text,
                "recipeType": recipe.recipe_type,
                **self._times,
            }
        }

    def _algorithm(self, context: Context) -> Mapping[str, Any]:
        arn = context.params["algorithmArn"]
        name = arn.removeprefix(f"{PREFIX}algorithm/")
        about = _DESCRIPTIONS.get(name) if arn != name else None
        if about is None:
            raise not_found(arn)
        return {
            "algorithm": {
                "name": name,
                "algorithmArn": arn,
                "defaultHyperParameters": dict(about.hyperparameters),
                "defaultHyperParameterRanges": _ranges(about.ranges),
                **self._times,
            }
        }

    def _transformation(self, context: Context) -> Mapping[str, Any]:
        arn = context.params["featureTransformationArn"]
        name = arn.removeprefix(f"{PREFIX}feature-transformation/")
        users = [each for each in _DESCRIPTIONS.values() if each.transformation == name]
        if arn == name or not users:
            raise not_found(arn)
        defaults = {key: value for each in users for key, value in each.featurization.items()}
        return {
            "featureTransformation": {
                "name": name,
                "featureTransformationArn": arn,
                "defaultParameters": defaults,
                "status": "ACTIVE",
                **self._times,
            }
        }

    @property
    def _times(self) -> dict[str, dt.datetime]:
        return {"creationDateTime": self._since, "lastUpdatedDateTime": self._since}


def _ranges(ranges: Mapping[str, tuple[float, float]]) -> dict[str, list[dict[str, Any]]]:
    def listed(kind: type) -> list[dict[str, Any]]:
        return [
            {"name": name, "minValue": low, "maxValue": high, "isTunable": True}
            for name, (low, high) in ranges.items()
            if isinstance(low, kind)
        ]

    return {
        "integerHyperParameterRanges": listed(int),
        "continuousHyperParameterRanges": listed(float),
    }
