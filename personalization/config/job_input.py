"""The input of a batch job, checked line by line before the job is paid for.

JSON Lines: one query a line, `{"itemAttributes": "ITEMS.GENRES = \\"Action\\""}`.
Source: Personalize developer guide, "Preparing input data for user segments", "Preparing input data
for batch recommendations", "Service quotas".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from personalization import expressions, schemas
from personalization.config.document import decoded
from personalization.config.recipes import RECIPES
from personalization.errors import ConfigError, Finding, shortened
from personalization.shapes import meant

# A file of fifty million lines may be wrong in each of them.
MAX_FINDINGS: Final = 100
# Source: Personalize developer guide, "Service quotas" (items in a ranking list).
MAX_RANKED: Final = 500


@dataclass(frozen=True)
class _Input:
    """What a line holds, besides filterValues, and how many lines a file may have."""

    keys: tuple[str, ...]
    max_lines: int = 50_000_000
    context: bool = False


_USER: Final = _Input(("userId",), context=True)
_RANKING: Final = _Input(("userId", "itemList"), context=True)
_RELATED: Final = _Input(("itemId",))
_INPUTS: Final = {
    "aws-user-personalization-v2": _USER,
    "aws-user-personalization": _USER,
    "aws-hrnn": _USER,
    "aws-hrnn-metadata": _USER,
    "aws-hrnn-coldstart": _USER,
    "aws-popularity-count": _USER,
    "aws-personalized-ranking-v2": _RANKING,
    "aws-personalized-ranking": _RANKING,
    "aws-similar-items": _RELATED,
    "aws-semantic-similarity": _RELATED,
    "aws-sims": _RELATED,
    "aws-item-affinity": _Input(("itemId",), max_lines=500),
    "aws-item-attribute-affinity": _Input(("itemAttributes",), max_lines=10),
}


def check_job_input(
    text: str | bytes, source: str, recipe: str, *, items: schemas.Schema | None = None
) -> list[Finding]:
    """Return what is wrong with a batch job's input, at most MAX_FINDINGS of it.

    source  what to call it in messages: a path or an S3 URI
    recipe  name of the solution's recipe, such as `aws-item-attribute-affinity`
    items   the schema of the items, against which the columns of expressions are checked if given

    Raises ConfigError if the recipe has no batch jobs.
    """
    if recipe not in _INPUTS:
        known = "has no batch jobs" if recipe in RECIPES else "is unknown"
        raise ConfigError(f"recipe {recipe!r} {known}; batch jobs have: {', '.join(_INPUTS)}")
    try:
        lines = _lines(decoded(text), _INPUTS[recipe], items)
    except ConfigError as error:
        lines = iter(error.findings)
    return [replace(finding, source=source) for finding in islice(lines, MAX_FINDINGS)]


def _lines(text: str, wanted: _Input, items: schemas.Schema | None) -> Iterator[Finding]:
    lines = text.split("\n")
    count = sum(1 for line in lines if line.strip())
    example = json.dumps(dict.fromkeys(wanted.keys, "…"), ensure_ascii=False)
    if not count:
        yield Finding("", "is empty", f"write one query a line: {example}")
    if count > wanted.max_lines:
        problem = f"has {count} queries"
        yield Finding("", problem, f"at most {wanted.max_lines} are allowed")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            query = json.loads(line)
        except (ValueError, RecursionError) as error:
            problem = f"is not JSON: {shortened(error)}: {shortened(line, 60)}"
            allowed = f"every line must be a whole object: {example}"
            yield Finding("", problem, allowed, line=number)
            continue
        if not isinstance(query, dict):
            problem = f"is {shortened(line, 60)}"
            allowed = f"every line must be an object: {example}"
            yield Finding("", problem, allowed, line=number)
            continue
        for where, problem, allowed in _query(query, wanted, items):
            yield Finding(where, problem, allowed, line=number)


def _query(
    query: dict[str, Any], wanted: _Input, items: schemas.Schema | None
) -> Iterator[tuple[str, str, str]]:
    """Yield where, problem and what is allowed."""
    known = (*wanted.keys, "filterValues", *(("context",) if wanted.context else ()))
    for key in query:
        if key not in known:
            yield key, "is not a known key", meant(key, known)
    for key in wanted.keys:
        value = query.get(key)
        if key == "itemList":
            yield from _item_list(value)
        elif not isinstance(value, str) or not value:
            said = "missing" if key not in query else shortened(json.dumps(value), 60)
            yield key, f"is {said}", "must be text, also where ids are numbers"
        elif key == "itemAttributes":
            yield from _attributes(value, items)
        elif len(value) > 256:
            yield key, f"has {len(value)} characters", "at most 256 are allowed"
    for key in ("filterValues", "context"):
        value = query.get(key, {})
        if key in known and not (
            isinstance(value, dict) and all(isinstance(member, str) for member in value.values())
        ):
            yield key, f"is {shortened(json.dumps(value), 60)}", "must be an object of texts"


def _item_list(value: Any) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or not value:
        said = "missing" if value is None else shortened(json.dumps(value), 60)
        yield "itemList", f"is {said}", 'must be a list of item ids, each a text: ["27", "886"]'
    elif len(value) > MAX_RANKED:
        yield "itemList", f"has {len(value)} items", f"at most {MAX_RANKED} are allowed"


def _attributes(text: str, items: schemas.Schema | None) -> Iterator[tuple[str, str, str]]:
    try:
        conditions = expressions.parse(text)
    except ConfigError as error:
        yield "itemAttributes", f"cannot be read: {error}", ""
        return
    if items is None:
        return
    fields = {field.name: field for field in items.fields}
    usable = [name for name, field in fields.items() if not field.textual]
    for condition in conditions:
        try:
            name = expressions.resolve(condition.column, list(fields))
        except ConfigError:
            problem = f"compares {condition.column}, which is no column of the items"
            yield "itemAttributes", problem, f"there are: {', '.join(usable)}"
            continue
        if fields[name].textual:
            problem = f"compares {name}, which is textual"
            yield "itemAttributes", problem, f"there are: {', '.join(usable)}"
