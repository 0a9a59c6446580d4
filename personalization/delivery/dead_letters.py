"""Lines that a destination rejected, kept with the reason, and made into an outbox again.

`dead-letters.jsonl`, beside the outbox: an object a line, `file`, `row`, `user_id`, `hash`,
`removed`, `kind` (of the connector), `origin` (what the caller says of where it belongs), `reason`
and, last, `object`: the line as it was sent, byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import groupby, islice
from pathlib import Path
from typing import Any

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
_KIND, _ORIGIN = "kind", "origin"
# As many users a file as outboxes hold.
_PER_FILE = 100_000


def write(outbox: Outbox, kind: str = "", origin: Mapping[str, Any] | None = None) -> Path | None:
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
                        about |= {_KIND: kind, _ORIGIN: dict(origin or {}), REASON: reasons[row]}
                        head = orjson.dumps(about)
                        letters.write(head[:-1] + _OBJECT + line.rstrip(b"\r\n") + b"}\n")
    return partial.replace(target)


def origin_of(dead_letters: Path, kind: str) -> dict[str, Any]:
    """Return what the letters say of where they belong; nothing if they do not say.

    Raises ConfigError if they are of another kind of connector, or of several origins.
    """
    origin: dict[str, Any] | None = None
    for about, _, place in _letters(dead_letters):
        if about[_KIND] != kind:
            raise ConfigError(
                f"{place} was written for a destination of kind {about[_KIND]!r}, and this one is "
                f"of kind {kind!r}; replay it to the one that rejected it"
            )
        if origin is not None and about[_ORIGIN] != origin:
            raise ConfigError(
                f"{place} is of another delivery than the letters before it; replay the {NAME} of "
                "each run by itself"
            )
        origin = about[_ORIGIN]
    return origin or {}


def replayed(dead_letters: Path, folder: Path, leave_out: Collection[str] = ()) -> Path:
    """Make an outbox of a dead-letter file, in a new folder; return the folder.

    leave_out  users whose letters are not taken
    It is delivered like any other.  Raises ConfigError if the file is not one of ours, or the
    folder is in use.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder} is not empty; replay into a folder of its own")
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    letters = (
        ({name: about[name] for name in (USER_ID, HASH, REMOVED)}, line)
        for about, line, _ in _letters(dead_letters)
        if about[USER_ID] not in leave_out
    )
    for file, some in enumerate(iter(lambda: list(islice(letters, _PER_FILE)), [])):
        _write_pair(partial, file, [about for about, _ in some], [line for _, line in some])
    if folder.exists():
        folder.rmdir()
    return partial.replace(folder)


def first_reason(dead_letters: Path) -> str:
    """Return why the first of the lines was rejected."""
    with dead_letters.open("rb") as letters:
        head, _, _ = letters.readline().partition(_OBJECT)
    return str(orjson.loads(head + b"}")[REASON])


def users_of(dead_letters: Path) -> list[str]:
    """Return whom the letters are for."""
    return [about[USER_ID] for about, _, _ in _letters(dead_letters)]


def _letters(dead_letters: Path) -> Iterator[tuple[dict[str, Any], bytes, str]]:
    """Yield what is said about a line, the line, and where it stands."""
    with dead_letters.open("rb") as letters:
        for number, letter in enumerate(letters, start=1):
            place = f"{dead_letters}:{number}"
            head, found, line = letter.rstrip(b"\r\n").removesuffix(b"}").partition(_OBJECT)
            try:
                about = orjson.loads(head + b"}") if found else {}
                about = {name: about[name] for name in (USER_ID, HASH, REMOVED, _KIND, _ORIGIN)}
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(
                    f"{place} is not a dead letter; give the {NAME} of a run"
                ) from error
            yield about, line, place


def _write_pair(
    folder: Path, file: int, users: list[dict[str, object]], lines: list[bytes]
) -> None:
    (folder / f"{file:05d}.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    schema = {USER_ID: pl.String, HASH: pl.UInt64, REMOVED: pl.Boolean}
    pl.DataFrame(users, schema=schema).write_parquet(folder / f"{file:05d}.parquet")
