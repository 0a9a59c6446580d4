"""What a batch segment job wrote: JSON Lines, each line one query and its users, best first.

What Personalize writes and what its guide prints differ, so all of it is read:

users  `output.usersList` (written) or `output.recommendedUsers` (printed)
query  `input.itemAttributes`, `input.itemId` (written), or either at the top level (printed)

Source: Personalize developer guide, "Item-Affinity recipe" and "Item-Attribute-Affinity recipe"
(batch segment job output examples), against the notebooks of aws-samples
"amazon-personalize-samples".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from personalization.errors import shortened
from personalization.transforms.user_lists import split_strings, strings_of

_USERS_KEYS: Final = ("usersList", "recommendedUsers")
_USERS: Final = re.compile(rb'"(usersList|recommendedUsers)"[ \t]*:[ \t]*\[')
_INK: Final = re.compile(rb"[^ \t\r]")
_QUERY_KEYS: Final = ("itemAttributes", "itemId", "filterValues")
# Stands in for the users while the rest of a long line is parsed.
_STAND_IN: Final = "users of this line, split elsewhere"
_STAND_IN_JSON: Final = orjson.dumps([_STAND_IN])
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class SegmentLine:
    """One query and its answer.

    number  counted from 1 in its file
    query   the line's input; `itemId` is always text
    users   `user_id` str, best first, as listed: duplicates included, no nulls, none empty
    span    where it stands in its file, in bytes, without its line end
    no_ids  how many of the listed users were null or empty, and are left out
    """

    file: Path
    number: int
    query: dict[str, Any]
    users: pl.Series
    span: tuple[int, int]
    no_ids: int = 0

    def text(self) -> bytes:
        """Read the line again, as it is written."""
        with self.file.open("rb") as file:
            file.seek(self.span[0])
            return file.read(self.span[1] - self.span[0])


@dataclass(frozen=True)
class RejectedLine:
    """A line that gives no audience, and why."""

    file: Path
    number: int
    reason: str


class _Unusable(Exception):
    """Carries the reason out of the parsing of one line; never leaves this module."""


def read_lines(path: Path, reject: Callable[[RejectedLine, bytes], None]) -> Iterator[SegmentLine]:
    """Yield the usable lines; hand the others, with their bytes, to `reject`.

    Blank lines are skipped, though counted.  Memory is that of one line's ids: 16 bytes each, plus
    the text of those longer than 12 bytes; a line with escapes or irregular spaces among its ids
    costs several times that, because then a JSON parser makes a Python object of each.
    """
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as text:
        start = len(_BOM) if text[: len(_BOM)] == _BOM else 0
        number = 0
        while start < len(text):
            number += 1
            end = text.find(b"\n", start)
            end = len(text) if end < 0 else end
            stop = end - 1 if end > start and text[end - 1] == ord("\r") else end
            if _INK.search(text, start, stop):
                try:
                    query, users, no_ids = _parse(text, start, stop)
                except _Unusable as why:
                    reject(RejectedLine(path, number, shortened(why)), text[start:stop])
                else:
                    yield SegmentLine(path, number, query, users, (start, stop), no_ids)
            start = end + 1


def _parse(text: mmap, start: int, stop: int) -> tuple[dict[str, Any], pl.Series, int]:
    if quickly := _parse_around_the_users(text, start, stop):
        return *quickly, 0
    line = _object(text[start:stop])
    listed = _listed(line)
    users = strings_of(listed)
    if isinstance(users, str):
        raise _Unusable(users)
    return _query(line), users, len(listed) - len(users)


def _parse_around_the_users(
    text: mmap, start: int, stop: int
) -> tuple[dict[str, Any], pl.Series] | None:
    """Split the users, and parse the line without them; None for a line with any surprise."""
    found = _USERS.search(text, start, stop)
    if not found:
        return None
    opened = found.end()
    closed = text.find(b"]", opened, stop)
    users = split_strings(text, opened, closed) if closed >= 0 else None
    if users is None:
        return None
    try:
        line = _object(text[start : opened - 1] + _STAND_IN_JSON + text[closed + 1 : stop])
        # Proves that what was split is the list that a parser would have found.
        return (_query(line), users) if _listed(line) == [_STAND_IN] else None
    except _Unusable:
        return None


def _object(text: bytes) -> dict[str, Any]:
    try:
        line = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _Unusable(f"is not JSON: {error}") from error
    if not isinstance(line, dict):
        raise _Unusable(f"is a JSON {type(line).__name__}, not an object")
    return line


def _listed(line: Mapping[str, Any]) -> list[Any]:
    """Return the line's users as parsed, or say why it has none."""
    if error := line.get("error"):
        raise _Unusable(f"Personalize says: {_said(error)}")
    output = line.get("output")
    if not isinstance(output, dict):
        raise _Unusable("has no output")
    lists = [output[key] for key in _USERS_KEYS if output.get(key) is not None]
    if not lists:
        there = ", ".join(output) or "nothing"
        raise _Unusable(f"its output has neither usersList nor recommendedUsers but {there}")
    if any(other != lists[0] for other in lists[1:]):
        raise _Unusable("its usersList and recommendedUsers differ")
    if not isinstance(lists[0], list):
        raise _Unusable(f"its users are {_said(lists[0])}, not a list")
    return lists[0]


def _query(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked, wherever the line says it."""
    asked = line.get("input")
    if not isinstance(asked, dict):
        asked = {key: line[key] for key in _QUERY_KEYS if line.get(key) is not None}
    given = [key for key in ("itemAttributes", "itemId") if asked.get(key) not in (None, "")]
    if len(given) != 1:
        raise _Unusable(
            "says both itemAttributes and itemId"
            if given
            else "says neither itemAttributes nor itemId"
        )
    value = asked[given[0]]
    if given == ["itemId"] and type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        raise _Unusable(f"its {given[0]} is {_said(value)}, not a string")
    extras = {key: asked[key] for key in asked if key not in ("itemAttributes", "itemId")}
    return {given[0]: value, **{key: extra for key, extra in extras.items() if extra is not None}}


def _said(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
