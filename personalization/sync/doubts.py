"""What is valid in a job's config.json and still not what somebody can have meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from personalization.config.document import step
from personalization.errors import Finding
from personalization.sync.layout import JobType


def doubts(value: dict[str, Any], job_type: JobType | None) -> list[Finding]:
    """Return what means nothing, as warnings, and fields that are named twice, as errors."""
    found = []
    if job_type and job_type != "related_items" and "mergePolicy" in value:
        problem = f"means nothing for {job_type}: its users have one list each"
        found.append(Finding("mergePolicy", problem, "take it out", severity="warning"))
    connectors = value.get("connectors")
    if not isinstance(connectors, dict):
        return found
    for name, settings in connectors.items():
        if not isinstance(settings, dict):
            continue
        path = step("connectors", name)
        fields = settings.get("itemMetadataFields")
        if isinstance(fields, list):
            found += _repeats(fields, step(path, "itemMetadataFields"))
        if settings.get("style") != "objects" and "listName" in settings:
            where = step(path, "listName")
            problem = "is not used: only style objects has one list"
            found.append(Finding(where, problem, "take it out", severity="warning"))
        if job_type == "user_segmentation":
            found += [
                Finding(
                    step(path, key),
                    "means nothing for user_segmentation",
                    "take it out",
                    severity="warning",
                )
                for key in ("itemMetadataFields", "style", "maxItems", "attributePrefix")
                if key in settings
            ]
    return found


def _repeats(fields: list[Any], path: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for place, name in enumerate(fields):
        if isinstance(name, str) and (short := name.strip()) in seen:
            yield Finding(step(path, place), f"{short!r} is named before", "take it out")
        elif isinstance(name, str):
            seen.add(name.strip())
