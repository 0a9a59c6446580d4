"""Which columns each dataset type requires, and which names are reserved, per domain.

Sources: Personalize developer guide, "Custom dataset and schema requirements",
"VIDEO_ON_DEMAND domain dataset and schema requirements", "ECOMMERCE domain dataset and schema
requirements", "Service quotas".
"""

from __future__ import annotations

from typing import Final, NamedTuple

from personalization import columns

NAMESPACE: Final = "com.amazonaws.personalize.schema"
# What a schema of each dataset type is called.
NAMES: Final = {
    "interactions": "Interactions",
    "items": "Items",
    "users": "Users",
    "actions": "Actions",
    "action_interactions": "ActionInteractions",
}
# Quota: columns beyond the required and the reserved ones.
MAX_METADATA: Final = {"interactions": 5, "items": 100, "users": 25, "actions": 10}


class Rule(NamedTuple):
    """What a required or reserved column must look like.  `kind` is the attribute it must carry."""

    types: tuple[str, ...]
    nullable: bool = False
    kind: str = ""
    required: bool = False

    def __str__(self) -> str:
        text = " or ".join(f'"{name}"' for name in self.types)
        text += ' or ["null", …]' if self.nullable else ""
        return f'{text} with "{self.kind}": true' if self.kind else text


_ID = Rule(("string",), required=True)
_TIME = Rule(("long",), required=True)
_TEXT = Rule(("string",), nullable=True)
_NUMBER = Rule(("float",), nullable=True)
_LONG = Rule(("long",), nullable=True)
_CATEGORY = Rule(("string",), nullable=True, kind="categorical")
_REQUIRED_CATEGORY = Rule(("string",), kind="categorical", required=True)
_DESCRIPTION = Rule(("string",), nullable=True, kind="textual")

_COMMON: Final[dict[str, dict[str, Rule]]] = {
    "interactions": {
        columns.AWS_USER_ID: _ID,
        columns.AWS_ITEM_ID: _ID,
        columns.AWS_TIMESTAMP: _TIME,
        columns.AWS_EVENT_TYPE: Rule(("string",)),
        columns.AWS_EVENT_VALUE: _NUMBER,
        "IMPRESSION": _TEXT,
        "RECOMMENDATION_ID": _TEXT,
        "EVENT_ATTRIBUTION_SOURCE": _TEXT,
    },
    "users": {columns.AWS_USER_ID: _ID},
    "items": {columns.AWS_ITEM_ID: _ID, columns.AWS_CREATION_TIMESTAMP: Rule(("long",))},
    "actions": {
        "ACTION_ID": _ID,
        columns.AWS_CREATION_TIMESTAMP: Rule(("long",)),
        "VALUE": _LONG,
        "TYPE": _TEXT,
        "ACTION_EXPIRATION_TIMESTAMP": _LONG,
        "REPEAT_FREQUENCY": _LONG,
    },
    "action_interactions": {
        columns.AWS_USER_ID: _ID,
        "ACTION_ID": _ID,
        columns.AWS_EVENT_TYPE: _ID,
        columns.AWS_TIMESTAMP: _TIME,
        "IMPRESSION": _TEXT,
        "RECOMMENDATION_ID": _TEXT,
    },
}
_DOMAIN: Final[dict[tuple[str, str], dict[str, Rule]]] = {
    ("ECOMMERCE", "interactions"): {columns.AWS_EVENT_TYPE: _ID},
    ("ECOMMERCE", "items"): {
        "PRICE": Rule(("float",), required=True),
        "CATEGORY_L1": _REQUIRED_CATEGORY,
        "CATEGORY_L2": _CATEGORY,
        "CATEGORY_L3": _CATEGORY,
        "PRODUCT_DESCRIPTION": _DESCRIPTION,
        # The guide's table says long, its page on the Items dataset says float.
        columns.AWS_CREATION_TIMESTAMP: Rule(("long", "float")),
        "AGE_GROUP": _CATEGORY,
        "ADULT": _CATEGORY,
        "GENDER": _CATEGORY,
    },
    ("VIDEO_ON_DEMAND", "interactions"): {columns.AWS_EVENT_TYPE: _ID},
    ("VIDEO_ON_DEMAND", "users"): {"SUBSCRIPTION_MODEL": _CATEGORY},
    ("VIDEO_ON_DEMAND", "items"): {
        columns.AWS_CREATION_TIMESTAMP: _TIME,
        "GENRES": _REQUIRED_CATEGORY,
        "GENRE_L2": _CATEGORY,
        "GENRE_L3": _CATEGORY,
        "PRICE": _NUMBER,
        "DURATION": _NUMBER,
        "AVERAGE_RATING": _NUMBER,
        "PRODUCT_DESCRIPTION": _DESCRIPTION,
        "CONTENT_OWNER": _CATEGORY,
        "CONTENT_CLASSIFICATION": _CATEGORY,
    },
}


def rules(dataset_type: str, domain: str | None = None) -> dict[str, Rule]:
    """Return the required and reserved columns of a dataset type (in any case) in a domain."""
    kind = dataset_type.lower()
    return _COMMON.get(kind, {}) | _DOMAIN.get((domain or "", kind), {})
