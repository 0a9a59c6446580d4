"""The recipes by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from personalization.local.engine.popularity import PopularityCount
from personalization.local.engine.recipe import Recipe
from personalization.local.engine.related import SimilarItemsRecipe, SimsRecipe
from personalization.local.engine.user_personalization import (
    UserPersonalization,
    UserPersonalizationV2,
)
from personalization.local.engine.user_segmentation import ItemAffinityRecipe, ItemAttributeAffinity

RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            ItemAttributeAffinity(),
            ItemAffinityRecipe(),
            UserPersonalization(),
            UserPersonalizationV2(),
            PopularityCount(),
            SimsRecipe(),
            SimilarItemsRecipe(),
        )
    }
)
