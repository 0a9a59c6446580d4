"""A readable schema against the rules of its dataset type and domain.

Sources: Personalize developer guide, "Schema formatting requirements" and "Metadata fields";
botocore, personalize 2018-05-22, shape `AvroSchema` (length).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from personalization.errors import Finding
from personalization.schemas.rules import MAX_METADATA, NAMES, NAMESPACE, Rule, rules
from personalization.schemas.structure import Field, as_field, said, structure

MAX_CHARACTERS: Final = 20_000


def findings(
    schema: Mapping[str, Any], dataset_type: str, domain: str | None, where: str
) -> list[Finding]:
    """Return all that Personalize would reject (errors) or not use (warnings).

    dataset_type  a key of NAMES, in any case
    where         the path of the schema in the file it stands in; each finding's path goes on there
    """
    found = list(structure(schema, where))
    faulty = [finding.where for finding in found if finding.severity == "error"]
    if not isinstance(schema, Mapping) or f"{where}.fields" in faulty:
        return found
    kind, known = dataset_type.lower(), rules(dataset_type, domain)
    wanted = NAMES.get(kind, kind)
    owner = f"{domain} {wanted}" if domain else wanted
    if f"{where}.name" not in faulty:
        found += _name(schema["name"], wanted, where)
    found += _head(schema, where)
    found += _missing(schema["fields"], known, owner, where)
    for index, raw in enumerate(schema["fields"]):
        path = f"{where}.fields[{index}]"
        if any(fault.startswith(path) for fault in faulty):
            continue
        field = as_field(raw)
        found += _attributes(field, kind, path)
        if field.name in known:
            found += _reserved(field, known[field.name], owner, path)
        else:
            found += _unused(field, path)
    if not faulty:
        fields = tuple(as_field(raw) for raw in schema["fields"])
        found += _counts(fields, known, kind, where)
    return found


def _name(name: str, wanted: str, where: str) -> Iterator[Finding]:
    if name.lower() != wanted.lower():
        yield Finding(f"{where}.name", f"is {said(name)}", f'must be "{wanted}"')
    elif name != wanted:
        # The AWS solution's own README and fixtures write "users" and "interactions".
        yield Finding(f"{where}.name", f"is {said(name)}", f'AWS spells it "{wanted}"', "warning")


def _head(schema: Mapping[str, Any], where: str) -> Iterator[Finding]:
    size = len(json.dumps(schema, ensure_ascii=False))
    if size > MAX_CHARACTERS:
        yield Finding(where, f"has {size} characters", f"at most {MAX_CHARACTERS} are allowed")
    namespace, version = schema.get("namespace"), schema.get("version")
    if namespace != NAMESPACE:
        yield Finding(f"{where}.namespace", f"is {said(namespace)}", f'must be "{NAMESPACE}"')
    if version is None:
        yield Finding(f"{where}.version", "is missing", 'should be "1.0"', "warning")
    elif version != "1.0":
        yield Finding(f"{where}.version", f"is {said(version)}", 'must be "1.0"')


def _missing(
    fields: list[Any], known: Mapping[str, Rule], owner: str, where: str
) -> Iterator[Finding]:
    names = [raw.get("name") for raw in fields if isinstance(raw, Mapping)]
    present = {name for name in names if isinstance(name, str)}
    for name, rule in known.items():
        if rule.required and name not in present:
            yield Finding(f"{where}.fields", f"has no {name}", f"{owner} need it as {rule}")


def _attributes(field: Field, kind: str, path: str) -> Iterator[Finding]:
    marks = {
        "categorical": field.categorical,
        "textual": field.textual,
        "itemName": field.item_name,
    }
    for mark in (name for name, marked in marks.items() if marked):
        if field.types != ("string",):
            problem = f"is set for {field.name}, which is {field.types[0]}"
            yield Finding(f"{path}.{mark}", problem, "only strings may have it")
        if mark != "categorical" and kind != "items":
            allowed = "only columns of Items may have it"
            yield Finding(f"{path}.{mark}", f"is set for {field.name}", allowed)
    if field.categorical and field.textual:
        problem = f"is set for {field.name}, which is categorical"
        yield Finding(f"{path}.textual", problem, "a column is one or the other")


def _reserved(field: Field, rule: Rule, owner: str, path: str) -> Iterator[Finding]:
    allowed = f"{owner} need {field.name} as {rule}"
    if field.types[0] not in rule.types:
        yield Finding(f"{path}.type", f"of {field.name} is {field.types[0]}", allowed)
    if field.nullable and not rule.nullable:
        # The guide names no null for a few reserved columns, but forbids it only where required.
        problem = f"of {field.name} allows null"
        yield Finding(f"{path}.type", problem, allowed, "error" if rule.required else "warning")
    if rule.kind == "categorical" and not field.categorical:
        yield Finding(f"{path}.categorical", f"of {field.name} is not true", allowed)
    if rule.kind == "textual" and not field.textual:
        yield Finding(f"{path}.textual", f"of {field.name} is not true", allowed)
    if rule.types == ("string",) and not rule.kind and field.categorical:
        allowed = "a reserved string cannot be categorical"
        yield Finding(f"{path}.categorical", f"of {field.name} is true", allowed)


def _unused(field: Field, path: str) -> Iterator[Finding]:
    if field.types == ("boolean",):
        allowed = "neither training nor filters use booleans; a string or an int 0/1 would be used"
        yield Finding(f"{path}.type", f"of {field.name} is boolean", allowed, "warning")
    elif field.types == ("string",) and not (field.categorical or field.textual or field.item_name):
        problem = f"{field.name} is a string and neither categorical nor textual"
        yield Finding(path, problem, "training will not use it", "warning")


def _counts(
    fields: tuple[Field, ...], known: Mapping[str, Rule], kind: str, where: str
) -> Iterator[Finding]:
    own = [field for field in fields if field.name not in known]
    limit, path = MAX_METADATA.get(kind), f"{where}.fields"
    if limit is not None and len(own) > limit:
        problem = f"has {len(own)} columns that are neither required nor reserved"
        yield Finding(path, problem, f"at most {limit} are allowed")
    marks = {
        "textual": [field.name for field in fields if field.textual],
        "itemName": [field.name for field in fields if field.item_name],
    }
    for mark, names in marks.items():
        if len(names) > 1:
            problem = f"has {len(names)} {mark} columns: {', '.join(names)}"
            yield Finding(path, problem, "one at most")
    # A reserved column counts for Users and Actions: the default VIDEO_ON_DEMAND schema of Users
    # has nothing else.  Items of a domain have required columns enough.
    required = [name for name, rule in known.items() if rule.required]
    counted = own if kind == "items" else [f for f in fields if f.name not in required]
    needed = kind in ("items", "users", "actions") and len(required) == 1
    if needed and not counted:
        yield Finding(path, "has no metadata column", "at least one is required besides the id")
