"""The command `personalize doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployments.terminal import console, exit_status

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

    from deployments.doctor.outcome import Outcome

_MARKS: Final = {"ok": "[green]✔[/]", "bad": "[bold red]✖[/]", "unknown": "[yellow]?[/]"}
# Seconds for Prefect's server to answer.
_PATIENCE_S: Final = 10


def doctor(
    bucket: Annotated[
        str | None, typer.Option(help="Bucket of the uploads; else PERSONALIZE_BUCKET.")
    ] = None,
    credentials: Annotated[
        str | None, typer.Option(help="Name of an AwsCredentials block.")
    ] = None,
) -> None:
    """Look at everything that runs rely on, and say what to do; exit status 1 if anything is.

    Changes nothing.  What cannot be looked at, such as for want of a permission, is marked with ?.
    """
    with exit_status(), console.status("looking"):
        from blocks.aws import clients  # Prefect takes seconds to import
        from blocks.settings import settings
        from deployments.doctor.rounds import examine

        with _prefect() as api:
            name = bucket or settings().bucket
            outcomes = list(examine(clients(credentials, brief=True), api, bucket_name=name))
    show(outcomes, console)
    if any(it.status == "bad" for it in outcomes):
        raise typer.Exit(1)


def show(outcomes: Sequence[Outcome], to: Console) -> None:
    """Print a row for each outcome, its advice below what was seen."""
    table = Table(box=SIMPLE, show_header=False, padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for it in outcomes:
        advice = f"\n[cyan]→ {escape(it.advice)}[/]" if it.advice else ""
        table.add_row(_MARKS[it.status], escape(it.name), f"{escape(it.text)}{advice}")
    to.print(table, soft_wrap=False)
    counts = Counter(it.status for it in outcomes)
    to.print(f"{counts['ok']} fine, {counts['bad']} to mend, {counts['unknown']} not checked")


@contextmanager
def _prefect() -> Iterator[SyncPrefectClient | None]:
    """Open the API that Prefect's settings name, None if they name none; it is asked once."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    if not PREFECT_API_URL.value():
        yield None
        return
    with (
        temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
        get_client(httpx_settings={"timeout": _PATIENCE_S}, sync_client=True) as client,
    ):
        yield client
