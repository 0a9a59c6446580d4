"""Lines that all have the same form, cut into columns by polars' CSV reader.

A piece of a batch inference job's output is, as a rule,

    {"input":{"userId":"…"},"output":{"recommendedItems":["…","…"],"scores":[0.1,0.2]},"error":null}

on every line, so `[` cuts it into columns sooner than any JSON parser can.  That it is so is proved
for the whole piece: the fixed texts are where they must be, every quote belongs to them or stands
between two ids, and no id holds a backslash or a control character.  The scores, of which nothing
is kept, only have to hold no quote, no bracket and no backslash.  Any doubt, and the piece is read
in another way.
"""

from __future__ import annotations

import re
from typing import Final

import polars as pl

from personalization.columns import IDS

OWNER: Final = "owner"
SEPARATOR: Final = '","'
_HEAD, _LIST, _SCORES = "head", "list", "scores"
_ID: Final = r'[^"\\\x00-\x1f]+'


def cut_uniform(text: bytes, key: str) -> pl.DataFrame | None:
    """Return owner str, ids str, a row a line; None if there is any doubt, or an empty list.

    key  of the question: `userId` or `itemId`
    """
    first = text[: text.find(b"\n") + 1] or text
    gap = " " if first.startswith(b'{"input": ') else ""
    scored = first.count(b"[") > 1
    if b"\\" in text or b"\r" in text:  # the reader takes a \r at a line's end for part of the end
        return None
    names = (_HEAD, _LIST, _SCORES) if scored else (_HEAD, _LIST)
    try:
        columns = pl.read_csv(
            text,
            has_header=False,
            schema=dict.fromkeys(names, pl.String),
            separator="[",
            quote_char=None,
            truncate_ragged_lines=False,
        )
    except pl.exceptions.PolarsError:  # a bracket within an id, or not UTF-8
        return None
    return _proved(columns, key, gap)


def _proved(columns: pl.DataFrame, key: str, gap: str) -> pl.DataFrame | None:
    before = f'{{"input":{gap}{{"{key}":{gap}"'
    behind = f'"}},{gap}"output":{gap}{{"recommendedItems":{gap}'
    end = f']}},{gap}"error":{gap}null}}'
    scored = _SCORES in columns.columns
    close = f'"],{gap}"scores":{gap}' if scored else f'"{end}'
    separator = f'",{gap}"'

    head, listed, scores = columns[_HEAD], columns[_LIST], columns.get_column(_SCORES, default=None)
    # Cheap proofs first; a missing column is null, and null is a doubt.
    if scores is not None:
        numbers = scores.str.strip_suffix(end)
        if not _all(
            scores.str.len_bytes() - numbers.str.len_bytes() == len(end),
            ~numbers.str.contains(r'["\]{}]'),
        ):
            return None
    strings = rf'^"{_ID}(?:{separator}{_ID})*{re.escape(close)}$'
    owner = head.str.strip_prefix(before).str.strip_suffix(behind)
    if not _all(
        head.str.len_bytes() - owner.str.len_bytes() == len(before) + len(behind),
        owner.str.contains(f"^{_ID}$"),
        listed.str.contains(strings),
    ):
        return None
    ids = listed.str.strip_prefix('"').str.strip_suffix(close)
    if separator != SEPARATOR:
        ids = ids.str.replace_all(separator, SEPARATOR, literal=True)
    return pl.DataFrame({OWNER: owner, IDS: ids})


def _all(*proofs: pl.Series) -> bool:
    return all(proof.null_count() == 0 and proof.all() for proof in proofs)
