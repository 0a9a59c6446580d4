"""A CSV as lines of its own text: which of them are records, and what is wrong with the others.

Personalize reads one record a line, so lines can be judged one by one, in blocks of any file's
bytes, without a parser that stops at the first fault.  Inside a block everything is counted by
bytes; only lines that are wrong are looked at one at a time.
Source: Personalize developer guide, "Preparing and importing bulk data" (one record a line, UTF-8,
headers without quotation marks; text in quotation marks, \\ before a quotation mark within).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from personalization.datasets.faults import BLANK, LINE_BREAK, NOT_UTF8, RAGGED, UNPAIRED, Kind

Lines = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# Bytes; what is longer is no line of a CSV file.
LONGEST_LINE: Final = 16 * 1024 * 1024
# A quoted value is followed over so many lines; then its quotation mark counts as a lone one.
_LONGEST_VALUE: Final = 50

_COMMA, _NEWLINE, _QUOTE = b',\n"'
_NOT_SEPARATORS: Final = bytes(byte for byte in range(256) if byte not in b",\n")
_BACKSLASH_QUOTE: Final = re.compile(rb'\\([\\"])')


@dataclass(frozen=True)
class Broken:
    """A record that cannot be read, over one line or several."""

    line: int
    kind: Kind
    said: str
    text: bytes


@dataclass(frozen=True)
class Block:
    """Part of a file.

    data     the readable records, each with "\\n" after it, as they stand in the file (CR removed)
    numbers  the line of each
    crlf     whether lines ended in CRLF
    """

    data: bytes
    numbers: Lines
    broken: list[Broken] = field(default_factory=list)
    crlf: bool = False

    @property
    def as_rfc4180(self) -> bytes:
        """The records with quotation marks doubled where the file puts a backslash before them."""
        if b"\\" not in self.data:
            return self.data
        return _BACKSLASH_QUOTE.sub(lambda m: b'""' if m[1] == b'"' else m[0], self.data)

    def only(self, kept: Mask) -> Block:
        """Return the block without the records that are not `kept`."""
        ends = _ends(self.data)
        lengths = np.diff(ends, prepend=-1)
        bytes_kept = np.repeat(kept, lengths)
        data = np.frombuffer(self.data, dtype=np.uint8)[bytes_kept].tobytes()
        return replace(self, data=data, numbers=self.numbers[kept])

    def texts(self, chosen: Mask) -> Iterator[tuple[int, bytes]]:
        """Yield line number and text of the chosen records."""
        ends = _ends(self.data)
        starts = np.append(0, ends[:-1] + 1)
        for index in np.flatnonzero(chosen):
            yield int(self.numbers[index]), self.data[starts[index] : ends[index]]


class LineTooLong(Exception):
    """A line is longer than LONGEST_LINE: what is read is no CSV."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def blocks(
    pieces: Iterable[bytes], columns: int, first_line: int, first_byte: int
) -> Iterator[Block]:
    """Yield the lines of a file without its header, a block for each piece that holds a line end.

    columns               how many values each record must have
    first_line, first_byte  where `pieces` begin in the file, for messages
    """
    rest, line, offset = b"", first_line, first_byte
    for piece in pieces:
        rest += piece
        end = rest.rfind(b"\n") + 1
        if not end:
            if len(rest) > LONGEST_LINE:
                raise LineTooLong(line)
            continue
        block, used = _block(rest[:end], columns, line, offset, last=False)
        yield block
        line += rest.count(b"\n", 0, used)
        offset += used
        rest = rest[used:]
    if rest:
        closed = rest if rest.endswith(b"\n") else rest + b"\n"
        yield _block(closed, columns, line, offset, last=True)[0]


def _block(data: bytes, columns: int, line: int, offset: int, *, last: bool) -> tuple[Block, int]:
    """Return the block, and how many bytes of `data` it covers.

    What may be the beginning of a value that goes on in the next lines is left for the next block.
    """
    used = len(data)
    numbers = np.arange(line, line + data.count(b"\n"), dtype=np.int64)
    block = Block(data, numbers)
    if not _is_utf8(data):
        block = _without_unreadable(block, offset)
    if b"\r" in block.data:
        lf = block.data.replace(b"\r\n", b"\n")
        block = replace(block, data=lf, crlf=len(lf) < len(block.data))
    if block.data.startswith(b"\n") or b"\n\n" in block.data:
        block = _without_blank(block)
    expected = (b"," * (columns - 1) + b"\n") * len(block.numbers)
    if b'"' not in block.data and block.data.translate(None, _NOT_SEPARATORS) == expected:
        return block, used
    block, opened = _without_misshapen(block, columns, last=last)
    if opened is not None:
        before = [broken for broken in block.broken if broken.line < opened]
        block, used = replace(block, broken=before), _nth_line(data, opened - line)
    return block, used


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _without_unreadable(block: Block, offset: int) -> Block:
    kept = np.ones(len(block.numbers), dtype=bool)
    broken = []
    for index, text in enumerate(block.data.split(b"\n")[:-1]):
        try:
            text.decode()
            fault = text.find(b"\0")
            said = f"a NUL at byte {offset + fault:,} of the file"
        except UnicodeDecodeError as error:
            fault = error.start
            said = f"0x{text[fault]:02x} at byte {offset + fault:,} of the file"
        if fault >= 0:
            kept[index] = False
            broken.append(Broken(int(block.numbers[index]), NOT_UTF8, said, text))
        offset += len(text) + 1
    return _joined(block.only(kept), broken)


