"""The state in S3: a copy of the folder that `recommendation_state` describes.

The files of a generation are written before `state.json` names them, so a reader, or a run that
follows a killed one, finds the old generation or the new one whole.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from personalization.aws import S3Path, aws_errors
from personalization.objects import download, listing, upload
from personalization.transforms.recommendation_state import STATE_FILE, state_files


def fetch_state(s3: Any, stored: S3Path, folder: Path) -> Path:
    """Make the folder a copy of what is stored, and return it; empty before the first run."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    there = {it.path.key.removeprefix(stored.key): it.path for it in listing(s3, stored)}
    if STATE_FILE in there:
        download(s3, there[STATE_FILE], folder / STATE_FILE)
        for file in state_files(folder)[:-1]:
            download(s3, stored / file.relative_to(folder).as_posix(), file)
    return folder


def store_state(s3: Any, folder: Path, stored: S3Path) -> None:
    """Write the folder's generation; remove those before the last.  Safe to repeat."""
    files = state_files(folder)
    if not files:
        return
    before = {it.path.key.removeprefix(stored.key).partition("/")[0] for it in listing(s3, stored)}
    for file in files:
        target = stored / file.relative_to(folder).as_posix()
        upload(s3, file, target, _kind(file))
    generation = files[0].parent.name
    older = sorted(name for name in before if name.isdigit() and name < generation)
    for name in older[:-1]:
        for it in listing(s3, stored / f"{name}/"):
            with aws_errors(f"deleting {it.path}"):
                s3.delete_object(Bucket=it.path.bucket, Key=it.path.key)


def _kind(file: Path) -> str:
    return "application/json" if file.name == STATE_FILE else "application/vnd.apache.parquet"
