"""One dataset, read through once: faulty rows are counted, good ones handed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

import numpy as np
import polars as pl

from personalization.datasets.cleaning import CleanCopy
from personalization.datasets.faults import EXAMPLES, PLACEHOLDER, Faults, Severity
from personalization.datasets.header import Header, read_header
from personalization.datasets.lines import LONGEST_LINE, Block, LineTooLong, Mask, blocks
from personalization.datasets.locate import DataFile, DataFiles
from personalization.datasets.reading import pieces
from personalization.datasets.values import LINE, Rule, placeholders, rules, typed
from personalization.errors import Finding, shortened
from personalization.schemas import Schema

_NO_LINES: Final = "is this a CSV file, with lines that end in LF?"
_NO_ADDRESSES: Final = (
    "no model learns from them, and they have to be deleted on demand; "
    "leave them out, or use an id that says nothing"
)
_ADDRESS: Final = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"


@dataclass
class Scan:
    """Reads the files of one dataset, in their order.

    clean           gets the good rows and the others, if a copy is wanted
    rows, rejected  how many so far
    names           the columns, once a header could be read
    """

    files: DataFiles
    schema: Schema
    faults: Faults
    now_s: int
    clean: CleanCopy | None = None
    s3: Any = None
    rows: int = 0
    rejected: int = 0
    names: tuple[str, ...] = ()
    _rules: list[Rule] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)
    _without_rows: list[str] = field(default_factory=list)

    def good_rows(self) -> Iterator[tuple[str, pl.DataFrame]]:
        """Yield file and records: the text columns, their typed twins and LINE."""
        self._rules = rules(self.schema, self.now_s)
        for file in self.files.files:
            try:
                for rows in self._file(file):
                    yield str(file.path), rows
            except LineTooLong as error:
                self._say("the line is longer than 16 MB", _NO_LINES, str(file.path), error.line)
        for source in self._without_rows:
            problem, allowed = "has a header and no rows", "is the export complete?"
            severity: Severity = "warning" if self.rows else "error"
            self.faults.add(Finding(self.files.dataset, problem, allowed, severity, source))

    def _file(self, file: DataFile) -> Iterator[pl.DataFrame]:
        source, before = str(file.path), self.rows + self.rejected
        stream = pieces(file.path, self.s3)
        line, rest = _first_line(stream)
        if not line and not rest:
            self._say("is empty", "it needs a header and rows; is the export complete?", source)
            return
        header = self._header(line.removesuffix(b"\r"), source)
        if not header.readable:
            return
        if line.endswith(b"\r"):
            self._say_crlf(source)
        columns, body = len(header.names), chain([rest], stream)
        for block in blocks(body, columns, first_line=2, first_byte=len(line) + 1):
            if block.crlf:
                self._say_crlf(source)
            yield self._judged(block, source)
        if self.rows + self.rejected == before:
            self._without_rows.append(source)

    def _header(self, line: bytes, source: str) -> Header:
        mend = self.clean is not None
        header = read_header(line, self.schema, self.files.dataset, source, mend=mend)
        for finding in header.findings:
            self.faults.add(finding)
        if header.readable and self.names and header.names != self.names:
            self._say(
                f"has the columns {', '.join(header.names)}, unlike the first part: "
                f"{', '.join(self.names)}",
                "all parts need the same columns in the same order",
                source,
                1,
            )
            return Header(header.names, header.findings, readable=False)
        self.names = header.names if header.readable else self.names
        return header

    def _judged(self, block: Block, source: str) -> pl.DataFrame:
        """Count the block's faults and return its good records."""
        dataset = self.files.dataset
        for broken in block.broken:
            kind = broken.kind
            self.faults.rows(kind, dataset, source, [(broken.line, broken.said)], 1)
            if kind.severity == "error":
                self.rejected += 1
                if self.clean:
                    reason = kind.problem.format(value=shortened(broken.said))
                    self.clean.reject(source, broken.line, "", reason, broken.text)
        rows = self._parsed(block)
        bad = self._broken_rules(rows, block, source)
        self._doubtful(rows, source)
        self.rejected += int(bad.sum())
        self.rows += int((~bad).sum())
        if self.clean:
            self.clean.keep(dataset, self.names, block.only(~bad).data if bad.any() else block.data)
        return rows.filter(pl.Series(~bad)) if bad.any() else rows

    def _parsed(self, block: Block) -> pl.DataFrame:
        texts = pl.Schema(dict.fromkeys(self.names, pl.String()))
        if block.data:
            quote = '"' if b'"' in block.data else None
            data = block.as_rfc4180
            rows = pl.read_csv(data, has_header=False, schema=texts, quote_char=quote)
        else:
            rows = pl.DataFrame(schema=texts)
        return rows.with_columns(*typed(self.schema), pl.Series(LINE, block.numbers))

    def _broken_rules(self, rows: pl.DataFrame, block: Block, source: str) -> Mask:
        """Count the rows that break a rule; return which of them are to be left out."""
        bad = np.zeros(rows.height, dtype=bool)
        counts = rows.select(
            rule.broken.sum().alias(str(index)) for index, rule in enumerate(self._rules)
        ).row(0)
        for rule, count in zip(self._rules, counts, strict=True):
            if not count:
                continue
            where = f"{self.files.dataset}.{rule.column}"
            shown = rows.filter(rule.broken).select(LINE, rule.column).head(EXAMPLES).rows()
            self.faults.rows(rule.kind, where, source, shown, count, **rule.words)
            if rule.kind.severity == "error":
                new = rows.select(rule.broken.alias("new"))["new"].to_numpy() & ~bad
                bad |= new
                if self.clean:
                    self._reject(rule, rows, block, new, source)
        return bad

    def _reject(
        self, rule: Rule, rows: pl.DataFrame, block: Block, chosen: Mask, source: str
    ) -> None:
        assert self.clean is not None
        values = rows.filter(pl.Series(chosen))[rule.column]
        for (line, text), value in zip(block.texts(chosen), values, strict=True):
            reason = rule.kind.problem.format(value=shortened(value), **rule.words)
            self.clean.reject(source, line, rule.column, reason, text)

    def _doubtful(self, rows: pl.DataFrame, source: str) -> None:
        """Warn of categories that stand for none, and of what looks like addresses."""
        dataset = self.files.dataset
        for column in self.schema.fields:
            where = f"{dataset}.{column.name}"
            if column.categorical:
                hits = placeholders(column, rows)
                if hits.height:
                    shown = hits.select(LINE, column.name).head(EXAMPLES).rows()
                    self.faults.rows(PLACEHOLDER, where, source, shown, hits.height)
            if column.types == ("string",) and where not in self._told:
                some = rows[column.name].head(1_000).drop_nulls()
                addresses = some.str.contains(_ADDRESS)
                if addresses.any() and 2 * addresses.sum() > len(some):
                    self._told.add(where)
                    problem = "holds e-mail addresses"
                    self.faults.add(Finding(where, problem, _NO_ADDRESSES, "warning", source))

    def _say_crlf(self, source: str) -> None:
        if source not in self._told:
            self._told.add(source)
            problem = "lines end in CRLF"
            allowed = (
                "the check accepts it; Personalize's guide does not speak of it, LF is certain"
            )
            self.faults.add(Finding(self.files.dataset, problem, allowed, "warning", source))

    def _say(self, problem: str, allowed: str, source: str, line: int | None = None) -> None:
        self.faults.add(Finding(self.files.dataset, problem, allowed, source=source, line=line))


def _first_line(stream: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Return the first line without its "\\n", and what was read beyond it."""
    start = b""
    for piece in stream:
        start += piece
        if b"\n" in start or len(start) > LONGEST_LINE:
            break
    line, _, rest = start.partition(b"\n")
    if len(line) > LONGEST_LINE:
        raise LineTooLong(1)
    return line, rest
