"""User ids out of a JSON array, millions at a time and without a Python object for each.

A segment of five million users is one line of 50 to 200 MB.  polars' CSV reader splits such an
array faster than any JSON parser, but only if the array is what it seems to be, so that is proved
first, quote by quote: strings and one kind of separator, no escapes.  Anything else is left to a
JSON parser by returning None.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from mmap import mmap
from typing import Any, Final

import numpy as np
import polars as pl

from personalization.columns import USER_ID

_WINDOW: Final = 8 << 20  # bytes looked at together; memory for the proof grows with it
_MOST_THREADS: Final = 4  # each holds a window and, for the proof, some 80 MB
_COMPACT, _SPACED = b'","', b'", "'  # how strings meet
_QUOTE, _BACKSLASH, _FIRST_PRINTABLE = b'"\\ '

Bytes = np.ndarray[Any, np.dtype[np.uint8]]


def split_strings(
    text: mmap | bytes, start: int, end: int, window: int = _WINDOW
) -> pl.Series | None:
    """Return the strings of the array whose inside is `text[start:end]`, in order, as `user_id`.

    None unless the inside is exactly `"…","…"` or `"…", "…"` with non-empty strings, valid UTF-8,
    no backslash and no control character; or if a string is longer than the window.
    """
    if start == end:
        return pl.Series(USER_ID, [], pl.String)
    first_closing = text.find(b'"', start + 1, end)
    spaced = text[first_closing : first_closing + len(_SPACED)] == _SPACED
    border = _SPACED if spaced else _COMPACT
    views = []
    while end - start > window:
        # Perhaps between two strings.  If it is not, neither side will be what it must be.
        cut = text.rfind(border, start, start + window) + 1
        if not cut:
            return None
        views.append(np.frombuffer(text, np.uint8, cut - start, start))
        start = cut + len(border) - 2
    views.append(np.frombuffer(text, np.uint8, end - start, start))
    # polars and numpy leave Python's lock, so threads share the cores.
    with ThreadPoolExecutor(min(_MOST_THREADS, pl.thread_pool_size())) as pool:
        parts = list(pool.map(partial(_split, border), views))
    whole = [part for part in parts if part is not None]
    return pl.concat(whole, rechunk=True) if len(whole) == len(parts) else None


def _split(border: bytes, view: Bytes) -> pl.Series | None:
    quotes = np.flatnonzero(view == _QUOTE)
    if not quotes.size or quotes.size % 2:
        return None
    opening, closing = quotes[::2], quotes[1::2]
    lengths = closing - opening - 1
    as_it_seems = (
        opening[0] == 0
        and closing[-1] == view.size - 1
        and lengths.all()
        and (opening[1:] == closing[:-1] + len(border) - 1).all()
        and all((view[closing[:-1] + n] == border[n]).all() for n in range(1, len(border) - 1))
        and view.min() >= _FIRST_PRINTABLE
        and not (view == _BACKSLASH).any()
    )
    if not as_it_seems:
        return None
    try:
        ids = pl.read_csv(
            view.tobytes() if border == _COMPACT else view.tobytes().replace(border, _COMPACT),
            has_header=False,
            schema={USER_ID: pl.String},
            separator="\x01",  # a control character: shown above not to occur
            eol_char=",",
            quote_char='"',
        )[USER_ID]
    except pl.exceptions.PolarsError:  # not UTF-8: a JSON parser can say where
        return None
    # The reader is trusted with the splitting, not with the result.
    exact = len(ids) == lengths.size and ids.str.len_bytes().sum() == lengths.sum()
    return ids if exact else None


def strings_of(values: Sequence[Any]) -> pl.Series | str:
    """Return a parsed array's ids as `user_id`, or why there are none in it.

    Whole numbers become text.  What is no id (null, an empty string, anything else) is left out.
    """
    usable = [str(value) for value in values if value != "" and type(value) in (str, int)]
    if values and not usable:
        return f"none of its {len(values)} users is an id; the first is {values[0]!r}"
    return pl.Series(USER_ID, usable, pl.String)
