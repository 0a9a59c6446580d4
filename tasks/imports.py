"""Audience files into destinations."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE

from blocks.aws import clients
from blocks.destination import Destination
from personalization.connectors import (
    Audience,
    Connector,
    ImportProgress,
    ImportTicket,
    RegistersEndpoints,
    TakesAudiences,
)
from personalization.errors import ConfigError, FatalError, shortened
from personalization.parameters import Waiting
from personalization.waiting import looks
from tasks.artifacts import artifact_key, show_table
from tasks.retrying import NETWORK


def connector_of(name: str, credentials: str | None) -> Connector[Any]:
    """Return the connector of a saved Destination block, by the block's name."""
    try:
        block = cast("Destination", Destination.load(name))
    except ValueError as error:
        raise ConfigError(
            f"there is no Destination block named {name!r}; save one in Prefect's UI under Blocks, "
            "or with blocks.destination.Destination(settings=…).save(name)"
        ) from error
    return block.connector(clients(credentials))


@task(task_run_name="check-{destination}", **NETWORK)
def check_destination(destination: str, address_by: str, credentials: str | None) -> None:
    """Prove that the destination can be reached and takes audiences of such ids.

    address_by  "user" or "endpoint": what the audience files hold
    """
    connector = connector_of(destination, credentials)
    if not isinstance(connector, TakesAudiences):
        raise ConfigError(f"destination {destination!r} ({connector.kind}) takes no audiences")
    if connector.addresses != address_by:
        raise ConfigError(
            f"destination {destination!r} ({connector.kind}) knows people by {connector.addresses} "
            f"ids, the audience files would hold {address_by} ids; "
            f"set options.address_by to {connector.addresses!r}"
        )
    connector.check()


@task(task_run_name="start-import-{audience.name}", **NETWORK)
def start_import(destination: str, audience: Audience, credentials: str | None) -> ImportTicket:
    """Start importing an audience file, or find the import of this very file.

    Safe to repeat: the same file is imported once, the same audience again updates its segment.
    """
    connector = connector_of(destination, credentials)
    if not isinstance(connector, TakesAudiences):
        raise ConfigError(f"destination {destination!r} ({connector.kind}) takes no audiences")
    ticket = connector.start_import(audience)
    found = "found" if ticket.found else "started"
    get_run_logger().info("%s import %s of %s", found, ticket.job, audience.location)
    return ticket


@task(task_run_name="register-{endpoints.name}", **NETWORK)
def register_endpoints(
    destination: str, endpoints: Audience, credentials: str | None
) -> ImportTicket:
    """Start telling the destination who can be reached, or find the import of this very file."""
    connector = connector_of(destination, credentials)
    if not isinstance(connector, RegistersEndpoints):
        raise ConfigError(
            f"destination {destination!r} ({connector.kind}) has no endpoints to register; "
            "leave register_endpoints out"
        )
    ticket = connector.register_endpoints(endpoints)
    get_run_logger().info("import %s registers %s", ticket.job, endpoints.location)
    return ticket


@task(task_run_name="follow-imports-{destination}", cache_policy=NO_CACHE)
def follow_imports(
    destination: str,
    started: Mapping[str, ImportTicket | Exception],
    waiting: Waiting,
    credentials: str | None,
) -> dict[str, ImportProgress]:
    """Return how each import ended, by audience.  Leaves a table of receipts in any case.

    started  audience → its import, or why it could not be started
    Raises FatalError, when all have ended, that names those that failed and why.
    """
    connector = connector_of(destination, credentials)
    progress = create_progress_artifact(0.0, key=artifact_key("imports", destination))
    views = {name: partial(look_at, connector, it) for name, it in started.items()}
    seen: dict[str, ImportProgress] = {}
    try:
        for seen in looks(views, lambda it: it.done, waiting):
            done = sum(it.done for it in seen.values())
            update_progress_artifact(progress, 100.0 * done / len(views))  # type: ignore[arg-type]
    finally:
        show_table(("receipts", destination), receipt_rows(seen), f"Imports into {destination}.")
    for name, it in seen.items():
        get_run_logger().info(
            "%s: %s, %d accepted, %d rejected", name, it.status, it.accepted, it.rejected
        )
    if failed := {name: it for name, it in seen.items() if it.state == "failed"}:
        reasons = "; ".join(f"{name} is {it.status}, {_reasons(it)}" for name, it in failed.items())
        raise FatalError(f"{destination} imported nothing of {len(failed)} audience(s): {reasons}")
    return seen


def look_at(connector: Any, started: ImportTicket | Exception) -> ImportProgress:
    """Return how far an import is; one that was refused has failed, and stops no other."""
    if isinstance(started, Exception):
        return ImportProgress("failed", 0, 0, (str(started) or repr(started),), "", "REFUSED")
    try:
        progress: ImportProgress = connector.look(started)
    except FatalError as error:
        return ImportProgress("failed", 0, 0, (str(error),), started.segment, "REFUSED")
    return progress


def _reasons(it: ImportProgress) -> str:
    if not it.failures:
        return "no reason was given"
    if not it.rejected:
        return shortened(it.failures[0], 500)
    return f"{it.rejected} rejected, such as: {shortened(it.failures[0], 500)}"


def receipt_rows(seen: Mapping[str, ImportProgress]) -> list[dict[str, Any]]:
    """Return receipts as a table."""
    return [
        {
            "audience": name,
            "segment": it.segment,
            "state": it.state,
            "accepted": it.accepted,
            "rejected": it.rejected,
            "failures": "; ".join(it.failures[:3]),
        }
        for name, it in sorted(seen.items())
    ]
