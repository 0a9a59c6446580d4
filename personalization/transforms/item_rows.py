"""Which item each id of many lists is: its row in the metadata.

Lists whose ids all take as many bytes (ASINs, UUIDs, numbers of one length) are one array of bytes,
and numpy finds all of them at once, without taking a text apart.  That they are such lists is
proved: the separators are where they must be, and there is no other quote.  Any other list is split
into its ids, and polars finds them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, Final

import numpy as np
import polars as pl

from personalization.transforms.uniform_lines import SEPARATOR

Numbers = np.ndarray[Any, np.dtype[Any]]

_ITEM: Final = "item"
_BYTE: Final = np.dtype(np.uint8)
_WORDS: Final = np.dtype("<u8")
_WORD: Final = _WORDS.itemsize
# Odd, and its bits are without a pattern: 2⁶⁴ divided by the golden ratio.
_MULTIPLIER: Final = 0x9E3779B97F4A7C15
_SLOTS_AN_ITEM: Final = 16
_BLOCK_ITEMS: Final = 100_000


@dataclass(frozen=True)
class EvenLists:
    """Lists that all hold `length` items.

    rows  u32, of all their items, one list after the other
    """

    rows: pl.Series
    length: int


class ItemRows:
    """Finds the rows of items; `nothing`, one behind the last, is that of all others.

    ids  item_id str, as it stands inside JSON quotes

    Safe to use from threads.
    """

    def __init__(self, ids: pl.Series) -> None:
        self.nothing: Final = len(ids)
        self._ids = ids
        self._cast: pl.Expr | None = None
        self._tables: dict[int, _Table] = {}
        self._unknown: set[bytes] = set()
        self._adding = Lock()

    @property
    def unknown(self) -> int:
        """How many of the ids looked for so far are not there."""
        return len(self._unknown)

    def of_items(self, items: pl.Series) -> pl.Series:
        """Return the row of each id: u32."""
        rows = items.to_frame(_ITEM).select(self._to_rows()).to_series().cast(pl.UInt32)
        if rows.null_count():
            missed = items.filter(rows.is_null()).unique().cast(pl.Binary)
            self._remember(missed.to_list())
        return rows.fill_null(self.nothing)

    def of_lists(self, lists: pl.Series) -> EvenLists | None:
        """Return the rows of all items of lists that are not empty; None if they are not even."""
        even = _Even.guessed(lists)
        if even is None:
            return None
        table = self._table(even.width)
        rows = np.empty(len(lists) * even.length, np.uint32)
        missed: set[bytes] = set()
        start = 0
        for block in even.blocks():
            if not block.is_proved():
                return None
            found = table.find(block.words())
            rows[start : start + len(found)] = found
            start += len(found)
            missed.update(block.items(found == self.nothing))
        self._remember(missed)
        return EvenLists(pl.Series(rows), even.length)

    def _to_rows(self) -> pl.Expr:
        # Made once: polars builds an Enum's index again wherever the type is handed to it.
        with self._adding:
            if self._cast is None:
                self._cast = pl.col(_ITEM).cast(pl.Enum(self._ids), strict=False).to_physical()
            return self._cast

    def _table(self, width: int) -> _Table:
        with self._adding:
            if width not in self._tables:
                self._tables[width] = _Table(self._ids, width)
            return self._tables[width]

    def _remember(self, missed: Iterable[bytes]) -> None:
        with self._adding:
            self._unknown.update(missed)


@dataclass(frozen=True)
class _Even:
    """Lists of `length` ids of `width` bytes, each list a row of `text`."""

    text: Numbers
    length: int
    width: int

    @classmethod
    def guessed(cls, lists: pl.Series) -> _Even | None:
        """Return what the lists are if they are even, by their sizes and the first of them."""
        sizes = lists.str.len_bytes()
        size = sizes[0]
        if not (sizes == size).all():
            return None
        length = lists[0].count(SEPARATOR) + 1
        step, rest = divmod(size + len(SEPARATOR), length)
        width = step - len(SEPARATOR)
        if rest or width < 1:
            return None
        return cls(_bytes_of(lists, size, width), length, width)

    @classmethod
    def ids(cls, ids: pl.Series, width: int) -> _Even:
        """Return ids, all of `width` bytes, as lists of one."""
        return cls(_bytes_of(ids, width, width), 1, width)

    def blocks(self) -> Iterator[_Even]:
        """Yield the lists, some at a time: few enough for what is made of them to stay in cache."""
        lists = max(_BLOCK_ITEMS // self.length, 1)
        for start in range(0, len(self.text), lists):
            yield replace(self, text=self.text[start : start + lists])

    def is_proved(self) -> bool:
        """Tell whether every separator is in its place, and no other quote is there."""
        between = self.length - 1
        quotes = np.count_nonzero(self.text == ord('"'))
        if quotes != len(self.text) * between * SEPARATOR.count('"'):
            return False
        places = (self._strided(_BYTE, self.width + it, between) for it in range(len(SEPARATOR)))
        return all((it == ord(c)).all() for it, c in zip(places, SEPARATOR, strict=True))

    def words(self) -> list[Numbers]:
        """Return every id as numbers, which are the same for no other id of this width."""
        if self.width < _WORD:
            mask = np.uint64((1 << 8 * self.width) - 1)
            return [self._words(0) & mask]
        starts = [*range(0, self.width - _WORD, _WORD), self.width - _WORD]
        return [self._words(start) for start in starts]

    def items(self, chosen: Numbers) -> list[bytes]:
        """Return the chosen ones of all ids."""
        if not chosen.any():
            return []
        shape, step = (len(self.text), self.length, self.width), self.width + len(SEPARATOR)
        every = np.ndarray(shape, _BYTE, self.text, 0, (self.text.shape[1], step, 1))
        found = every[chosen.reshape(shape[:2])].view(f"S{self.width}")
        return list(found.ravel().tolist())

    def _words(self, start: int) -> Numbers:
        return self._strided(_WORDS, start, self.length).ravel()

    def _strided(self, kind: np.dtype[Any], start: int, count: int) -> Numbers:
        shape = (len(self.text), count)
        if not all(shape):  # numpy refuses even an empty view behind the end
            return np.empty(shape, kind)
        strides = (self.text.shape[1], self.width + len(SEPARATOR))
        return np.ndarray(shape, kind, self.text, start, strides)


class _Table:
    """Items whose ids take `width` bytes, by a hash of them; an id that was found is compared."""

    def __init__(self, ids: pl.Series, width: int) -> None:
        self._nothing = len(ids)
        fitting = (ids.str.len_bytes() == width).arg_true()
        words = _Even.ids(ids.gather(fitting), width).words()
        rows = fitting.to_numpy()
        self._keys = [np.zeros(len(ids) + 1, np.uint64) for _ in words]
        for keys, word in zip(self._keys, words, strict=True):
            keys[rows] = word
        self._bits = (_SLOTS_AN_ITEM * max(len(rows), 1)).bit_length()
        self._slots = np.full(1 << self._bits, self._nothing, np.uint32)
        self._tries = 0
        slot, left = self._first_slot(words), np.arange(len(rows))
        while left.size:  # whose slot is taken takes one that follows
            free = left[self._slots[slot[left]] == self._nothing]
            self._slots[slot[free]] = rows[free]
            left = left[self._slots[slot[left]] != rows[left]]
            slot[left] = self._next(slot[left])
            self._tries += 1

    def find(self, words: list[Numbers]) -> Numbers:
        slot = self._first_slot(words)
        rows: Numbers = self._slots.take(slot)
        left = np.flatnonzero(~self._same(rows, words))
        for _ in range(1, self._tries):
            slot[left] = self._next(slot[left])
            found = self._slots.take(slot[left])
            same = self._same(found, [word[left] for word in words])
            rows[left[same]] = found[same]
            left = left[~same]
        rows[left] = self._nothing
        return rows

    def _first_slot(self, words: list[Numbers]) -> Numbers:
        mixed = words[0] * np.uint64(_MULTIPLIER)
        for power, word in enumerate(words[1:], start=2):
            mixed += word * np.uint64(pow(_MULTIPLIER, power, 1 << 64))
        slot: Numbers = (mixed >> np.uint64(64 - self._bits)).view(np.int64)
        return slot

    def _next(self, slot: Numbers) -> Numbers:
        return (slot + 1) & (len(self._slots) - 1)

    def _same(self, rows: Numbers, words: list[Numbers]) -> Numbers:
        same: Numbers = self._keys[0].take(rows) == words[0]
        for keys, word in zip(self._keys[1:], words[1:], strict=True):
            same &= keys.take(rows) == word
        return same


def _bytes_of(texts: pl.Series, size: int, width: int) -> Numbers:
    """Return texts of `size` bytes as rows of bytes; a word can be read wherever an id begins."""
    room = max(_WORD - width, 0)
    padded = texts + " " * room if room else texts
    rows = padded.cast(pl.Binary).bin.reinterpret(dtype=pl.Array(pl.UInt8, size + room))
    return np.ascontiguousarray(rows.to_numpy())
