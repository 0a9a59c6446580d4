"""Saved destinations: each one's connector says whether its settings work."""

from __future__ import annotations

from functools import partial
from typing import cast

from prefect.client.orchestration import SyncPrefectClient

from blocks.destination import Destination
from deployments.doctor.outcome import Check, Seen, bad, good
from personalization.aws import Clients
from personalization.errors import ConfigError, FatalError


def saved(client: SyncPrefectClient) -> list[str]:
    """Return the names of the saved Destination blocks."""
    documents = client.read_block_documents_by_type(
        Destination.get_block_type_slug(), include_secrets=False
    )
    return sorted(it.name for it in documents if it.name)


def checks(names: list[str], clients: Clients) -> list[tuple[str, Check]]:
    """Return a check for each of them."""
    return [(f"destination {name}", partial(_works, name, clients)) for name in names]


def _works(name: str, clients: Clients) -> Seen:
    """Ask the far end, changing nothing.  Trouble that may pass counts as not checked."""
    try:
        destination = cast("Destination", Destination.load(name))
        connector = destination.connector(clients)
        connector.check()
    except (ConfigError, FatalError) as error:
        return bad(
            error.headline, f"correct the Destination block {name} under Blocks in Prefect's UI"
        )
    return good(f"{connector.kind} answers")
