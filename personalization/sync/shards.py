"""The outboxes of several shards as one: the same lines that one shard would have made."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import orjson
import polars as pl

from personalization.transforms.outbox import OUTBOX_FILE, OUTDATED_FILE, WrittenOutbox
from personalization.transforms.recommendations import USER_COUNTS


def merged(shards: Sequence[Path], target: Path) -> WrittenOutbox:
    """Return one outbox of all lines; the shards' folders are used up.

    Safe to repeat as long as `target` is not there.
    """
    outboxes = [WrittenOutbox.read(folder) for folder in shards]
    first = outboxes[0]
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files: list[str] = []
    for outbox in outboxes:
        for file in outbox.files:
            files.append(f"{len(files):05d}")
            os.link(outbox.lines(file), partial / f"{files[-1]}.jsonl")
            os.link(outbox.users(file), partial / f"{files[-1]}.parquet")
    os.link(first.items, partial / first.items.name)
    outdated = pl.concat([outbox.outdated for outbox in outboxes])
    if len(outdated):
        outdated.to_frame().write_parquet(partial / OUTDATED_FILE, compression="zstd")
    said = {
        "files": files,
        "fingerprint": first.fingerprint,
        "attributes": first.attributes,
        "retired": first.retired,
        "counts": _counts([outbox.counts for outbox in outboxes]),
    }
    (partial / OUTBOX_FILE).write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))
    partial.replace(target)
    for folder in shards:
        shutil.rmtree(folder)
    return WrittenOutbox.read(target)


def _counts(shards: Sequence[dict[str, int]]) -> dict[str, int]:
    # What is not of users, every shard counts as if it were alone.
    return {
        name: (sum if name in USER_COUNTS else max)(counts[name] for counts in shards)
        for name in shards[0]
    }
