"""`personalize automations`: what Prefect does by itself for our runs."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.terminal import console, exit_status
from personalization.errors import ConfigError

automations = typer.Typer(help="What Prefect does by itself for our runs.", no_args_is_help=True)


@automations.command("apply")
def apply_all(
    notify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BLOCK_TYPE/NAME",
            help="Saved block that tells people what goes wrong: slack-webhook/ops, webhook/ops. "
            "May be repeated. Left out, those stay that were named before.",
        ),
    ] = None,
    resume_every_s: Annotated[float, typer.Option(help="Until a suspended run looks again.")] = 300,
    zombie_after_s: Annotated[
        float, typer.Option(help="Without a heartbeat, until a run counts as crashed.")
    ] = 540,
    too_long: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FLOW=SECONDS",
            help="Until people are told that a run takes long; `others` are the flows not named. "
            "May be repeated. Left out: train=43200 others=7200.",
        ),
    ] = None,
    train_when_data_quiet_for: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Train on CSVs under train/ of PERSONALIZE_BUCKET as soon as nobody has added to "
            "them for so long. The parameter file beside them has to be called config.json.",
        ),
    ] = None,
    reset: Annotated[
        bool, typer.Option("--reset", help="Enable what was disabled in Prefect's UI, too.")
    ] = False,
) -> None:
    """Make the automations, or bring those that are there up to date.  Safe to repeat."""
    with exit_status():
        budgets = {"train": 12 * 3600.0, "others": 2 * 3600.0} | _budgets(too_long or [])
        from blocks.settings import settings  # Prefect takes seconds to import
        from deployments import results
        from deployments.automations import applying, definitions, recipients
        from deployments.schedule_book import opened

        bucket = settings().bucket
        if train_when_data_quiet_for is not None and not bucket:
            raise ConfigError("no bucket is named whose data to wait for; set PERSONALIZE_BUCKET")
        with opened() as client:
            told = applying.existing(client).get(definitions.FAILED_RUNS)
            wanted = definitions.Wanted(
                notify=recipients.recipients(client, notify)
                if notify
                else recipients.recipients_of(told.actions if told else ()),
                resume_every=resume_every_s,
                zombie_after=zombie_after_s,
                too_long=budgets,
                quiet=definitions.Quiet(
                    train_when_data_quiet_for, bucket, applying.train_deployment(client)
                )
                if train_when_data_quiet_for is not None and bucket
                else None,
            )
            done = applying.apply(client, definitions.automations(wanted), reset=reset)
        rows = [it.row() for it in done]
        console.print(results.table("Automations", rows, console.width), soft_wrap=False)
    if not wanted.notify:
        console.print(
            "nobody is told what goes wrong: save a notification block, and name it with "
            "--notify BLOCK_TYPE/NAME"
        )


@automations.command("list")
def list_all() -> None:
    """Show the automations that are there."""
    with exit_status():
        from deployments import results
        from deployments.automations import applying
        from deployments.schedule_book import opened

        with opened() as client:
            found = applying.existing(client).values()
    rows = [
        {
            "automation": it.name,
            "state": "enabled" if it.enabled else "disabled",
            "what it does": it.description,
        }
        for it in found
    ]
    if not rows:
        console.print("there are none; `personalize automations apply` makes them")
        return
    console.print(results.table("Automations", rows, console.width), soft_wrap=False)


@automations.command()
def delete(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="As `list` shows them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that `list` shows.")] = False,
) -> None:
    """Delete automations."""
    with exit_status():
        if bool(names) == everything:
            raise ConfigError("say which automations to delete: their names, or --all")
        from deployments.automations import applying
        from deployments.schedule_book import opened

        with opened() as client:
            chosen = list(applying.existing(client)) if everything else names or []
            gone = applying.delete(client, chosen)
    console.print(f"deleted: {', '.join(gone) or 'none'}")


def _budgets(typed: list[str]) -> dict[str, float]:
    budgets: dict[str, float] = {}
    for text in typed:
        flow, _, seconds = text.partition("=")
        try:
            budgets[flow] = float(seconds)
        except ValueError as error:
            raise ConfigError(
                f"{text!r} is no budget; write FLOW=SECONDS, such as train=43200"
            ) from error
    return budgets
