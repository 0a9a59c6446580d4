"""What the file leaves unsaid: inherited tags, defaults, parameters that the workflow supplies."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from personalization.config.sections import walk


def filled_in(document: Any) -> Any:
    """Return a copy of the document in which every resource has all its parameters.

    Root `tags` go to every taggable resource without `tags` of its own, which replace them rather
    than add to them; `[]` opts out.  What the workflow supplies itself is taken out.
    """
    filled = deepcopy(document)
    tags = filled.get("tags", []) if isinstance(filled, dict) else []
    for section in walk(filled):
        left_out = section.kind.optional and section.key not in section.raw
        if not section.has_config and not left_out:
            continue
        given = {k: v for k, v in section.config.items() if k not in section.kind.supplied}
        inherited = {"tags": deepcopy(tags)} if section.kind.taggable else {}
        section.raw[section.key] = inherited | dict(section.kind.defaults) | given
    return filled
