"""Parameter files for tests, and ways to change one place in them."""

from __future__ import annotations

import copy
import datetime as dt
import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

from personalization import config

FULL = Path(__file__).with_name("full.json")
NOW = dt.datetime(2026, 11, 22, 14, 0, tzinfo=dt.UTC)
REMOVED = object()


def record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "namespace": "com.amazonaws.personalize.schema",
        "fields": list(fields),
        "version": "1.0",
    }


def entry(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "dataset": {"serviceConfig": {"name": name}},
        "schema": {"serviceConfig": {"name": f"{name}-schema", "schema": schema}},
    }


def small(**more: Any) -> dict[str, Any]:
    """The least that imports something and trains something, without one finding."""
    interactions = record(
        "Interactions",
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    )
    return {
        "datasetGroup": {"serviceConfig": {"name": "shop"}},
        "datasets": {"interactions": entry("visits", interactions)},
        "solutions": [solution()],
    } | more


def solution(recipe: str = "aws-user-personalization", **more: Any) -> dict[str, Any]:
    arn = f"arn:aws:personalize:::recipe/{recipe}"
    return {"serviceConfig": {"name": "likes", "recipeArn": arn}} | more


def films_by_genre(group: str, solution: str, views: str, items: str, users: int) -> dict[str, Any]:
    """Views and films with genres, and one segment job of so many users over what they tell."""
    text = {"type": "string"}
    interactions = record(
        "Interactions",
        {"name": "USER_ID", **text},
        {"name": "ITEM_ID", **text},
        {"name": "TIMESTAMP", "type": "long"},
    )
    genres = record(
        "Items", {"name": "ITEM_ID", **text}, {"name": "GENRES", **text, "categorical": True}
    )
    recipe = "arn:aws:personalize:::recipe/aws-item-attribute-affinity"
    return {
        "datasetGroup": {"serviceConfig": {"name": group}},
        "datasets": {"interactions": entry(views, interactions), "items": entry(items, genres)},
        "solutions": [
            {
                "serviceConfig": {"name": solution, "recipeArn": recipe},
                "batchSegmentJobs": [{"serviceConfig": {"numResults": users}}],
            }
        ],
    }


def changed(path: str, value: Any, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a copy of the document (by default `small()`) with `value` at `path`, or without."""
    whole = copy.deepcopy(small() if document is None else document)
    steps = [
        int(index) if index else key for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path)
    ]
    there: Any = whole
    for step, following in pairwise(steps):
        if isinstance(there, dict):
            there = there.setdefault(step, [] if isinstance(following, int) else {})
        else:
            if len(there) == step:
                there.append({})
            there = there[step]
    if value is REMOVED:
        del there[steps[-1]]
    elif isinstance(there, list) and len(there) == steps[-1]:
        there.append(value)
    else:
        there[steps[-1]] = value
    return whole


def check(document: Any) -> config.Checked:
    return config.check(json.dumps(document), "config.json", now=NOW)


def said(document: Any) -> list[str]:
    """Every finding as `error|warning where: problem; allowed`, without file and line."""
    return [
        f"{f.severity} {f.where}: {f.problem}" + (f"; {f.allowed}" if f.allowed else "")
        for f in check(document).findings
    ]
