"""JSON text as a value, and the line on which each part of it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from personalization.errors import ConfigError, Finding, shortened

# No parameter file is nested deeper than 10; the limit keeps recursion over the value safe.
MAX_DEPTH: Final = 50
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_LAST_STEP: Final = re.compile(r"(?:\.?[^.\[\]]+|\[\d+\])$")


@dataclass(frozen=True)
class Document:
    """A JSON value whose parts know their lines; the findings, if it could not be read cleanly.

    value  None when `findings` holds an error
    lines  path (`solutions[2].serviceConfig.name`) → line, counted from 1
    """

    value: Any
    lines: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def line(self, path: str) -> int | None:
        """Return the line of the part at `path`, or of the nearest part around it."""
        while path not in self.lines:
            shorter = _LAST_STEP.sub("", path)
            if shorter == path:
                return self.lines.get("")
            path = shorter
        return self.lines[path]


def read(text: str | bytes) -> Document:
    """Return the document.  Never raises: what is wrong with the text is in its findings.

    Bytes are UTF-8; a byte order mark is passed over.
    """
    try:
        text = decoded(text)
    except ConfigError as error:
        return Document(None, {}, error.findings)
    if not text.strip():
        return _unreadable("is empty", "a parameter file is a JSON object", None)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        begin, end = max(error.pos - 50, error.pos - error.colno + 1), error.pos + 30
        there = shortened(text[begin:end].split("\n")[0], 80)
        problem = f"is not JSON: {error.msg} at column {error.colno}: {there}"
        return _unreadable(problem, _hint(text, error.pos), error.lineno)
    except RecursionError:
        return _unreadable("is nested too deeply", f"at most {MAX_DEPTH} levels are allowed", None)
    except ValueError:  # Python's own limit
        return _unreadable("holds a number of more than 4300 digits", "", None)
    return _located(text, value)


def decoded(text: str | bytes) -> str:
    """Return the text without its byte order mark.

    Raises ConfigError, with a finding that names the line, for bytes that are not UTF-8.
    """
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        problem = f"is not UTF-8: byte 0x{text[error.start]:02x} at position {error.start}"
        finding = Finding("", problem, "save the file as UTF-8", line=line)
        raise ConfigError("the text is not UTF-8", [finding]) from error


def step(path: str, key: str | int) -> str:
    """Return the path of a member or an element of the part at `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else key


def _unreadable(problem: str, allowed: str, line: int | None) -> Document:
    return Document(None, {}, (Finding("", problem, allowed, line=line),))


def _hint(text: str, at: int) -> str:
    before, there = text[:at].rstrip()[-1:], text[at : at + 1]
    if there in "]}" and before == ",":
        return "take out the comma before it"
    if there == "'":
        return "JSON takes double quotes"
    if text[at : at + 2] in ("//", "/*") or there == "#":
        return "JSON has no comments"
    return ""


def _located(text: str, value: Any) -> Document:
    lines: dict[str, int] = {}
    findings: list[Finding] = []
    for path, line, depth, token in _walk(text):
        if depth > MAX_DEPTH:
            problem, allowed = "is nested too deeply", f"at most {MAX_DEPTH} levels are allowed"
            return _unreadable(problem, allowed, line)
        if path in lines:
            findings.append(
                Finding(
                    path,
                    f"is written twice, first on line {lines[path]}",
                    "JSON keeps only the last; take one out",
                    line=line,
                )
            )
        lines[path] = line
        if token in ("NaN", "Infinity", "-Infinity"):
            findings.append(Finding(path, f"is {token}, which is not JSON", line=line))
        if not _is_text(path) or (token[0] == '"' and not _is_text(json.loads(token))):
            problem = f"holds half a character (a lone surrogate): {token!a}"
            return _unreadable(problem, "write the character itself", line)
    return Document(None if findings else value, lines, tuple(findings))


def _is_text(text: str) -> bool:
    """Whether it can be written anywhere; JSON's \\u escapes allow halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Yield path, line, depth and first token of every value, in a text that is known to be JSON.

    The line is that of the key for a member, else that of the value.
    """
    line, seen_to = 1, 0
    around: list[str] = []  # the paths of the containers we are in
    counts: list[int] = []  # for each of them, elements so far; -1 for an object
    key: tuple[str, int] | None = None
    for found in _TOKEN.finditer(text):
        token = found.group()
        line += text.count("\n", seen_to, found.start())
        seen_to = found.start()
        if token in ("}", "]"):
            around.pop()
            counts.pop()
        elif token not in (",", ":"):
            if counts and counts[-1] < 0 and key is None:
                key = (step(around[-1], json.loads(token)), line)
                continue
            if key is not None:
                path, at = key
            elif counts:
                path, at = step(around[-1], counts[-1]), line
                counts[-1] += 1
            else:
                path, at = "", line
            key = None
            yield path, at, len(around), token
            if token in ("{", "["):
                around.append(path)
                counts.append(0 if token == "[" else -1)
