"""Data sets: found, checked before anything is paid for, and generated with known answers."""

from __future__ import annotations

from personalization.datasets.generate import World, generate
from personalization.datasets.truth import AudienceQuality, audience_quality

__all__ = ["AudienceQuality", "World", "audience_quality", "generate"]
