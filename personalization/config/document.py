"""JSON text as a value, and the line on which each part of it stands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from personalization.errors import ConfigError, Finding, shortened

# No parameter file is nested deeper than 10; the limit keeps recursion over the value safe.
MAX_DEPTH: Final = 50
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_FLOAT: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_LAST_STEP: Final = re.compile(r"(?:\.?[^.\[\]]+|\[\d+\])$")


@dataclass(frozen=True)
class Document:
    """A JSON value whose parts know their lines.

    lines     path (`solutions[2].serviceConfig.name`) → line, counted from 1; empty when there is
              no value, because the text is no JSON
    findings  what was wrong with the text
    unusable  paths of numbers that are none (NaN) or too large; their findings say all about them
    """

    value: Any
    lines: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    unusable: frozenset[str] = frozenset()

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
    return f"{path}.{key}" if path else key or '""'


def _unreadable(problem: str, allowed: str, line: int | None) -> Document:
    return Document(None, {}, (Finding("", problem, allowed, line=line),))


def _hint(text: str, at: int) -> str:
    before, there = text[:at].rstrip()[-1:], text[at : at + 1]
    if (there and there in "]}" and before == ",") or re.match(r",\s*[\]}]", text[at:]):
        return "take out the comma before the bracket"
    if there == "'":
        return "JSON takes double quotes"
    if text[at : at + 2] in ("//", "/*") or there == "#":
        return "JSON has no comments"
    return ""


def _located(text: str, value: Any) -> Document:
    lines: dict[str, int] = {}
    findings: list[Finding] = []
    unusable: set[str] = set()
    for path, line, depth, token, first in _walk(text):
        if depth > MAX_DEPTH:
            problem, allowed = "is nested too deeply", f"at most {MAX_DEPTH} levels are allowed"
            return _unreadable(problem, allowed, line)
        if not _is_text(path) or (token[0] == '"' and not _is_text(json.loads(token))):
            problem = f"holds half a character (a lone surrogate): {token!a}"
            return _unreadable(problem, "write the character itself", line)
        if fault := _number_fault(token):
            findings.append(replace(fault, where=path, line=line))
            unusable.add(path)
        if first:
            problem = f"is written twice, first on line {first}"
            allowed = "only the last would count; take one out"
            findings.append(Finding(path, problem, allowed, line=line))
        lines[path] = line
    return Document(value, lines, tuple(findings), frozenset(unusable))


def _number_fault(token: str) -> Finding | None:
    """Say what Python reads as a number and is none, or as another one than is written."""
    if token in ("NaN", "Infinity", "-Infinity"):
        return Finding("", f"is {token}, which is not JSON", "write a number")
    if _FLOAT.fullmatch(token) and math.isinf(float(token)):
        return Finding(
            "", f"is {shortened(token, 30)}, too large a number", "at most 1.7e308 can be read"
        )
    return None


def _is_text(text: str) -> bool:
    """Whether it can be written anywhere; JSON's \\u escapes allow halves of characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _walk(text: str) -> Iterator[tuple[str, int, int, str, int]]:
    """Yield path, line, depth and first token of every value, in a text that is known to be JSON.

    The line is that of the key for a member, else that of the value.  Last comes the line where
    the same key was written before, or 0.
    """
    line, seen_to = 1, 0
    # The containers around us: path, elements so far, and for an object its keys with their lines.
    around: list[tuple[str, list[None], dict[str, int] | None]] = []
    member: tuple[str, int, int] | None = None
    for found in _TOKEN.finditer(text):
        token = found.group()
        line += text.count("\n", seen_to, found.start())
        seen_to = found.start()
        if token in ("}", "]"):
            around.pop()
            continue
        if token in (",", ":"):
            continue
        within, elements, keys = around[-1] if around else ("", [], None)
        if keys is not None and member is None:
            key = json.loads(token)
            member = (step(within, key), line, keys.get(key, 0))
            keys[key] = line
            continue
        if member is None:
            path = step(within, len(elements)) if around else ""
            member = (path, line, 0)
            elements.append(None)
        path, at, first = member
        member = None
        yield path, at, len(around), token, first
        if token in ("{", "["):
            around.append((path, [], {} if token == "{" else None))
