"""Data sets: found, checked before anything is paid for, and generated with known answers."""

from __future__ import annotations

from personalization.datasets.check import DataReport, DatasetReport, check
from personalization.datasets.generate import World, generate
from personalization.datasets.interactions import InteractionCounts
from personalization.datasets.locate import DATASETS, DataFile, DataFiles, locate
from personalization.datasets.requirements import Wanted
from personalization.datasets.truth import AudienceQuality, audience_quality

__all__ = [
    "DATASETS",
    "DataFile",
    "DataFiles",
    "locate",
    "check",
    "DataReport",
    "DatasetReport",
    "InteractionCounts",
    "Wanted",
    "generate",
    "World",
    "audience_quality",
    "AudienceQuality",
]
