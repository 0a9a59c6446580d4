"""Three errors, sorted by what to do next, and the findings that one of them carries.

ConfigError     something you wrote is wrong: fix it, then run again
RetryableError  the far end is busy or away: the same call may succeed later
FatalError      no repeat will help: read the message, it says why
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Finding:
    """One thing wrong, or doubtful, in something a person wrote.

    where    the path inside the file (`solutions[2].serviceConfig.name`), the column or the query
    problem  what was found, with the value
    allowed  what is allowed, or how to repair it
    source   the file or S3 URI it stands in, when that is not obvious from the context
    line     its line there, counted from 1, when known
    """

    where: str
    problem: str
    allowed: str = ""
    severity: Literal["error", "warning"] = "error"
    source: str = ""
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.source, self.line) if part)
        parts = [part for part in (place, self.where) if part]
        text = f"{': '.join(parts)}: {self.problem}"
        return f"{text}; {self.allowed}" if self.allowed else text


class PersonalizeFlowsError(Exception):
    """Base of the three, for those who want to catch them together."""

    @property
    def headline(self) -> str:
        """What it says in its first line: below that stand findings, or single failures."""
        return str(self).partition("\n")[0]


class ConfigError(PersonalizeFlowsError):
    """What was asked for cannot be done as written.  Carries every finding, not only the first.

    upload  S3 URI of the upload that has to be mended, where it is one and it is known
    """

    upload = ""

    def __init__(self, message: str, findings: Iterable[Finding] = ()) -> None:
        self.findings = tuple(findings)
        lines = [message, *(f"  - {finding}" for finding in self.findings)]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.headline, self.findings), {"upload": self.upload}


class RetryableError(PersonalizeFlowsError):
    """The same call may succeed later.

    retry_after_s  seconds until it may, where the far end said so
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class FatalError(PersonalizeFlowsError):
    """No repeat will help."""


def shortened(said: object, limit: int = 200) -> str:
    """Return a fact from outside in at most `limit` characters, on one line."""
    text = " ".join(str(said).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
