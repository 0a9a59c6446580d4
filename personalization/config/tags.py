"""Tags, by the rules that botocore's model does not tell.

Source: Personalize developer guide, "Managing tags", Guidelines and requirements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from personalization.config.document import step
from personalization.config.sections import Section, as_object
from personalization.errors import Finding
from personalization.shapes import Violation, brief, service_model, violations

MOST: Final = 50
RESERVED: Final = "aws:"


def tag_findings(document: Any, sections: tuple[Section, ...]) -> Iterator[Finding]:
    """Yield what is wrong with tags: at the root, which all others inherit, and anywhere else."""
    if isinstance(document, dict) and document.get("tags") is not None:
        shape = service_model("personalize").shape_for("Tags")
        for violation in violations(shape, document["tags"], "tags"):
            if not too_many_tags(violation):
                yield Finding(violation.path, violation.problem, violation.repair)
        yield from _unruly(document["tags"], "tags")
    for section in sections:
        if section.kind.taggable:
            yield from _unruly(section.config.get("tags"), step(section.config_path, "tags"))


def too_many_tags(violation: Violation) -> bool:
    """Whether it is the model's bound of 200 tags, which is wider than the one that counts."""
    return violation.shape == "Tags" and violation.constraint == "max"


def _unruly(tags: Any, path: str) -> Iterator[Finding]:
    if not isinstance(tags, list):
        return
    if len(tags) > MOST:
        yield Finding(path, f"has {len(tags)} tags", f"a resource has at most {MOST}")
    seen: dict[str, str] = {}
    for index, tag in enumerate(tags):
        for name in ("tagKey", "tagValue"):
            text, where = as_object(tag).get(name), step(step(path, index), name)
            if not isinstance(text, str):
                continue  # reported with the shape
            if text.startswith(RESERVED):
                allowed = f"{RESERVED} begins the tags that AWS sets; choose another"
                yield Finding(where, f"is {brief(text)}", allowed)
            if name == "tagKey" and seen.setdefault(text, where) != where:
                allowed = f"a key has one value; {seen[text]} has it, too"
                yield Finding(where, f"is {brief(text)} again", allowed)
