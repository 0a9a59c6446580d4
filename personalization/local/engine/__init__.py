"""The engine of the local Personalize: real recipes on numpy, scipy and polars.

It reads and writes nothing: data comes in as frames, models answer questions about it.
"""

from __future__ import annotations

from personalization.local.engine.base import (
    Model,
    Ranked,
    Recommender,
    RelatedItems,
    Segmenter,
    TrainingData,
)
from personalization.local.engine.catalogue import RECIPES
from personalization.local.engine.recipe import Recipe

__all__ = [
    "RECIPES",
    "Model",
    "Ranked",
    "Recipe",
    "Recommender",
    "RelatedItems",
    "Segmenter",
    "TrainingData",
]
