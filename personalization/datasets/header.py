"""The first line of a CSV against the columns of its schema."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from personalization.datasets.faults import Severity
from personalization.errors import Finding, shortened
from personalization.schemas import Schema

BOM: Final = b"\xef\xbb\xbf"
# What other kinds of file begin with.
_NOT_CSV: Final = {
    b"\x1f\x8b": "is compressed by gzip",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd",
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet",
    b"PAR1": "is Parquet",
    b"\xff\xfe": "is UTF-16",
    b"\xfe\xff": "is UTF-16",
}
_PERSONAL: Final = re.compile(
    r"(^|_)(E_?MAIL|PHONE|(FIRST|LAST|FULL|SUR)_?NAME|STREET|ADDRESS|BIRTHDAY|BIRTH_?DATE|SSN)"
    r"(_?(ADDRESS|NUMBER))?$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Header:
    """A first line as it was found.

    names     the columns in the file's order, without quotation marks
    readable  whether rows can be told apart into these columns
    """

    names: tuple[str, ...]
    findings: tuple[Finding, ...]
    readable: bool


def read_header(line: bytes, schema: Schema, dataset: str, source: str, *, mend: bool) -> Header:
    """Judge the first line, without its line end.

    mend  a BOM and quotation marks are warnings, because a cleaned copy goes without them
    """

    def unreadable(problem: str, allowed: str) -> Header:
        return Header((), (Finding(dataset, problem, allowed, source=source, line=1),), False)

    for magic, what in _NOT_CSV.items():
        if line.startswith(magic):
            return unreadable(f"{what}, not CSV", "Personalize reads plain CSV in UTF-8")
    bare = line.removeprefix(BOM)
    try:
        text = bare.decode()
    except UnicodeDecodeError as error:
        found = f"0x{bare[error.start]:02x} at byte {error.start}"
        return unreadable(f"the header is not UTF-8: {found}", "save the file as UTF-8")
    if "\r" in text:
        return unreadable("lines end in CR alone, so that the file is one line", "end them in LF")
    try:
        names = tuple(next(csv.reader([text]), []))
    except csv.Error as error:
        return unreadable(f"the header cannot be read: {error}", "is this a CSV file?")
    judge = _Judge(names, schema, dataset, source)
    findings = [
        *judge.marks(has_bom=bare != line, quoted='"' in text, mend=mend),
        *judge.columns(text),
    ]
    wanted = {column.name for column in schema.fields}
    known = wanted.issubset(names) and len(set(names)) == len(names)
    return Header(names, tuple(findings), known)


@dataclass(frozen=True)
class _Judge:
    names: Sequence[str]
    schema: Schema
    dataset: str
    source: str

    def _finding(self, problem: str, allowed: str, *, warning: bool = False) -> Finding:
        severity: Severity = "warning" if warning else "error"
        return Finding(self.dataset, problem, allowed, severity, self.source, 1)

    def marks(self, *, has_bom: bool, quoted: bool, mend: bool) -> Iterator[Finding]:
        """What stands in the line besides the names."""
        if has_bom:
            yield self._finding(
                "begins with a byte order mark, which becomes part of the first column's name",
                "save the file as UTF-8 without BOM",
                warning=mend,
            )
        if quoted:
            yield self._finding(
                "the header has quotation marks",
                "Personalize's guide wants the names without",
                warning=mend,
            )

    def columns(self, text: str) -> Iterator[Finding]:
        """Which columns there are, and which should be."""
        wanted = [column.name for column in self.schema.fields]
        missing = [name for name in wanted if name not in self.names]
        extra = [name for name in self.names if name not in wanted]
        if not text.strip():
            yield self._finding("the header is blank", f"write {','.join(wanted)}")
            return
        for separator, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")):
            if missing and len(self.names) == 1 and separator in text:
                problem = f"values are separated by {name}"
                yield self._finding(problem, "Personalize reads commas only")
                return
        close = {_plain(name): name for name in extra}
        misspelt = [name for name in missing if _plain(name) in close]
        if missing and len(missing) == len(wanted) and not misspelt:
            problem = f"has no header; its first line is {shortened(text)!r}"
            yield self._finding(problem, f"the first line must name {', '.join(wanted)}")
            return
        yield from self._names(missing, misspelt, extra, close)

    def _names(
        self, missing: list[str], misspelt: list[str], extra: list[str], close: dict[str, str]
    ) -> Iterator[Finding]:
        for name in misspelt:
            found = close[_plain(name)]
            yield self._finding(
                f"column {found!r} is {name} in the schema",
                "the names must be the same to the letter",
            )
        if lost := [name for name in missing if name not in misspelt]:
            yield self._finding(
                # Personalize's own words for it.
                f"Input CSV is missing the following columns:[{', '.join(lost)}]",
                "add them, or take them out of the schema",
            )
        taken = {close[_plain(name)] for name in misspelt}
        if unused := [repr(name) for name in dict.fromkeys(extra) if name not in taken]:
            yield self._finding(
                f"the schema does not have {_columns(unused)}",
                "nothing of it is imported",
                warning=True,
            )
        if repeated := [repr(n) for n in dict.fromkeys(self.names) if self.names.count(n) > 1]:
            yield self._finding(
                f"{_columns(repeated)} occurs more than once", "keep one of each name"
            )
        if personal := [repr(name) for name in self.names if _PERSONAL.search(name)]:
            yield self._finding(
                f"{_columns(personal)} looks like personal data",
                "no model learns from it, and it has to be deleted on demand; leave it out",
                warning=True,
            )


def _columns(names: Sequence[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {', '.join(names)}"


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
