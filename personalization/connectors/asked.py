"""Destinations as a job's config.json asks for them, and what it may say of them.

Who may write to the bucket must not be able to send a saved key elsewhere, or to have code or
folders of the worker used.  So a job's settings may be:

- beside a saved block, or beside `stored`: those marked as `Tuning`, and no others;
- without either: all but secrets; there is no key then that could go anywhere;
- never a class by its place ("package.module:Class"), and never a folder on the worker's disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from personalization.aws import Clients
from personalization.connectors.base import Connector, ConnectorConfig
from personalization.connectors.registry import build, connector_class
from personalization.connectors.tuning import secret, tunable
from personalization.errors import ConfigError, Finding

_SAVE = "save a Destination block, or keep it where `stored` says"


def build_for_job(
    kind: str, asked: Mapping[str, Any], saved: Mapping[str, Any] | None, clients: Clients
) -> Connector[Any]:
    """Return the destination that a job and a saved block say together; the block's settings win.

    kind   of the job's connector; a block says its own
    asked  the job's settings
    saved  the block's settings, secrets among them; None without a block

    Raises ConfigError with a finding for each setting that is not the job's to say, `where` being
    `settings.<name>`, and as `build` does.
    """
    if saved is not None:
        # Without a kind of its own it is no destination, which `build` says.
        if "kind" in saved:
            _refuse(_not_tuning(connector_class(str(saved["kind"])).config_class, asked, "block"))
        return build({**asked, **saved}, clients)
    if ":" in kind:
        raise ConfigError(
            f"kind {kind!r} names a class by its place, which only a saved Destination block may"
        )
    config = connector_class(kind).config_class
    if "stored" in asked:
        others = {name: value for name, value in asked.items() if name != "stored"}
        _refuse(_not_tuning(config, others, "stored"))
    else:
        _refuse(_secrets(config, asked))
    return build({**asked, "kind": kind}, clients, from_job=True)


def _not_tuning(
    config: type[ConnectorConfig], asked: Mapping[str, Any], keeper: str
) -> Iterator[Finding]:
    open_ = tunable(config)
    whose = "the saved block's" if keeper == "block" else "to be kept beside the key, in `stored`"
    allowed = f"a job may set: {', '.join(open_)}" if open_ else "a job may set nothing here"
    for name in asked:
        if name not in open_:
            yield Finding(f"settings.{name}", f"is {whose}, not the job's to say", allowed)


def _secrets(config: type[ConnectorConfig], asked: Mapping[str, Any]) -> Iterator[Finding]:
    for name in asked:
        if name in secret(config):
            yield Finding(f"settings.{name}", "is a secret, which a config.json cannot keep", _SAVE)


def _refuse(findings: Iterator[Finding]) -> None:
    if found := tuple(findings):
        raise ConfigError("the job's settings say what a job may not", found)
