"""Audience files into destinations."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from functools import partial
from typing import Any, Final, cast

from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from pydantic import TypeAdapter

from blocks.aws import clients
from blocks.destination import Destination
from personalization.aws import S3Path, aws_errors
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
from personalization.waiting import Stay, looks
from tasks.artifacts import artifact_key, show_table, shown_table
from tasks.retrying import NETWORK
from tasks.suspending import outlast, this_run

Started = Mapping[str, ImportTicket | Exception]

# More than any header has, and less than csv takes for a field.
_HEADER_BYTES: Final = 1 << 16


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


def start_imports(
    destination: str, audiences: Iterable[Audience], credentials: str | None
) -> Started:
    """Start importing each audience file, or find its import; by audience, also what was refused.

    What could not be started is told with how the others ended: they go on, and are paid for.
    """
    calls = {it.name: start_import.submit(destination, it, credentials) for it in audiences}
    return {name: it.result(raise_on_failure=False) for name, it in calls.items()}


@task(task_run_name="header-of-{uri}", **NETWORK)
def is_endpoint_table(uri: str, credentials: str | None) -> bool:
    """Whether the CSV has more columns than an audience's one, `Id`: then they are endpoints."""
    path, s3 = S3Path.parse(uri), clients(credentials)("s3")
    with (
        aws_errors(f"reading {uri}"),
        closing(s3.get_object(Bucket=path.bucket, Key=path.key)["Body"]) as body,
    ):
        header = body.read(_HEADER_BYTES).decode("utf-8-sig", errors="replace")
    return len(next(csv.reader(header.splitlines()), [])) > 1


@task(task_run_name="register-{endpoints.name}", **NETWORK)
def register_endpoints(
    destination: str, endpoints: Audience, credentials: str | None
) -> ImportTicket:
    """Start telling the destination who can be reached, or find the import of this very file."""
    connector = connector_of(destination, credentials)
    if not isinstance(connector, RegistersEndpoints):
        raise ConfigError(
            f"destination {destination!r} ({connector.kind}) has no endpoints to register; "
            "an audience has the one column Id"
        )
    ticket = connector.register_endpoints(endpoints)
    get_run_logger().info("import %s registers %s", ticket.job, endpoints.location)
    return ticket


def imports_ended(
    destination: str,
    start: Callable[[], Started],
    waiting: Waiting,
    credentials: str | None,
) -> dict[str, ImportProgress]:
    """Start imports and return how each ended; a deployed run is suspended meanwhile.

    start  returns, by audience, its import, or why it could not be started; a run that was
           suspended goes on with those that it has started then
    """
    run, key = this_run(), ("imports", destination, "started")
    rows = shown_table(key, run.tried) if run.resumed else None
    started = _from_rows(rows) if rows is not None else start()
    if rows is None and run.deployed:
        show_table(key, _as_rows(started), f"Imports into {destination} that were started.")

    def unfinished(seen: Mapping[str, ImportProgress]) -> list[str]:
        return _going(started, seen)

    def wait(stay: Stay) -> dict[str, ImportProgress]:
        return follow_imports(destination, started, waiting, credentials, stay)

    return outlast(wait, unfinished, waiting, run)


@task(task_run_name="follow-imports-{destination}", cache_policy=NO_CACHE)
def follow_imports(
    destination: str,
    started: Started,
    waiting: Waiting,
    credentials: str | None,
    stay: Stay,
) -> dict[str, ImportProgress]:
    """Return how each import ended, by audience.  Leaves a table of receipts in any case.

    started  audience → its import, or why it could not be started
    stay     when that is over, they are returned as they are
    Raises FatalError, when all have ended, that names those that failed and why.
    """
    connector = connector_of(destination, credentials)
    progress = create_progress_artifact(0.0, key=artifact_key("imports", destination))
    views = {name: partial(look_at, connector, it) for name, it in started.items()}
    seen: dict[str, ImportProgress] = {}
    rounds = looks(
        views,
        lambda it: it.done,
        waiting,
        waited_s=stay.waited_s,
        leave=lambda _: stay.is_over(()),
    )
    try:
        for seen in rounds:
            done = sum(it.done for it in seen.values())
            update_progress_artifact(progress, 100.0 * done / len(views))  # type: ignore[arg-type]
    finally:
        show_table(("receipts", destination), receipt_rows(seen), f"Imports into {destination}.")
    if _going(started, seen):
        return seen
    for name, it in seen.items():
        get_run_logger().info(
            "%s: %s, %d accepted, %d rejected", name, it.status, it.accepted, it.rejected
        )
    if failed := {name: it for name, it in seen.items() if it.state == "failed"}:
        reasons = "; ".join(f"{name} is {it.status}, {_reasons(it)}" for name, it in failed.items())
        raise FatalError(f"{destination} imported nothing of {len(failed)} audience(s): {reasons}")
    return seen


def _going(started: Started, seen: Mapping[str, ImportProgress]) -> list[str]:
    return [name for name in started if name not in seen or not seen[name].done]


_TICKET = TypeAdapter(ImportTicket)


def _as_rows(started: Started) -> list[dict[str, Any]]:
    return [
        {
            "audience": name,
            "import": "" if isinstance(it, Exception) else it.job,
            "refused": (str(it) or repr(it)) if isinstance(it, Exception) else "",
            "ticket": "" if isinstance(it, Exception) else _TICKET.dump_json(it).decode(),
        }
        for name, it in started.items()
    ]


def _from_rows(rows: list[dict[str, Any]]) -> Started:
    return {
        str(it["audience"]): (
            FatalError(str(it["refused"]))
            if it["refused"]
            else _TICKET.validate_python(json.loads(it["ticket"]))
        )
        for it in rows
    }


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
