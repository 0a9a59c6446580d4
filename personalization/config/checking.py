"""A parameter file, checked as a whole: everything that is wrong with it, not only the first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from personalization.config import consistency
from personalization.config.defaults import filled_in
from personalization.config.document import read
from personalization.config.model import ParameterFile
from personalization.config.sections import walk
from personalization.config.service import service_findings
from personalization.config.structure import built, nulls
from personalization.config.tags import tag_findings
from personalization.config.training import solutions
from personalization.errors import ConfigError, Finding


@dataclass(frozen=True)
class Checked:
    """A parameter file and what was found in it, in the order of its lines.

    file  None exactly when a finding is an error
    """

    file: ParameterFile | None
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings for which it is refused."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def check(text: str | bytes, source: str, *, now: dt.datetime | None = None) -> Checked:
    """Return the file that `text` holds, and everything that is wrong or doubtful in it.

    source  what to call it in messages: a path or an S3 URI
    now     the time from which schedules must have a time to come; with a time zone

    Never raises for anything that `text` may hold, and calls nothing.
    """
    document = read(text)
    if not document.lines:
        return Checked(None, tuple(replace(f, source=source) for f in document.findings))
    file, faults = built(filled_in(document.value))
    missing = list(nulls(document.value))
    seen = {fault.where for fault in missing} | document.unusable
    others: Iterator[Finding] = chain(
        faults, _about(document.value, now or dt.datetime.now(dt.UTC))
    )
    others = (finding for finding in others if finding.where not in seen)
    found = [*document.findings, *missing, *others]
    placed = [replace(f, source=source, line=f.line or document.line(f.where)) for f in found]
    placed.sort(key=lambda finding: finding.line or 0)
    failed = any(finding.severity == "error" for finding in placed)
    return Checked(None if failed else file, tuple(placed))


def load(text: str | bytes, source: str, *, now: dt.datetime | None = None) -> ParameterFile:
    """Return the file that `text` holds.  Raises ConfigError that carries every finding."""
    checked = check(text, source, now=now)
    if checked.file is None:
        count = len(checked.errors)
        raise ConfigError(
            f"{source} cannot be used: {count} error{'s' if count > 1 else ''}", checked.findings
        )
    return checked.file


def _about(document: Any, now: dt.datetime) -> Iterator[Finding]:
    if not isinstance(document, dict):
        return
    sections = tuple(walk(document))
    yield from tag_findings(document, sections)
    yield from service_findings(sections)
    yield from consistency.datasets(document, sections)
    yield from consistency.encryption(sections)
    yield from consistency.domains(sections)
    yield from consistency.duplicate_names(sections)
    yield from consistency.past_schedules(sections, now)
    yield from solutions(sections)
