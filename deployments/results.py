"""What flows return, as tables and lines for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from personalization.connectors import ImportProgress
from personalization.resources import Plan, TrainReport
from personalization.segments import PostprocessReport

# Of the other columns of a plan, at their narrowest, with all gaps.
_BESIDE_NAMES: Final = 40
# What jobs carry behind what they are named for: a time, and of an import a digest.
_STAMP: Final = re.compile(r"_\d{4}(_\d\d){5}(_[0-9a-f]{10})?$")


@singledispatch
def show(result: object, console: Console) -> None:
    """Print what a flow returned."""
    console.print(escape(str(result)))


@show.register
def _train(result: TrainReport, console: Console) -> None:
    show_plan(result.plan, console)
    if result.metrics:
        console.print(table("Held-out metrics", result.metrics), soft_wrap=False)
    show_places("batch output", result.outputs, console)


@show.register
def _postprocess(result: PostprocessReport, console: Console) -> None:
    hidden = {"file"} if any(it.channel for it in result.audiences) else {"file", "channel"}
    rows = [{k: v for k, v in row.items() if k not in hidden} for row in result.rows()]
    if rows:
        console.print(table("Audiences", rows), soft_wrap=False)
    if result.imports:
        receipts = map(_receipt, result.imports, result.imports.values())
        console.print(table("Imports", receipts), soft_wrap=False)
    rejected = f"{result.rejected} of {result.lines} lines gave no audience"
    if result.rejected:
        show_places(f"[bold yellow]rejected[/]: {rejected}", [result.rejects], console)
    show_places("audience files", [it.file for it in result.audiences], console)


@show.register
def _import(result: ImportProgress, console: Console) -> None:
    row = _receipt("", result)
    del row["audience"]
    console.print(table("Import", [row]), soft_wrap=False)
    show_places("refused", result.failures, console)


@show.register
def _places(result: tuple, console: Console) -> None:  # type: ignore[type-arg]
    show_places("batch output", result, console)


def show_plan(plan: Plan, console: Console) -> None:
    """Print what is to be done and why, and how much is left as it is."""
    rows = [row for row in plan.rows() if row["action"] != "keep"]
    kept = len(plan.steps) - len(rows)
    if rows:
        names = [row["name"] for row in rows]
        if max(map(len, names)) > console.width - _BESIDE_NAMES:
            names = [_STAMP.sub("_…", it) for it in names]
        fits = max(map(len, names)) <= console.width - _BESIDE_NAMES
        shown = [{**row, "name": name} for row, name in zip(rows, names, strict=True)]
        whole = ("name", "action") if fits else ("action",)
        console.print(table("The plan", shown, whole=whole), soft_wrap=False)
    if not plan.changes:
        console.print("[green]nothing to do[/]")
    if kept:
        console.print(f"{kept} resource(s) are kept as they are")


def show_places(title: str, places: Iterable[str], console: Console) -> None:
    """Print a title and below it URIs or sentences, each on a line of its own, however long."""
    for number, place in enumerate(places):
        if not number:
            console.print(title)
        console.print(f"  {escape(place)}", soft_wrap=True)


def table(
    title: str, rows: Iterable[Mapping[str, Any]], *, whole: Iterable[str] = (), head: bool = True
) -> Table:
    """Return rows as a table whose columns are the keys of the first one.

    whole  columns that do not wrap, so that the others do
    """
    rows = list(rows)
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=SIMPLE_HEAD,
        show_header=head,
        padding=(0, 1),
    )
    for name in rows[0]:
        numbers = all(isinstance(row[name], (int, float)) for row in rows)
        made.add_column(
            name,
            overflow="fold",
            no_wrap=name in whole,
            justify="right" if numbers else "left",
        )
    for row in rows:
        made.add_row(*(_cell(row[name]) for name in rows[0]))
    return made


def _receipt(audience: str, progress: ImportProgress) -> dict[str, Any]:
    return {
        "audience": audience,
        "segment": progress.segment,
        "status": progress.status,
        "accepted": progress.accepted,
        "rejected": progress.rejected,
        "such as": progress.failures[0] if progress.failures else "",
    }


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else escape(str(value))
