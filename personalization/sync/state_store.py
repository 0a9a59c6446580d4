"""The state in S3: a copy of the folder that `recommendation_state` describes.

The files of a generation are written before `state.json` names them, so a reader, or a run that
follows a killed one, finds the old generation or the new one whole.  `state.json` says in S3, too,
which delivery wrote it (`by`): whoever has been away can tell whether it is still as they left it.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
from polars.exceptions import PolarsError

from personalization.aws import S3Path
from personalization.errors import FatalError, shortened
from personalization.objects import content, download, listing, remove, upload
from personalization.transforms.recommendation_state import STATE_FILE, state_files

_NOBODY: Final = ("", "")  # has written the state before the first
_NO_STATE: Final = (ValueError, TypeError, KeyError, AttributeError)


def fetch_state(s3: Any, stored: S3Path, folder: Path) -> Path:
    """Make the folder a copy of what is stored, and return it; empty before the first run.

    Raises FatalError if what is stored is no state.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    there = {it.path.key.removeprefix(stored.key): it.path for it in listing(s3, stored)}
    if STATE_FILE in there:
        download(s3, there[STATE_FILE], folder / STATE_FILE)
        try:
            for file in state_files(folder)[:-1]:
                download(s3, stored / file.relative_to(folder).as_posix(), file)
                pl.read_parquet_schema(file)
        except (FatalError, PolarsError, *_NO_STATE) as error:
            raise FatalError(
                f"{there[STATE_FILE]} and its files are no state that can be read "
                f"({shortened(error)}); move them away to send everything again"
            ) from error
    return folder


def store_state(s3: Any, folder: Path, stored: S3Path, by: str) -> None:
    """Write the folder's generation; remove those before the last.  Safe to repeat.

    by  names the delivery that it comes from
    """
    files = state_files(folder)
    if not files:
        return
    said = orjson.loads(files[-1].read_bytes())
    files[-1].write_bytes(orjson.dumps({**said, "by": by}, option=orjson.OPT_INDENT_2))
    before = {it.path.key.removeprefix(stored.key).partition("/")[0] for it in listing(s3, stored)}
    for file in files:
        target = stored / file.relative_to(folder).as_posix()
        upload(s3, file, target, _kind(file))
    generation = files[0].parent.name
    older = sorted(name for name in before if name.isdigit() and name < generation)
    for name in older[:-1]:
        for it in listing(s3, stored / f"{name}/"):
            remove(s3, it.path)


def stored_by(s3: Any, stored: S3Path) -> tuple[str, str]:
    """Return the same as `written_by`, of a state in S3."""
    place = stored / STATE_FILE
    written = content(s3, place)
    return _writer(written.data, place) if written else _NOBODY


def written_by(folder: Path) -> tuple[str, str]:
    """Return which generation of a state a folder has, and which delivery wrote it."""
    file = folder / STATE_FILE
    return _writer(file.read_bytes(), file) if file.exists() else _NOBODY


def _writer(text: bytes, place: S3Path | Path) -> tuple[str, str]:
    try:
        said = orjson.loads(text)
        return said["generation"], said.get("by", "")
    except _NO_STATE as error:
        raise FatalError(
            f"{place} is no state that can be read ({shortened(error)}); move it away to send "
            "everything again"
        ) from error


def _kind(file: Path) -> str:
    return "application/json" if file.name == STATE_FILE else "application/vnd.apache.parquet"
