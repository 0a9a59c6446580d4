"""Whether a batch job's output is of the kind that a connector job is about.

An output of another kind has no usable line, and looks like one in which nobody is recommended
anything.  Such a mistake of a path is no reason to send nothing and call it done.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from personalization.errors import ConfigError, shortened
from personalization.sync.layout import JobType


def _keys(*names: str) -> re.Pattern[bytes]:
    """Find one of the keys; in a string its quotes would be escaped."""
    return re.compile(rf'"(?:{"|".join(names)})"[ \t]*:'.encode())


_ITEMS: Final = _keys("recommendedItems")
_USERS: Final = _keys("usersList", "recommendedUsers")
_BY_USER: Final = _keys("userId")
_BY_ITEM: Final = _keys("itemId")
# What a job type's lines say: what was asked, and what came of it.
_SAID: Final[Mapping[JobType, tuple[re.Pattern[bytes], re.Pattern[bytes]]]] = {
    "related_items": (_BY_ITEM, _ITEMS),
    "user_personalization": (_BY_USER, _ITEMS),
    "personalized_ranking": (_BY_USER, _ITEMS),
    "user_segmentation": (_keys("itemAttributes", "itemId"), _USERS),
}
_LOOKS: Final = (
    ("a batch segment job's: lists of users; its job type is user_segmentation", _USERS, _USERS),
    ("one that was asked by itemId; its job type is related_items", _BY_ITEM, _ITEMS),
    (
        "one that was asked by userId; its job type is user_personalization or "
        "personalized_ranking",
        _BY_USER,
        _ITEMS,
    ),
)
_ERROR: Final = re.compile(rb'"error"[ \t]*:[ \t]*"((?:[^"\\]|\\.){1,200})')


def refuse_other_kinds(files: Sequence[Path], job_type: JobType, place: str) -> None:
    """Raise ConfigError if nothing in the files is what a job of the type reads.

    place  what to call them: the run's folder

    It says what they look like.  Files without a line are of any kind.  Reads no further than the
    first line that is right.
    """
    full = [file for file in files if file.stat().st_size]
    if not full or _has(full, *_SAID[job_type]):
        return
    for look, asked, came in _LOOKS:
        if _has(full, asked, came):
            raise ConfigError(f"{place} is no output for a {job_type} job: it looks like {look}")
    said = _first(full, _ERROR)
    if said:
        raise ConfigError(
            f"no line of {place} has a result; Personalize says: "
            f"{shortened(said[1].decode(errors='replace'))}"
        )
    raise ConfigError(
        f"no line of {place} has a result; a {job_type} job reads JSON Lines as batch jobs write "
        "them"
    )


def _has(files: Sequence[Path], *keys: re.Pattern[bytes]) -> bool:
    return all(_first(files, key) for key in keys)


def _first(files: Sequence[Path], key: re.Pattern[bytes]) -> re.Match[bytes] | None:
    for path in files:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as text:
            if found := key.search(text):
                # Of bytes of its own: the file is closed when somebody looks at it.
                return key.match(text[found.start() : found.end()])
    return None
