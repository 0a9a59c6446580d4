"""User ids out of a JSON array, millions at a time and without a Python object for each.

A segment of five million users is one line of 50 to 200 MB.  polars' CSV reader splits such an
array faster than any JSON parser, but only if the array is what it seems to be, so that is proved
first, quote by quote: strings and commas, no whitespace, no escapes.  Anything else is left to a
JSON parser by returning None.
"""

from __future__ import annotations

from collections.abc import Sequence
from mmap import mmap
from typing import Any, Final

import numpy as np
import polars as pl

from personalization.columns import USER_ID

_WINDOW: Final = 8 << 20  # bytes looked at together; memory for the proof grows with it
_QUOTE, _COMMA, _BACKSLASH, _FIRST_PRINTABLE = b'",\\ '


def split_strings(
    text: mmap | bytes, start: int, end: int, window: int = _WINDOW
) -> pl.Series | None:
    """Return the strings of the array whose inside is `text[start:end]`, in order, as `user_id`.

    None unless the inside is exactly `"…","…"` with non-empty strings, valid UTF-8, no backslash
    and no control character.
    """
    parts: list[pl.Series] = []
    while start < end:
        view = np.frombuffer(text, np.uint8, min(window, end - start), start)
        quotes = np.flatnonzero(view == _QUOTE)
        opening, closing = quotes[: quotes.size // 2 * 2 : 2], quotes[1::2]
        if not closing.size:
            return None
        used = int(closing[-1]) + 1
        part = _split(view[:used], opening, closing)
        if part is None:
            return None
        parts.append(part)
        start += used
        if start < end:
            if text[start] != _COMMA or start + 1 == end:
                return None
            start += 1
    return pl.concat(parts, rechunk=True) if parts else pl.Series(USER_ID, [], pl.String)


def _split(view: np.ndarray[Any, Any], opening: Any, closing: Any) -> pl.Series | None:
    lengths = closing - opening - 1
    as_it_seems = (
        opening[0] == 0
        and bool(lengths.all())
        and bool((opening[1:] == closing[:-1] + 2).all())
        and bool((view[closing[:-1] + 1] == _COMMA).all())
        and int(view.min()) >= _FIRST_PRINTABLE
        and not bool((view == _BACKSLASH).any())
    )
    if not as_it_seems:
        return None
    try:
        ids = pl.read_csv(
            view.tobytes(),
            has_header=False,
            schema={USER_ID: pl.String},
            separator="\x01",  # a control character: shown above not to occur
            eol_char=",",
            quote_char='"',
        )[USER_ID]
    except pl.exceptions.PolarsError:  # not UTF-8: a JSON parser can say where
        return None
    # The reader is trusted with the splitting, not with the result.
    exact = len(ids) == lengths.size and ids.str.len_bytes().sum() == int(lengths.sum())
    return ids if exact else None


def strings_of(values: Sequence[Any]) -> pl.Series | str:
    """Return a parsed array as `user_id`, or what is wrong with it.  Whole numbers become text."""
    if not all(type(value) is str for value in values):
        for place, value in enumerate(values, start=1):
            if type(value) not in (str, int):
                return f"user {place} is {value!r}, not a string"
        values = [str(value) for value in values]
    if "" in values:
        return f"user {values.index('') + 1} is an empty string"
    return pl.Series(USER_ID, values, pl.String)
