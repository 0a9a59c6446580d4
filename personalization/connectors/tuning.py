"""What a setting of a destination is about: says where to or with which key, or only how.

Who saves a destination and who may write a job's config.json are not the same people, so a job may
not say everything.  What is not marked is not a job's to say: a new setting is safe before anybody
has thought about it.
"""

from __future__ import annotations

from typing import Annotated, Final, TypeVar, get_args

from pydantic import SecretStr

from personalization.connectors.base import ConnectorConfig

T = TypeVar("T")
_MARK: Final = "a job may say it"

# The type of a setting that says neither where to nor with which key: `batch_size: Tuning[int]`.
Tuning = Annotated[T, _MARK]


def tunable(config: type[ConnectorConfig]) -> tuple[str, ...]:
    """Return the settings that a job may say beside a saved destination, in their order."""
    return tuple(name for name, it in config.model_fields.items() if _MARK in it.metadata)


def secret(config: type[ConnectorConfig]) -> tuple[str, ...]:
    """Return the settings that nobody may read."""
    kinds = {name: it.annotation for name, it in config.model_fields.items()}
    return tuple(name for name, kind in kinds.items() if SecretStr in (kind, *get_args(kind)))
