"""Which batch job's output is meant: a run that is named, or the newest complete one."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from personalization.aws import S3Path
from personalization.errors import ConfigError, RetryableError
from personalization.objects import S3Object, listing

# Personalize writes it, empty, when all of a job's output is there.
COMPLETE: Final = "_CHECK"
_STAMP: Final = re.compile(r"[_-](\d{4})[_-](\d\d)[_-](\d\d)[_-](\d\d)[_-](\d\d)[_-](\d\d)$")
_MOST_LISTED: Final = 5


@dataclass(frozen=True)
class BatchRun:
    """A complete output.

    outputs  its `.out` objects, by key
    stamp    when the job was begun, by the folder's name, else when it was complete; UTC
    """

    folder: S3Path
    outputs: tuple[S3Object, ...]
    stamp: dt.datetime


def complete_run(s3: Any, folder: S3Path) -> BatchRun:
    """Return the run in the folder, or the newest complete one of the folders in it.

    A folder's time is in its name (`<solution>_YYYY_MM_DD_HH_MM_SS`, also with `-`).

    Raises ConfigError if nothing is there that could become one, RetryableError if there are only
    runs that are not complete yet.
    """
    objects = [it for it in listing(s3, folder) if it.path.key != folder.key]
    inside: dict[str, list[S3Object]] = {}
    for it in objects:
        name, slash, rest = it.path.key.removeprefix(folder.key).partition("/")
        if slash and rest and "/" not in rest:
            inside.setdefault(name, []).append(it)
        elif not slash:
            inside.setdefault("", []).append(it)
    if own := _outputs(inside.pop("", [])):
        inside = {"": own}
    runs = {name: its for name, its in inside.items() if _outputs(its)}
    if not runs:
        names = ", ".join(sorted(inside)[:_MOST_LISTED]) or "nothing"
        raise ConfigError(
            f"{folder} holds no output of a batch job (*.out); there is: {names}; name a run's "
            "folder, or a solution's"
        )
    complete = [
        _run(folder / f"{name}/" if name else folder, its, mark)
        for name, its in runs.items()
        for mark in its
        if mark.path.name == COMPLETE
    ]
    if not complete:
        names = ", ".join(name or str(folder) for name in sorted(runs)[-_MOST_LISTED:])
        raise RetryableError(
            f"{folder} holds no complete output: {COMPLETE} is missing in {names}; the batch job "
            "writes it at its end"
        )
    return max(complete, key=lambda run: (run.stamp, run.folder))


def _outputs(objects: Sequence[S3Object]) -> list[S3Object]:
    """Return the objects if there are outputs among them."""
    return list(objects) if any(it.path.key.endswith(".out") for it in objects) else []


def _run(folder: S3Path, objects: Sequence[S3Object], mark: S3Object) -> BatchRun:
    outputs = tuple(it for it in objects if it.path.key.endswith(".out"))
    return BatchRun(folder, outputs, _stamp(folder.name) or mark.modified)


def _stamp(name: str) -> dt.datetime | None:
    found = _STAMP.search(name)
    if not found:
        return None
    try:
        return dt.datetime.strptime("-".join(found.groups()), "%Y-%m-%d-%H-%M-%S").replace(
            tzinfo=dt.UTC
        )
    except ValueError:  # it only looks like a time
        return None
