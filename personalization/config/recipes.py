"""Which recipes there are, and what each can be asked for.

Sources: Personalize developer guide, "Choosing a recipe", "Choosing a use case" and the page of
each recipe; botocore, personalize 2018-05-22, documentation of `trainingMode`.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Final, Literal

from personalization.errors import ConfigError
from personalization.shapes import brief

Batch = Literal["inference", "segment", "none"]

_ARN: Final = re.compile(r"arn:aws[a-z-]*:personalize:::recipe/(.+)")


@dataclass(frozen=True)
class Recipe:
    """What a recipe can do.

    domain     of a recommender's recipe; empty for a solution's
    updatable  can be trained with trainingMode UPDATE
    """

    name: str
    domain: str = ""
    batch: Batch = "inference"
    updatable: bool = False


_ALL: Final = (
    Recipe("aws-user-personalization-v2"),
    Recipe("aws-user-personalization", updatable=True),
    Recipe("aws-personalized-ranking-v2"),
    Recipe("aws-personalized-ranking"),
    Recipe("aws-similar-items"),
    Recipe("aws-semantic-similarity"),
    Recipe("aws-sims"),
    Recipe("aws-popularity-count"),
    Recipe("aws-trending-now", batch="none"),
    Recipe("aws-next-best-action", batch="none"),
    Recipe("aws-item-affinity", batch="segment"),
    Recipe("aws-item-attribute-affinity", batch="segment"),
    Recipe("aws-hrnn"),
    Recipe("aws-hrnn-metadata"),
    Recipe("aws-hrnn-coldstart", updatable=True),
    Recipe("aws-ecomm-popular-items-by-views", "ECOMMERCE", "none"),
    Recipe("aws-ecomm-popular-items-by-purchases", "ECOMMERCE", "none"),
    Recipe("aws-ecomm-frequently-bought-together", "ECOMMERCE", "none"),
    Recipe("aws-ecomm-customers-who-viewed-x-also-viewed", "ECOMMERCE", "none"),
    Recipe("aws-ecomm-recommended-for-you", "ECOMMERCE", "none"),
    Recipe("aws-vod-because-you-watched-x", "VIDEO_ON_DEMAND", "none"),
    Recipe("aws-vod-more-like-x", "VIDEO_ON_DEMAND", "none"),
    Recipe("aws-vod-most-popular", "VIDEO_ON_DEMAND", "none"),
    Recipe("aws-vod-trending-now", "VIDEO_ON_DEMAND", "none"),
    Recipe("aws-vod-top-picks", "VIDEO_ON_DEMAND", "none"),
)
RECIPES: Final = {recipe.name: recipe for recipe in _ALL}
UPDATABLE: Final = tuple(recipe.name for recipe in _ALL if recipe.updatable)
SEGMENTING: Final = tuple(recipe.name for recipe in _ALL if recipe.batch == "segment")


def by_arn(arn: str) -> Recipe:
    """Return the recipe that `arn:aws:personalize:::recipe/…` names.

    Raises ConfigError, naming the closest recipes, if there is none.
    """
    found = _ARN.fullmatch(arn)
    if not found:
        raise ConfigError(
            f"is {brief(arn)}; recipes are Amazon's own, at arn:aws:personalize:::recipe/NAME"
            + _closest(arn.rpartition("/")[2])
        )
    if found[1] not in RECIPES:
        raise ConfigError(f"names the unknown recipe {brief(found[1])}" + _closest(found[1]))
    return RECIPES[found[1]]


def _closest(name: str) -> str:
    close = difflib.get_close_matches(name, RECIPES, n=3, cutoff=0.6)
    return f"; close to it: {', '.join(close)}" if close else f"; there are: {', '.join(RECIPES)}"
