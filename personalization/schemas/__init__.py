"""Avro schemas as Amazon Personalize wants them, which is much less than Avro allows.

`parse` reads a schema, `findings` says what Personalize would object to, or would not use.
"""

from __future__ import annotations

from personalization.schemas.checks import findings
from personalization.schemas.rules import MAX_METADATA, NAMES, NAMESPACE, Rule, rules
from personalization.schemas.structure import Field, Schema, parse

__all__ = [
    "Field",
    "Schema",
    "parse",
    "findings",
    "Rule",
    "rules",
    "NAMES",
    "NAMESPACE",
    "MAX_METADATA",
]
