"""What a destination holds of each user, as far as it has acknowledged it.

In a folder, so that a reader sees one generation or the next, never half of each:
    state.json                     which generation counts, the fingerprint, the attributes
    <generation>/users.parquet     user_id str, hash u64; sorted by XXH3-64 of user_id
    <generation>/items.parquet     item_id str, version u64 (see `item_metadata`)

A hash of 0 is never that of a list: it stands for "holds something, but not surely the latest", so
that the user is sent again, or cleared, at the next run.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import polars as pl
import polars_hash as plh

from personalization.columns import HASH, ITEM_ID, REMOVED, USER_ID, VERSION
from personalization.errors import FatalError
from personalization.transforms.outbox import WrittenOutbox

STATE_FILE: Final = "state.json"
USERS_FILE: Final = "users.parquet"
ITEMS_FILE: Final = "items.parquet"
STALE: Final = 0
_LAYOUT: Final = 1
_ACKNOWLEDGED: Final = "acknowledged"
_KEY: Final = "key"

Numbers = np.ndarray[Any, np.dtype[Any]]
Acknowledged = Mapping[str, pl.Series]


def keys_of(users: pl.Series) -> Numbers:
    """Return XXH3-64 of each user's id (u64): by it users are found, and sharded."""
    numbers: Numbers = users.to_frame(USER_ID).select(_key()).to_series().to_numpy()
    return numbers


def _key() -> pl.Expr:
    key: pl.Expr = plh.col(USER_ID).nchash.xxh3_64()
    return key


@dataclass(frozen=True)
class State:
    """What is held by the users of one shard.

    users        user_id str, hash u64, in the order of `keys`
    items        item_id str, version u64: as they were when those users were sent
    fingerprint  None before the first run
    attributes   what users may hold, as the `Renderer` says it
    """

    users: pl.DataFrame
    keys: Numbers
    items: pl.DataFrame
    fingerprint: str | None
    attributes: tuple[str, ...]

    def places(self, users: pl.Series, keys: Numbers) -> Numbers:
        """Return each user's row, or -1."""
        # Searched in order, one is near the one before: in memory, too.
        order = np.argsort(keys)
        place = np.empty(len(keys), np.int64)
        place[order] = np.searchsorted(self.keys, keys[order])
        found = np.full(len(keys), -1, np.int64)
        open_ = np.flatnonzero(place < len(self.keys))
        while open_.size:  # a second round only where two users have the same key
            open_ = open_[self.keys[place[open_]] == keys[open_]]
            same = (self.users[USER_ID].gather(place[open_]) == users.gather(open_)).to_numpy()
            found[open_[same]] = place[open_[same]]
            open_ = open_[~same]
            place[open_] += 1
            open_ = open_[place[open_] < len(self.keys)]
        return found


def read_state(folder: Path, *, shard: int = 0, shards: int = 1) -> State:
    """Return the state of one shard; an empty one before the first run.

    Raises FatalError for a state that another version has written.
    """
    file = folder / STATE_FILE
    if not file.exists():
        users = pl.DataFrame(schema={USER_ID: pl.String, HASH: pl.UInt64})
        items = pl.DataFrame(schema={ITEM_ID: pl.String, VERSION: pl.UInt64})
        return State(users, np.empty(0, np.uint64), items, None, ())
    said = _said(file)
    generation = folder / said["generation"]
    rows = pl.scan_parquet(generation / USERS_FILE).with_columns(_key().alias(_KEY))
    if shards > 1:
        rows = rows.filter(pl.col(_KEY) % shards == shard)
    users = rows.collect().rechunk()  # rows are gathered from it, part by part
    if not users[_KEY].is_sorted():
        users = users.sort(_KEY)
    return State(
        users.drop(_KEY),
        users[_KEY].to_numpy(),
        pl.read_parquet(generation / ITEMS_FILE),
        said["fingerprint"],
        tuple(said["attributes"]),
    )


def promote(folder: Path, answered: Sequence[tuple[WrittenOutbox, Acknowledged]]) -> None:
    """Write down what the destination now holds.

    answered  the outboxes of all shards of one run, each with what was acknowledged: for every file
              per line true (taken), false (refused, or never sent) or null (sent, and no answer
              came).  A file that is not named was never sent.

    Users of whom nothing was sent stay as they are, but who is outdated counts as holding
    something, not surely the latest.  Of those sent, who was not acknowledged is sent again at the
    next run, whatever changes until then.  Safe to repeat, and to be killed.
    Raises FatalError if outboxes differ in how they were rendered.
    """
    if len({outbox.fingerprint for outbox, _ in answered}) != 1:
        raise FatalError("the outboxes are not of one run: they were rendered differently")
    old = read_state(folder)
    sent = pl.concat([_answers(outbox, said) for outbox, said in answered])
    taken, held = pl.col(_ACKNOWLEDGED), pl.col(HASH).is_not_null()
    fresh, removed = pl.col(f"{HASH}_right"), pl.col(REMOVED)
    users = (
        old.users.join(sent, on=USER_ID, how="full", coalesce=True)
        .with_columns(
            pl.when(removed.is_null())
            .then(pl.col(HASH))
            .when(taken)
            .then(pl.when(~removed).then(fresh))
            .when(held | (taken.is_null() & ~removed))
            .then(pl.lit(STALE, pl.UInt64))
            .alias(HASH)
        )
        .filter(held)
        .select(USER_ID, HASH)
        .sort(_key())
    )
    outdated = pl.concat([outbox.outdated for outbox, _ in answered])
    if len(outdated):
        stale = pl.when(pl.col(USER_ID).is_in(outdated.implode())).then(pl.lit(STALE, pl.UInt64))
        users = users.with_columns(stale.otherwise(HASH).alias(HASH))
    now, _ = answered[0]
    attributes = dict.fromkeys(now.attributes)
    if (users[HASH] == STALE).any():  # they may still hold what is no longer sent
        attributes.update(dict.fromkeys(now.retired))
    _write(folder, users, pl.read_parquet(now.items), now.fingerprint, tuple(attributes))


