"""What Personalize asks of data and hyper-parameters before it trains."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

from personalization.columns import USER_ID
from personalization.errors import ConfigError, FatalError
from personalization.local.engine.base import TrainingData

# Source: Personalize developer guide, "Amazon Personalize endpoints and quotas", and the
# failureReason of solution versions.
FEWEST_INTERACTIONS = 1000
FEWEST_USERS_WITH_TWO = 25


def require_enough(data: TrainingData) -> None:
    """Raise FatalError, worded as Personalize's failureReason, where there is too little data."""
    n_events = len(data.interactions)
    if n_events < FEWEST_INTERACTIONS:
        filtered = f" after filtering by event type: {data.event_type}" if data.event_type else ""
        raise FatalError(f"Dataset has fewer than {FEWEST_INTERACTIONS} interactions{filtered}")
    per_user = data.interactions.group_by(USER_ID).len()
    if per_user.select((pl.col("len") >= 2).sum()).item() < FEWEST_USERS_WITH_TWO:
        raise FatalError(
            f"Dataset has fewer than {FEWEST_USERS_WITH_TWO} users with at least 2 interactions "
            "each."
        )


def require_known(given: Mapping[str, str], known: Collection[str], recipe: str) -> None:
    """Raise ConfigError for a hyper-parameter that `recipe` does not have."""
    for name in given:
        if name not in known:
            has = ", ".join(sorted(known)) or "none"
            raise ConfigError(f"{recipe} has no hyper-parameter {name!r}; it has: {has}")


def number(given: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    """Return the hyper-parameter `name`; raises ConfigError outside `low` to `high`."""
    text = given.get(name, default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise ConfigError(
            f"hyper-parameter {name} is {text!r}; it must be a number from {low:g} to {high:g}"
        )
    return value


def flag(given: Mapping[str, str], name: str, default: bool) -> bool:
    """Return the hyper-parameter `name`, True or False in any case."""
    text = str(given.get(name, default)).lower()
    if text not in ("true", "false"):
        raise ConfigError(f"hyper-parameter {name} is {given[name]!r}; it must be True or False")
    return text == "true"
