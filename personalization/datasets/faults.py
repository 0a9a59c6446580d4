"""What can be wrong with a CSV, counted as it is found, and told once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from personalization.errors import Finding, shortened

# So many lines are named for each kind of fault in each column; the count says how many there are.
EXAMPLES: Final = 5

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Kind:
    """One kind of fault in a row.

    problem   what is said of the first value, {value}
    allowed   the way out
    """

    name: str
    problem: str
    allowed: str
    severity: Severity = "error"


# Faults of a whole row.
NOT_UTF8 = Kind(
    "encoding",
    "is not UTF-8: {value}",
    "save the file as UTF-8 (iconv -f latin1 -t utf-8 turns the usual Windows text into it)",
)
RAGGED = Kind("columns", "{value}", "give every row a value, empty if need be, for every column")
LINE_BREAK = Kind(
    "line break",
    "holds a line break within quotation marks: {value!r}",
    "Personalize reads one record a line; put a blank in its place",
)
UNPAIRED = Kind(
    "quotes",
    "has a quotation mark where none can be: {value!r}",
    'put the whole value in quotation marks and double those within: "12"" record"',
)
BLANK = Kind("blank", "is blank", "blank lines are passed over", "warning")

# Faults of one value.
EMPTY = Kind("empty", "is empty", "give it a value, or let the schema allow null")
EMPTY_ID = Kind("empty", "is empty", "every row needs an id")
NOT_WHOLE = Kind("type", "is {value!r}", "the schema says {type}: a whole number, nothing else")
NOT_IN_RANGE = Kind("range", "is {value!r}", "the schema says int: -2147483648 to 2147483647")
NOT_A_NUMBER = Kind("type", "is {value!r}", "the schema says {type}: a finite number, nothing else")
NOT_BOOLEAN = Kind("type", "is {value!r}", "the schema says boolean: true or false")
TOO_LONG = Kind("length", "is longer than {limit} characters: {value!r}", "shorten it")
MILLISECONDS = Kind(
    "unit",
    "is {value!r}, which is a date only if read as milliseconds",
    "Personalize reads Unix time in seconds; divide by 1,000",
)
MICROSECONDS = Kind(
    "unit",
    "is {value!r}, which is a date only if read as microseconds or less",
    "Personalize reads Unix time in seconds; divide by 1,000,000 (microseconds) or 1,000,000,000",
)
NEGATIVE = Kind("time", "is {value!r}, before 1970", "give Unix time in seconds, UTC")
FUTURE = Kind(
    "time",
    "is {value!r}, more than a day in the future",
    "what has not happened yet cannot be learned from; check the clock or the unit",
)
NOT_YET = Kind(
    "time",
    "is {value!r}, more than a day in the future",
    "fine if the item is announced, not if the unit is wrong",
    "warning",
)
QUOTED_ID = Kind(
    "special",
    "is {value!r}",
    "Personalize's guide advises against quotation marks in ids",
    "warning",
)
PLACEHOLDER = Kind(
    "placeholder",
    "has the category {value!r}",
    "Personalize takes it for a category like any other; leave the value empty instead, "
    "if the schema allows null",
    "warning",
)

# Faults of rows against each other.
UNKNOWN_ITEM = Kind(
    "unknown",
    "is {value!r}, which the items do not have",
    "such items can be recommended, but neither filtered nor found by an attribute",
    "warning",
)
UNKNOWN_USER = Kind(
    "unknown",
    "is {value!r}, which the users do not have",
    "what the other columns say of users cannot help these",
    "warning",
)
TOO_EARLY = Kind(
    "early",
    "is {value!r}, before the item's CREATION_TIMESTAMP",
    "one of the two is wrong; Personalize takes both as they are",
    "warning",
)


@dataclass
class _Case:
    kind: Kind
    where: str
    value: str
    source: str
    words: dict[str, object]
    count: int = 0
    lines: list[str] = field(default_factory=list)
    line: int | None = None


@dataclass
class Faults:
    """Collects faults of any number of rows in bounded memory.

    forgiving  row faults are warnings, because the rows are left out of a cleaned copy
    """

    forgiving: bool = False
    _cases: dict[tuple[str, str, str], _Case] = field(default_factory=dict)
    _files: dict[tuple[str, str, str], list[Finding]] = field(default_factory=dict)

    def rows(
        self,
        kind: Kind,
        where: str,
        source: str,
        examples: Sequence[tuple[int, object]],
        count: int,
        **words: object,
    ) -> None:
        """Count `count` faulty rows of the file `source`.

        examples  line and value of the first of them, at least one
        words     what the kind's text names besides the value
        """
        key = (kind.name, kind.problem, where)
        if key not in self._cases:
            value = shortened(examples[0][1])
            self._cases[key] = _Case(kind, where, value, source, words, line=examples[0][0])
        case = self._cases[key]
        case.count += count
        for line, _ in examples[: EXAMPLES - len(case.lines)]:
            case.lines.append(str(line) if source == case.source else f"{source}:{line}")

    def add(self, finding: Finding) -> None:
        """Add what is not about rows; the same of several files is told once."""
        same = self._files.setdefault((finding.where, finding.problem, finding.severity), [])
        same.append(finding)

    def findings(self) -> Iterator[Finding]:
        """Yield what was found: first what is not about rows, then one for each kind and column."""
        for first, *others in self._files.values():
            more = f"; {1 + len(others)} files are like this" if others else ""
            yield replace(first, problem=f"{first.problem}{more}")
        yield from (self._told(case) for case in self._cases.values())

    def _told(self, case: _Case) -> Finding:
        problem = case.kind.problem.format(value=case.value, **case.words)
        if case.count > 1:
            more = ", …" if case.count > len(case.lines) else ""
            problem += f"; {case.count:,} rows are like this (lines {', '.join(case.lines)}{more})"
        allowed = case.kind.allowed.format(**case.words) if case.words else case.kind.allowed
        severity = case.kind.severity
        if self.forgiving and severity == "error":
            severity, allowed = "warning", f"left out of the cleaned copy; {allowed}"
        return Finding(case.where, problem, allowed, severity, case.source, case.line)