def doubt(folder: Path, told: pl.DataFrame, attributes: Iterable[str] = ()) -> None:
    """Write down who was told something of which nobody knows whether it is the latest.

    told        user_id str, removed bool; all of them are sent again at the next run, or cleared
    attributes  what they may hold besides what is known

    What is known of everybody else stays.  Safe to repeat.
    """
    old = read_state(folder)
    doubtful = told.filter(~pl.col(REMOVED) | pl.col(USER_ID).is_in(old.users[USER_ID].implode()))
    users = (
        pl.concat(
            [
                old.users.join(doubtful, on=USER_ID, how="anti"),
                doubtful.select(USER_ID, pl.lit(STALE, pl.UInt64).alias(HASH)),
            ]
        )
        .unique(USER_ID)
        .sort(_key())
    )
    names = dict.fromkeys((*old.attributes, *attributes))
    _write(folder, users, old.items, old.fingerprint or "", tuple(names))


def state_files(folder: Path) -> tuple[Path, ...]:
    """Return the files of the generation that counts, `state.json` last; none before the first."""
    file = folder / STATE_FILE
    if not file.exists():
        return ()
    generation = folder / _said(file)["generation"]
    return (generation / USERS_FILE, generation / ITEMS_FILE, file)


def held_counts(folder: Path) -> dict[str, int]:
    """Return how many users each state that is in a folder of `folder` holds, by its name."""
    return {
        file.parent.name: int(_said(file)["users"])
        for file in sorted(folder.glob(f"*/{STATE_FILE}"))
    }


def changed_items(old: pl.DataFrame, new: pl.DataFrame) -> pl.Series:
    """Return the ids of items whose version differs, or that only one of the two has."""
    both = old.join(new, on=ITEM_ID, how="full", coalesce=True)
    return both.filter(pl.col(VERSION).ne_missing(pl.col(f"{VERSION}_right")))[ITEM_ID]


def _answers(outbox: WrittenOutbox, acknowledged: Acknowledged) -> pl.DataFrame:
    parts = [pl.DataFrame(schema={**_SENT, _ACKNOWLEDGED: pl.Boolean})]
    for file in outbox.files:
        rows = pl.read_parquet(outbox.users(file))
        said = acknowledged.get(file)
        if said is None:
            said = pl.Series([False]).new_from_index(0, len(rows))
        if len(said) != len(rows):
            raise FatalError(
                f"{outbox.lines(file)} has {len(rows)} lines, and {len(said)} were answered; it is "
                "not the outbox that was delivered"
            )
        parts.append(rows.with_columns(said.cast(pl.Boolean).alias(_ACKNOWLEDGED)))
    return pl.concat(parts)


_SENT: Final = {USER_ID: pl.String, HASH: pl.UInt64, REMOVED: pl.Boolean}


def _write(
    folder: Path,
    users: pl.DataFrame,
    items: pl.DataFrame,
    fingerprint: str,
    attributes: Iterable[str],
) -> None:
    before = _said(folder / STATE_FILE)["generation"] if (folder / STATE_FILE).exists() else None
    number = int(before or 0) + 1
    generation = folder / f"{number:08d}"
    shutil.rmtree(generation, ignore_errors=True)  # of a promotion that was killed
    generation.mkdir(parents=True)
    users.write_parquet(generation / USERS_FILE, compression="zstd")
    items.write_parquet(generation / ITEMS_FILE, compression="zstd")
    said = {
        "layout": _LAYOUT,
        "generation": generation.name,
        "fingerprint": fingerprint,
        "attributes": list(attributes),
        "users": len(users),
    }
    partial = folder / f".{STATE_FILE}.{os.getpid()}"
    partial.write_bytes(orjson.dumps(said, option=orjson.OPT_INDENT_2))
    partial.replace(folder / STATE_FILE)
    for other in folder.iterdir():
        if other.is_dir() and other.name.isdigit() and other.name not in (generation.name, before):
            shutil.rmtree(other, ignore_errors=True)


def _said(file: Path) -> dict[str, Any]:
    said: dict[str, Any] = orjson.loads(file.read_bytes())
    if said.get("layout") != _LAYOUT:
        raise FatalError(
            f"{file} has layout {said.get('layout')!r}, and this version reads {_LAYOUT}; move the "
            "state away to send everything again"
        )
    return said
