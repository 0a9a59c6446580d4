"""A job's inputs, brought from S3 to disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from personalization.aws import S3Path
from personalization.errors import ConfigError
from personalization.objects import S3Object, kept_copies, listing
from personalization.sync.job import Job
from personalization.sync.layout import JobPath
from personalization.sync.runs import BatchRun, complete_run


@dataclass(frozen=True)
class Inputs:
    """Copies of what a run reads, each kind in the order of the objects' keys.

    outputs   `.out` files
    mapping   CSVs, for related_items
    metadata  JSON Lines
    """

    run: BatchRun
    outputs: tuple[Path, ...]
    mapping: tuple[Path, ...] = ()
    metadata: tuple[Path, ...] = ()


def fetch_inputs(s3: Any, path: JobPath, job: Job, home: Path) -> Inputs:
    """Return copies under `home` of the newest inputs; what is there already is not copied again.

    Raises ConfigError if a related_items job has no mapping, and what `complete_run` raises.
    """
    run = complete_run(s3, S3Path.parse(job.batch_inference_path))
    mapping: tuple[S3Object, ...] = ()
    metadata: tuple[S3Object, ...] = ()
    if path.type == "related_items":
        mapping = _of(s3, path.mapping, ".csv")
        if not mapping:
            raise ConfigError(
                f"{path.mapping} holds no .csv: put USER_ID, ITEM_ID tables there, so that items' "
                "recommendations reach users"
            )
    if path.type != "user_segmentation":
        metadata = _of(s3, path.metadata, ".json", ".jsonl")
    return Inputs(
        run,
        _copies(s3, run.outputs, home / "outputs"),
        _copies(s3, mapping, home / "mapping"),
        _copies(s3, metadata, home / "metadata"),
    )


def _of(s3: Any, folder: S3Path, *endings: str) -> tuple[S3Object, ...]:
    found = (it for it in listing(s3, folder) if it.path.key.lower().endswith(endings))
    return tuple(it for it in found if it.size)


def _copies(s3: Any, objects: tuple[S3Object, ...], home: Path) -> tuple[Path, ...]:
    if not objects:
        return ()
    return tuple(sorted(kept_copies(s3, objects, home).iterdir()))
