"""What must fit together across the file: names, domains, datasets, schedules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from personalization import schemas
from personalization.config import schedules
from personalization.config.document import step
from personalization.config.recipes import by_arn
from personalization.config.sections import (
    DATASET,
    DATASET_GROUP,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    Kind,
    Section,
    as_object,
    blank,
)
from personalization.errors import ConfigError, Finding
from personalization.shapes import brief

Sections = tuple[Section, ...]


def of_kind(sections: Sections, kind: Kind) -> list[Section]:
    """Return the sections of one kind, in the order of the file."""
    return [section for section in sections if section.kind is kind]


def duplicate_names(sections: Sections) -> Iterator[Finding]:
    """Yield every name that a second resource of its kind has.

    Names are unique per account and region, so campaigns count across solutions.
    """
    seen: dict[tuple[str, str], Section] = {}
    for section in sections:
        name = section.text("name")
        if not name or "name" in section.kind.supplied:
            continue
        first = seen.setdefault((section.kind.title, name), section)
        if first is not section:
            path, problem = (
                step(section.config_path, "name"),
                f"is {brief(name)}, as in {first.path}",
            )
            if section.kind is DATASET:
                # Its ARN is made of the group and the type.
                yield Finding(path, problem, "another name tells them apart", "warning")
            else:
                yield Finding(path, problem, f"every {section.kind.title} needs its own name")


def domains(sections: Sections) -> Iterator[Finding]:
    """Yield schemas and recommenders that are of another domain than the dataset group."""
    domain = group_domain(sections)
    group = f"the dataset group's is {domain}" if domain else "the dataset group has none"
    for section in of_kind(sections, SCHEMA):
        path, own = step(section.config_path, "domain"), section.text("domain")
        if own and own != domain:
            yield Finding(path, f"is {brief(own)}", f"{group}; both must be the same")
        elif domain and "domain" not in section.config:
            allowed = f"{group}; its datasets' schemas should say so"
            yield Finding(path, "is missing", allowed, "warning")
    for section in of_kind(sections, RECOMMENDER):
        path = step(section.config_path, "recipeArn")
        if arn := section.text("recipeArn"):
            try:
                recipe = by_arn(arn)
            except ConfigError as error:
                yield Finding(path, str(error))
                continue
            if not recipe.domain:
                problem = f"is {recipe.name}, a recipe for solutions"
                yield Finding(path, problem, "move it to solutions, or choose a recommender's")
            elif recipe.domain != domain:
                problem = f"is {recipe.name}, for {recipe.domain}"
                allowed = f"set datasetGroup.serviceConfig.domain to {recipe.domain}"
                yield Finding(path, problem, f"{group}; {allowed}, or take it out")


def encryption(sections: Sections) -> Iterator[Finding]:
    """Yield a role without a key or a key without a role: a dataset group has both or none."""
    pair = ("roleArn", "kmsKeyArn")
    for section in of_kind(sections, DATASET_GROUP):
        there = [name for name in pair if name in section.config]
        if len(there) == 1:
            missing = next(name for name in pair if name not in there)
            path = step(section.config_path, there[0])
            yield Finding(path, f"is given without {missing}", "give both, or neither")


def datasets(document: Any, sections: Sections) -> Iterator[Finding]:
    """Yield missing interactions, imports of nothing, and what is wrong with each Avro schema."""
    declared = as_object(as_object(document).get("datasets"))
    group = of_kind(sections, DATASET_GROUP)
    if blank(declared):
        # An absent section means: the datasets are there already, from elsewhere.
        yield Finding(
            "datasets",
            "is missing, so nothing will be imported",
            "declare at least interactions, unless the dataset group has its datasets already",
            "warning",
        )
        for section in group:
            for path, text in section.schedules.items():
                if path.endswith(".import") and text != schedules.DELETE:
                    problem, allowed = "is there, but no datasets are", "declare what to import"
                    yield Finding(step(section.path, path), problem, allowed)
    elif blank(declared.get("interactions", {})) and not _only_semantic(sections):
        yield Finding(
            "datasets.interactions",
            "is missing",
            "an interactions dataset and its schema are the least that must be declared",
        )
    domain = group_domain(sections)
    for section in of_kind(sections, SCHEMA):
        schema = section.config.get("schema")
        if schema is not None:
            own = section.text("domain") or domain
            yield from schemas.findings(
                schema, section.dataset, own or None, step(section.config_path, "schema")
            )


def past_schedules(sections: Sections, now: dt.datetime) -> Iterator[Finding]:
    """Yield schedules that are well written but have no time to come."""
    for section in sections:
        for path, text in section.schedules.items():
            if isinstance(text, str) and text != schedules.DELETE and _is_over(text, now):
                problem = f"is {brief(text)}, which never runs after {now:%Y-%m-%d}"
                allowed = "its year is past, or its date does not exist"
                yield Finding(step(section.path, path), problem, allowed)


def group_domain(sections: Iterable[Section]) -> str:
    """Return the dataset group's domain, or ""."""
    return next((s.text("domain") for s in sections if s.kind is DATASET_GROUP), "")


def _is_over(schedule: str, now: dt.datetime) -> bool:
    try:
        return schedules.next_after(schedule, now) is None
    except ConfigError:  # reported with the structure
        return False


def _only_semantic(sections: Sections) -> bool:
    """Whether all solutions are of the one recipe that trains on Items alone."""
    arns = [section.text("recipeArn") for section in of_kind(sections, SOLUTION)]
    return bool(arns) and all(arn.endswith("/aws-semantic-similarity") for arn in arns)
