"""Data sets: found, checked before anything is paid for, and generated with known answers."""

from __future__ import annotations

from personalization.datasets.check import DataReport, DatasetReport, check
from personalization.datasets.declared import avro_schemas, wanted_of
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
    "avro_schemas",
    "check",
    "DataReport",
    "DatasetReport",
    "InteractionCounts",
    "Wanted",
    "wanted_of",
    "generate",
    "World",
    "audience_quality",
    "AudienceQuality",
]
