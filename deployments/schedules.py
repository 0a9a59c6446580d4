"""`personalize schedules`: what parameter files repeat by the calendar."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from deployments.terminal import console, exit_status

schedules = typer.Typer(help="What parameter files repeat by the calendar.", no_args_is_help=True)

Slug = Annotated[
    str, typer.Argument(metavar="SLUG", help="Its name, with or without @bucket; see `list`.")
]


@schedules.command("list")
def list_all() -> None:
    """Show all schedules: when they run, whether they do, and how the last run ended."""
    with exit_status():
        from deployments import results, schedule_book  # Prefect takes seconds to import

        with schedule_book.opened() as client:
            rows = [it.row() for it in schedule_book.entries(client)]
        if not rows:
            console.print("there are no schedules")
            return
        console.print(results.table("Schedules", rows, console.width), soft_wrap=False)


@schedules.command()
def describe(slug: Slug) -> None:
    """Show all that is known of one schedule."""
    with exit_status():
        from deployments import schedule_book

        with schedule_book.opened() as client:
            facts = schedule_book.entry(client, slug).facts()
    room = max(map(len, facts))
    for name, value in facts.items():
        if value:
            lines = value.replace("\n", "\n" + " " * (room + 2))
            console.print(f"[dim]{name:<{room}}[/]  {escape(lines)}")


@schedules.command()
def pause(slug: Slug) -> None:
    """Let a schedule rest until it is resumed, or its times are changed in the parameter file."""
    _switch(slug, active=False)


@schedules.command()
def resume(slug: Slug) -> None:
    """Let a paused schedule run again."""
    _switch(slug, active=True)


@schedules.command()
def run(slug: Slug) -> None:
    """Do now what a schedule repeats; a worker has to be there to do it."""
    with exit_status():
        from deployments import schedule_book

        with schedule_book.opened() as client:
            found, started = schedule_book.start(client, slug)
    console.print(f"{found.kept.slug} is started as flow run {started.name} ({started.id})")


def _switch(slug: str, *, active: bool) -> None:
    with exit_status():
        from deployments import schedule_book
        from tasks.schedules import set_active

        with schedule_book.opened() as client:
            kept = schedule_book.entry(client, slug).kept
            set_active(client, kept, active=active)
    state = "active" if active else "paused"
    console.print(f"{kept.slug} {'was' if kept.raw.active == active else 'is now'} {state}")
