"""The endpoint index, kept from run to run and built again only when the table has changed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Final

from personalization.transforms.endpoint_buckets import sort_buckets, split_endpoints
from personalization.transforms.endpoints import EndpointTable

log = logging.getLogger(__name__)

_LAYOUT: Final = "v1"  # part of the folder's name: another layout never reads this one
_DAY_S: Final = 86_400
_SETTLED_NS: Final = 2_000_000_000  # coarser than any file system's clock


def kept_index(table: EndpointTable, home: Path) -> tuple[Path, int]:
    """Return the folder and number of the table's sorted buckets under `home`.

    It is built if there is none for this content.  Safe to repeat and to run twice at once: it is
    renamed into place when complete.  Indexes of other contents, but the latest, are removed.
    """
    home.mkdir(parents=True, exist_ok=True)
    fingerprint = _fingerprint(table, home / "seen.json")
    for folder in home.glob(f"{_LAYOUT}-{fingerprint}-*"):
        return folder, int(folder.name.rpartition("-")[2])

    for leftover in home.glob(".building-*"):  # of a run that was killed
        if time.time() - leftover.stat().st_mtime > _DAY_S:
            shutil.rmtree(leftover, ignore_errors=True)
    building = Path(tempfile.mkdtemp(prefix=".building-", dir=home))
    try:
        buckets = split_endpoints(table, building)
        sort_buckets(building, buckets)
        folder = home / f"{_LAYOUT}-{fingerprint}-{buckets}"
        earlier = sorted(home.glob(f"{_LAYOUT}-*"), key=lambda path: path.stat().st_mtime)
        try:
            building.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was faster: same content, same index
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    # A run that reads the one before may still be under way.
    for old in earlier[:-1]:
        shutil.rmtree(old, ignore_errors=True)
    log.info("built the endpoint index %s with %d buckets", folder, buckets)
    return folder, buckets


def _fingerprint(table: EndpointTable, memo: Path) -> str:
    """Return 20 hex digits of SHA-256 over the files' contents, in order.

    Files whose path, size and time of change are those of the last look are not read again,
    unless they changed so shortly before it that a later change could bear the same time.
    """
    stats = [file.stat() for file in table.files]
    now = [
        [str(file.resolve()), stat.st_size, stat.st_mtime_ns]
        for file, stat in zip(table.files, stats, strict=True)
    ]
    try:
        seen = json.loads(memo.read_text())
        age = memo.stat().st_mtime_ns - max(stat.st_mtime_ns for stat in stats)
        if age > _SETTLED_NS and seen["files"] == now:
            return str(seen["fingerprint"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no memo, or not one of ours: the files themselves decide
    digest = hashlib.sha256()
    for file in table.files:
        with file.open("rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    fingerprint = digest.hexdigest()[:20]
    fresh = memo.with_name(f".{memo.name}.{os.getpid()}")
    fresh.write_text(json.dumps({"files": now, "fingerprint": fingerprint}))
    fresh.replace(memo)
    return fingerprint
