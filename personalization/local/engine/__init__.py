"""The engine of the local Personalize: real recipes on numpy, scipy and polars.

It reads and writes nothing: data comes in as frames, models answer questions about it.
"""

from __future__ import annotations

from personalization.local.engine.base import (
    Model,
    Ranked,
    Recipe,
    Recommender,
    RelatedItems,
    Segmenter,
    TrainingData,
)

__all__ = [
    "Model",
    "Ranked",
    "Recipe",
    "Recommender",
    "RelatedItems",
    "Segmenter",
    "TrainingData",
]
