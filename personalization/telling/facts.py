"""What a run was for, and what came of it, in a few words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import singledispatch
from typing import Any, Final

from personalization.connectors import ImportProgress
from personalization.resources import TrainReport
from personalization.segments import PostprocessReport
from personalization.sync.report import SyncReport

_BATCH: Final = re.compile(r"s3://[^/]+/batch/(?P<group>[^/]+)/.+")
# More of them nobody reads in a message.
_MOST_LINES: Final = 20


def what_for(parameters: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name of what a flow's parameters are about, and the dataset group if they say it.

    A parameter file's name is the folder it lies in; a connector job's, its type and name.
    """
    if group := parameters.get("dataset_group"):
        return group, group
    if output := parameters.get("output"):
        batch = _BATCH.fullmatch(output)
        return (batch["group"], batch["group"]) if batch else (output, "")
    if job := parameters.get("job"):
        folder = job.removesuffix("config.json").rstrip("/")
        return "/".join(folder.split("/")[-2:]), ""
    place = parameters.get("file") or parameters.get("bucket", "")
    if destination := parameters.get("destination"):
        return f"{place.rpartition('/')[2]} into {destination}", ""
    return place.rpartition("/")[0].rpartition("/")[2] or place, ""


@singledispatch
def facts_of(_result: object) -> tuple[str, ...]:
    """Return lines that say what a flow's result holds; none for what is not known here."""
    return ()


@facts_of.register
def _train(result: TrainReport) -> tuple[str, ...]:
    done = Counter(step.action for step in result.plan.steps)
    counts = ", ".join(f"{number} {action}" for action, number in sorted(done.items()))
    return (f"Resources: {counts}", *_few("Batch output", result.outputs))


@facts_of.register
def _postprocess(result: PostprocessReport) -> tuple[str, ...]:
    members = sum(it.members for it in result.audiences)
    made = f"Audiences: {len(result.audiences)} with {members} members"
    rejected = (f"Lines without an audience: {result.rejected} of {result.lines}",)
    imports = [f"{name}: {_progress(it)}" for name, it in sorted(result.imports.items())]
    return (made, *(rejected if result.rejected else ()), *_few("Imported", imports))


@facts_of.register
def _import(result: ImportProgress) -> tuple[str, ...]:
    return (f"Imported: {_progress(result)}",)


@facts_of.register
def _sync(result: SyncReport) -> tuple[str, ...]:
    parts = [
        f"{row['connector']} {row['part']}: {row['accepted']} accepted, {row['rejected']} rejected"
        for row in result.rows()
    ]
    return _few("Delivered", parts)


@facts_of.register
def _places(result: tuple) -> tuple[str, ...]:  # type: ignore[type-arg]
    return _few("Batch output", tuple(map(str, result)))


def _progress(it: ImportProgress) -> str:
    return f"{it.accepted} accepted, {it.rejected} rejected"


def _few(title: str, lines: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    more = len(lines) - _MOST_LINES
    told = [f"{title}: {it}" for it in lines[:_MOST_LINES]]
    return (*told, f"… and {more} more") if more > 0 else tuple(told)