def _without_blank(block: Block) -> Block:
    kept = np.diff(_ends(block.data), prepend=-1) > 1
    broken = [Broken(int(line), BLANK, "", b"") for line in block.numbers[~kept]]
    return _joined(block.only(kept), broken)


def _without_misshapen(block: Block, columns: int, *, last: bool) -> tuple[Block, int | None]:
    """Leave out lines whose quotation marks or number of values are wrong.

    Returns also the line at which a value begins that may go on in the next block; that line and
    what follows are left out, without a word.
    """
    buffer = np.frombuffer(block.as_rfc4180, dtype=np.uint8)
    ends = np.flatnonzero(buffer == _NEWLINE)
    count = len(ends)
    quotes = np.flatnonzero(buffer == _QUOTE)
    quote_line = np.searchsorted(ends, quotes)
    first_quote = np.searchsorted(quote_line, np.arange(count))  # of each line
    opening = (np.arange(len(quotes)) - first_quote[quote_line]) % 2 == 0

    before = np.where(quotes > 0, buffer[quotes - 1], _NEWLINE)
    after = buffer[quotes + 1]  # there is one: data end with a newline
    at_edge = np.where(
        opening,
        np.isin(before, (_COMMA, _NEWLINE, _QUOTE)),
        np.isin(after, (_COMMA, _NEWLINE, _QUOTE)),
    )
    per_line = np.bincount(quote_line, minlength=count)
    odd = per_line % 2 == 1
    stray = np.zeros(count, dtype=bool)
    stray[quote_line[~at_edge]] = True

    commas = np.flatnonzero(buffer == _COMMA)
    comma_line = np.searchsorted(ends, commas)
    inside = (np.searchsorted(quotes, commas) - first_quote[comma_line]) % 2 == 1
    values = np.bincount(comma_line[~inside], minlength=count) + 1

    kept = ~stray & ~odd & (values == columns)
    broken, opened = _unreadable(
        block, kept=kept, odd=odd, stray=stray, values=values, columns=columns, last=last
    )
    return _joined(block.only(kept), broken), opened


def _unreadable(
    block: Block, *, kept: Mask, odd: Mask, stray: Mask, values: Lines, columns: int, last: bool
) -> tuple[list[Broken], int | None]:
    """Say what is wrong with each line that is not kept; clears `kept` for lines within a value."""
    faulty = np.flatnonzero(~kept)
    if not len(faulty):
        return [], None
    texts = block.data.split(b"\n")
    broken: list[Broken] = []
    odd_lines = np.flatnonzero(odd)
    covered = -1
    for index in faulty.tolist():
        if index <= covered:
            continue
        line, text = int(block.numbers[index]), texts[index]
        if odd[index] and not stray[index]:
            following = odd_lines[np.searchsorted(odd_lines, index, side="right") :]
            if len(following) and following[0] - index < _LONGEST_VALUE:
                covered = int(following[0])
                kept[index : covered + 1] = False
                whole = b"\n".join(texts[index : covered + 1])
                broken.append(Broken(line, LINE_BREAK, _readable(whole), whole))
                continue
            if not last and not len(following) and len(kept) - index < _LONGEST_VALUE:
                kept[index:] = False
                return broken, line
        if odd[index] or stray[index]:
            broken.append(Broken(line, UNPAIRED, _readable(text), text))
        else:
            found = int(values[index])
            said = f"has {found} value{'s' if found > 1 else ''} for {columns} columns"
            broken.append(Broken(line, RAGGED, said, text))
    return broken, None


def _joined(block: Block, broken: list[Broken]) -> Block:
    return replace(block, broken=block.broken + broken)


def _ends(data: bytes) -> Lines:
    return np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _NEWLINE)


def _nth_line(data: bytes, number: int) -> int:
    """Where the line begins, counted from 0."""
    return 0 if number == 0 else int(_ends(data)[number - 1]) + 1


def _readable(text: bytes) -> str:
    return text.decode(errors="replace")
