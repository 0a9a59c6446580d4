"""Every serviceConfig against botocore's model of the operation that it is for."""

from __future__ import annotations

from collections.abc import Iterator

from personalization.config.document import step
from personalization.config.sections import SCHEMA, SOLUTION, SOLUTION_VERSION_KEY, Section
from personalization.config.tags import too_many_tags
from personalization.errors import Finding
from personalization.shapes import Violation, input_shape, meant, violations


def service_findings(sections: tuple[Section, ...]) -> Iterator[Finding]:
    """Yield what the service would reject, and as warnings what the workflow would overwrite."""
    for section in sections:
        if section.has_config:
            yield from _supplied(section)
            yield from _broken(section)


def _supplied(section: Section) -> Iterator[Finding]:
    for name in section.kind.supplied:
        if name in section.config:
            path = step(section.config_path, name)
            allowed = f"the workflow supplies it for every {section.kind.title}; take it out"
            yield Finding(path, "is ignored", allowed, "warning")


def _broken(section: Section) -> Iterator[Finding]:
    config = {k: v for k, v in section.config.items() if k not in section.kind.supplied}
    if section.kind is SOLUTION:
        config.pop(SOLUTION_VERSION_KEY, None)
    if section.kind is SCHEMA and "schema" in config:
        # The file holds an object where the operation takes its text: rules of its own.
        config["schema"] = ""
    for violation in violations(input_shape("personalize", section.kind.operation), config):
        supplied = violation.path.split(".")[0] in section.kind.supplied
        if not supplied and not too_many_tags(violation):
            path = step(section.config_path, violation.path)
            yield Finding(path, violation.problem, _repair(violation, section))


def _repair(violation: Violation, section: Section) -> str:
    if violation.constraint != "unknown":
        return violation.repair
    known = [name for name in violation.allowed if name not in section.kind.supplied]
    if section.kind is SOLUTION and "." not in violation.path:
        known.append(SOLUTION_VERSION_KEY)
    name = violation.path.rpartition(".")[2]
    return meant(name, known)
