"""Lines that a destination rejected, kept with the reason, and made into an outbox again.

`dead-letters.jsonl`, beside the outbox: an object a line, `file`, `row`, `user_id`, `hash`,
`removed`, `reason` and, last, `object`: the line as it was sent, byte for byte.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import orjson
import polars as pl

from personalization.columns import HASH, REASON, REMOVED, USER_ID
from personalization.delivery.journal import rejections
from personalization.delivery.outbox import Outbox
from personalization.errors import ConfigError

NAME = "dead-letters.jsonl"
# Where the sent line begins.  What stands before is ours, and inside JSON strings a quote is
# escaped, so the first of these is the right one.
_OBJECT = b',"object":'
# As many users a file as outboxes hold.
_PER_FILE = 100_000


def write(outbox: Outbox) -> Path | None:
    """Write the rejected lines of an outbox, by its journal; return the file, if there are any.

    Written whole or not at all.  Safe to repeat.
    """
    target = outbox.folder / NAME
    rejected = sorted(rejections(outbox.folder))
    if not rejected:
        target.unlink(missing_ok=True)
        return None
    partial = target.with_name(f"{NAME}.partial")
    with partial.open("wb") as letters:
        for file, group in groupby(rejected, key=lambda each: each[0]):
            users = outbox.users(file)
            reasons = {row: reason for _, row, reason in group}
            with (outbox.folder / f"{file}.jsonl").open("rb") as lines:
                for row, line in enumerate(lines):
                    if row in reasons:
                        about = {"file": file, "row": row, **users.row(row, named=True)}
                        head = orjson.dumps({**about, REASON: reasons[row]})
                        letters.write(head[:-1] + _OBJECT + line.rstrip(b"\r\n") + b"}\n")
    return partial.replace(target)


def replayed(dead_letters: Path, folder: Path) -> Path:
    """Make an outbox of a dead-letter file, in a new folder; return the folder.

    It is delivered like any other.  Raises ConfigError if the file is not one of ours, or the
    folder is in use.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; replay into a folder of its own")
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    users: list[dict[str, object]] = []
    held: list[bytes] = []
    file = 0
    with dead_letters.open("rb") as letters:
        for number, letter in enumerate(letters, start=1):
            about, line = _opened(letter, f"{dead_letters}:{number}")
            users.append(about)
            held.append(line)
            if len(held) == _PER_FILE:
                _write_pair(partial, file, users, held)
                users, held, file = [], [], file + 1
    if held:
        _write_pair(partial, file, users, held)
    if folder.exists():
        folder.rmdir()
    return partial.replace(folder)


def _opened(letter: bytes, place: str) -> tuple[dict[str, object], bytes]:
    head, found, line = letter.rstrip(b"\r\n").removesuffix(b"}").partition(_OBJECT)
    try:
        about = orjson.loads(head + b"}") if found else {}
        return {name: about[name] for name in (USER_ID, HASH, REMOVED)}, line
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{place} is not a dead letter; give the {NAME} of a run") from error


def _write_pair(
    folder: Path, file: int, users: list[dict[str, object]], lines: list[bytes]
) -> None:
    (folder / f"{file:05d}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    schema = {USER_ID: pl.String, HASH: pl.UInt64, REMOVED: pl.Boolean}
    pl.DataFrame(users, schema=schema).write_parquet(folder / f"{file:05d}.parquet")
