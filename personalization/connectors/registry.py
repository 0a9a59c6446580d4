"""Which connectors there are, and how one is built from its settings.

Ours register by decorator.  Those of others are found by entry point (group
`personalize_flows.connectors`, the entry's name is the kind) or named as "package.module:Class".
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from pydantic import ValidationError

from personalization.aws import Clients
from personalization.connectors import stored
from personalization.connectors.base import Connector
from personalization.errors import ConfigError, shortened

ENTRY_POINTS = "personalize_flows.connectors"

AnyConnector = type[Connector[Any]]
T = TypeVar("T", bound=AnyConnector)

_registered: dict[str, AnyConnector] = {}


def register(connector: T) -> T:
    """Use as a decorator: make the class known under its `kind`."""
    other = _registered.setdefault(connector.kind, connector)
    if other is not connector:
        raise ConfigError(
            f"connector kind {connector.kind!r} is taken by {other.__module__}:{other.__qualname__}"
        )
    return connector


def kinds() -> tuple[str, ...]:
    """Return the kinds that `build` knows, sorted.  Imports nothing."""
    return tuple(sorted({*_registered, *_from_entry_points()}))


def connector_class(kind: str) -> AnyConnector:
    """Return the class for a kind, or the one that "package.module:Class" names."""
    if kind in _registered:
        return _registered[kind]
    if entry := _from_entry_points().get(kind):
        return _loaded(entry.value)
    if ":" in kind:
        return _loaded(kind)
    raise ConfigError(f"connector kind {kind!r} is unknown; there are: {', '.join(kinds())}")


def build(
    settings: Mapping[str, Any], clients: Clients, *, from_job: bool = False
) -> Connector[Any]:
    """Return the connector that the settings ask for; `kind` says which class.

    A setting `stored` names a place in AWS where more of them are kept; those given win.

    from_job  no saved block stands behind them: validators find it in their context, and refuse
              what is the worker's own

    Raises ConfigError, on one line, naming every setting that is wrong (and never its value: it
    may be a secret).
    """
    kind = settings.get("kind")
    if not isinstance(kind, str) or not kind:
        raise ConfigError(f"connector settings need a kind; there are: {', '.join(kinds())}")
    connector = connector_class(kind)
    if place := settings.get("stored"):
        given = {name: value for name, value in settings.items() if name != "stored"}
        settings = {**stored.settings(str(place), clients), **given}
    try:
        config = connector.config_class.model_validate(
            {**settings, "kind": connector.kind}, context={"from_job": from_job}
        )
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, found['loc'])) or 'settings'}: {found['msg']}"
            for found in error.errors()
        )
    else:
        return connector(config, clients)
    # Out here nothing leads back to pydantic's error, which holds the values, secrets among them.
    raise ConfigError(f"connector {connector.kind!r} is misconfigured: {wrong}")


def _from_entry_points() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _loaded(place: str) -> AnyConnector:
    module, _, name = place.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"connector {place!r} cannot be loaded: {shortened(error)}") from error
    if not (isinstance(found, type) and issubclass(found, Connector)):
        raise ConfigError(f"connector {place!r} is not a subclass of Connector")
    return found
