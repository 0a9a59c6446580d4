"""Who would overwrite whom: connectors of one job, and jobs that write one whole object a user.

A job claims the place of its objects beside all jobs: `etl_jobs/claims/<digest>.json`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

import orjson

from personalization.aws import S3Path, aws_errors
from personalization.connectors import Connector, Rendering, TakesAttributes
from personalization.connectors.tuning import tunable
from personalization.errors import ConfigError, Finding
from personalization.objects import content
from personalization.sync.layout import JobPath


def overlapping(
    path: JobPath, connectors: Mapping[str, tuple[TakesAttributes, Rendering]]
) -> Iterator[Finding]:
    """Yield connectors that set the same attributes of the same users as one before them."""
    for (first, (one, mine)), (second, (other, its)) in combinations(connectors.items(), 2):
        if _place(one) != _place(other) or one.keeps_runs_apart:
            continue
        if path.type == "user_segmentation" or _list_of(mine) == _list_of(its):
            yield Finding(
                f"connectors.{second}",
                f"sets the same attributes at the same destination as {first!r}, so each would "
                "overwrite the other",
                "give it another attributePrefix (with objects: another listName), or take one out",
                source=str(path.config),
            )


def claim(s3: Any, path: JobPath, connector: str, place: str) -> None:
    """Write down that the connector of the job owns a place, unless another does.  Safe to repeat.

    Raises ConfigError if another connector, or job, owns it.
    """
    root = path.folder.key.removesuffix(f"{path.type}/{path.name}/")
    digest = hashlib.sha256(place.encode()).hexdigest()[:16]
    file = S3Path(path.folder.bucket, f"{root}claims/{digest}.json")
    mine = {"place": place, "job": str(path.folder), "connector": connector}
    owner = _owner(s3, file)
    if owner is None:
        with aws_errors(f"writing {file}"):
            s3.put_object(Bucket=file.bucket, Key=file.key, Body=orjson.dumps(mine))
    elif owner != mine:
        raise ConfigError(
            f"{place} holds one object a user, and connector {owner['connector']!r} of "
            f"{owner['job']} writes it, so each job would overwrite the other; make another for "
            f"this one, or remove {file} if that job delivers there no more"
        )


def _owner(s3: Any, file: S3Path) -> dict[str, str] | None:
    written = content(s3, file)
    if written is None:
        return None
    try:
        said = orjson.loads(written.data)
        return {name: str(said[name]) for name in ("place", "job", "connector")}
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{file} is no claim of ours; remove it, then run again") from error


def _place(connector: TakesAttributes) -> object:
    """Return what tells one destination from another: all settings but those of how it is used."""
    if not isinstance(connector, Connector):
        return connector
    config = connector.config
    return connector.kind, config.model_dump(exclude=set(tunable(type(config))))


def _list_of(rendering: Rendering) -> tuple[str, str]:
    if rendering.style == "objects":
        return "objects", rendering.list_name
    return "parallel", rendering.prefix
