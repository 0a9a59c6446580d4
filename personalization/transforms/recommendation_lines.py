"""What a batch inference job wrote: JSON Lines, each line one question and its ranked items.

Three ways lead to the same form.  Where all lines of a piece look alike they are cut as a table
(`uniform_lines`).  Else a regular expression proves of each line, to the last byte, that it has one
of two forms, compact or with a space after `:` and `,`, and it is cut at fixed places, without a
Python object.  Every other line takes the JSON parser.

Source: Personalize developer guide, "Batch inference job output" examples, and the notebooks of
aws-samples "amazon-personalize-samples" (`scores` and `error` may be absent).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import polars as pl

from personalization.columns import IDS, LINE
from personalization.errors import shortened
from personalization.transforms.uniform_lines import OWNER, SEPARATOR, cut_uniform

PIECE_BYTES: Final = 16 << 20  # looked at together: some 30,000 users with 25 items each
_NUMBER: Final = "number"
_BOM: Final = b"\xef\xbb\xbf"

OwnerKey = Literal["userId", "itemId"]


@dataclass(frozen=True)
class Piece:
    """Some whole lines of a file: the bytes from start to before end."""

    file: Path
    start: int
    end: int


@dataclass(frozen=True)
class Fault:
    """A line that gives no recommendations, and why.

    said   True if Personalize itself reports an error, False if the line is not what it should be
    text   the line, as it is written
    owner  whom it was asked for; "" if the line does not tell
    """

    reason: str
    said: bool
    text: bytes
    owner: str = ""


@dataclass(frozen=True)
class Lists:
    """The usable lines of a piece.

    rows  owner str, ids str ("" for an empty list), in the order of the lines
    """

    rows: pl.DataFrame
    faults: tuple[Fault, ...]


def pieces(files: list[Path], size: int = PIECE_BYTES) -> Iterator[Piece]:
    """Cut the files at line ends into pieces of about `size` bytes; a longer line is one piece."""
    for file in files:
        length = file.stat().st_size
        if not length:
            continue
        with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as text:
            start = len(_BOM) if text[: len(_BOM)] == _BOM else 0
            while start < length:
                end = length
                if start + size < length:
                    end = text.rfind(b"\n", start, start + size) + 1
                    end = end or text.find(b"\n", start + size) + 1 or length
                yield Piece(file, start, end)
                start = end


class ListReader:
    """Reads pieces of files whose questions are asked by `key`.  Safe to use from threads.

    cap  most items of a list that are kept
    """

    def __init__(self, key: OwnerKey, cap: int | None = None) -> None:
        self._key = key
        self._cap = cap
        self._forms = (_Form(key, ""), _Form(key, " "))

    def read(self, piece: Piece) -> Lists:
        """Return all of a piece."""
        text = _text(piece)
        uniform = cut_uniform(text, self._key)
        if uniform is not None:
            return Lists(self._capped(uniform), ())
        try:
            lines = pl.read_lines(text, name=LINE)
        except pl.exceptions.ComputeError:  # not UTF-8 somewhere: found line by line
            return self._parsed(list(enumerate(text.splitlines())), [])
        if lines.is_empty():
            return Lists(_rows([], []), ())
        form = self._form_of(lines[LINE][0])
        fits = lines[LINE].str.contains(form.pattern)
        if fits.all():
            return Lists(self._capped(form.cut(lines)), ())
        lines = lines.with_row_index(_NUMBER)
        others = lines.filter(~fits)
        numbered = zip(others[_NUMBER], others[LINE], strict=True)
        quick = lines.filter(fits)
        return self._parsed(
            [(number, line.encode()) for number, line in numbered],
            [form.cut(quick).with_columns(quick[_NUMBER])],
        )

    def _form_of(self, line: str) -> _Form:
        compact, spaced = self._forms
        return spaced if line.startswith(spaced.head) else compact

    def _parsed(self, lines: list[tuple[int, bytes]], quick: list[pl.DataFrame]) -> Lists:
        numbers, owners, ids, faults = [], [], [], []
        for number, line in lines:
            if not line.strip():
                continue
            try:
                owner, listed = self._parse(line)
            except _Unusable as why:
                faults.append(Fault(shortened(why.reason), why.said, line, why.owner))
            else:
                numbers.append(number)
                owners.append(owner)
                ids.append(listed)
        slow = _rows(owners, ids).with_columns(pl.Series(_NUMBER, numbers, pl.UInt32))
        rows = pl.concat([*quick, slow]).sort(_NUMBER).drop(_NUMBER)
        return Lists(self._capped(rows), tuple(faults))

    def _parse(self, text: bytes) -> tuple[str, str]:
        try:
            line = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            raise _Unusable(f"is not JSON: {error}") from error
        if not isinstance(line, dict):
            raise _Unusable(f"is a JSON {type(line).__name__}, not an object")
        asked = line.get("input")
        owner = _identity(asked.get(self._key) if isinstance(asked, dict) else None)
        if reported := line.get("error"):
            said = reported if isinstance(reported, str) else orjson.dumps(reported).decode()
            raise _Unusable(f"Personalize says: {said}", owner, said=True)
        if not owner:
            raise _Unusable(f"its input has no {self._key}")
        output = line.get("output")
        listed = output.get("recommendedItems") if isinstance(output, dict) else None
        if listed is None and not isinstance(output, dict):
            raise _Unusable("has no output", owner)
        if not isinstance(listed, list | None):
            raise _Unusable("its recommendedItems are not a list", owner)
        items = [_identity(item) for item in listed or ()]
        if not all(items):
            place = next(place for place, item in enumerate(items) if not item)
            raise _Unusable(f"recommended item {place + 1} is not an id", owner)
        return owner, SEPARATOR.join(inside(item) for item in items)

    def _capped(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows if self._cap is None else capped(rows, self._cap)


def capped(rows: pl.DataFrame, cap: int) -> pl.DataFrame:
    """Keep the first `cap` items of every list."""
    cut = pl.col(IDS).str.split(SEPARATOR).list.head(cap).list.join(SEPARATOR)
    return rows.with_columns(
        pl.when(pl.col(IDS).str.count_matches(SEPARATOR, literal=True) >= cap)
        .then(cut)
        .otherwise(pl.col(IDS))
    )


def inside(text: str) -> str:
    """Return the text as it stands between the quotes of a JSON string."""
    return orjson.dumps(text)[1:-1].decode()


class _Form:
    """One way to write a line; `gap` is what follows each `:` and `,`."""

    def __init__(self, key: OwnerKey, gap: str) -> None:
        # No text begins with ]: after its quote that would look like the end of a list.
        string = r'"[^"\\\]\x00-\x1f][^"\\\x00-\x1f]*"'
        strings = rf"(?:{string}(?:,{gap}{string})*)?"
        numbers = rf"(?:-?[0-9][0-9eE+\-.]*(?:,{gap}-?[0-9][0-9eE+\-.]*)*)?"
        optional = rf'(?:,{gap}"itemList":{gap}\[{strings}\])?'
        self.head = f'{{"input":{gap}{{"{key}":{gap}"'
        self._list = f'"recommendedItems":{gap}['
        self._separator = f'",{gap}"'
        self.pattern = (
            rf'^\{{"input":{gap}\{{"{key}":{gap}{string}{optional}\}},{gap}'
            rf'"output":{gap}\{{"recommendedItems":{gap}\[{strings}\]'
            rf'(?:,{gap}"scores":{gap}\[{numbers}\])?\}}(?:,{gap}"error":{gap}null)?\}}$'
        )

    def cut(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Return owner and ids of lines that are proved to have the form."""
        named = pl.col(LINE).str.strip_prefix(self.head).str.splitn('"', 2)
        listed = pl.col("rest").str.splitn(self._list, 2).struct.field("field_1")
        ids = (
            pl.when(pl.col("rest").str.starts_with("]"))
            .then(pl.lit(""))
            .otherwise(
                pl.col("rest").str.splitn('"]', 2).struct.field("field_0").str.strip_prefix('"')
            )
        )
        if self._separator != SEPARATOR:
            ids = ids.str.replace_all(self._separator, SEPARATOR, literal=True)
        return (
            lines.select(named.struct.rename_fields([OWNER, "rest"]).struct.unnest())
            .with_columns(listed.alias("rest"))
            .select(OWNER, ids.alias(IDS))
        )


class _Unusable(Exception):
    """Carries the reason out of the parsing of one line; never leaves this module."""

    def __init__(self, reason: str, owner: str = "", *, said: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.owner = owner
        self.said = said


def _identity(value: Any) -> str:
    """Return an id as text; "" for what is none.  Whole numbers become text."""
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else ""


def _text(piece: Piece) -> bytes:
    with piece.file.open("rb") as file:
        file.seek(piece.start)
        return file.read(piece.end - piece.start)


def _rows(owners: list[str], ids: list[str]) -> pl.DataFrame:
    return pl.DataFrame({OWNER: owners, IDS: ids}, schema={OWNER: pl.String, IDS: pl.String})
