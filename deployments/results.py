"""What flows return, as tables and lines for a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table

from personalization.connectors import ImportProgress
from personalization.resources import Plan, TrainReport
from personalization.segments import PostprocessReport
from personalization.sync.report import SyncReport

# Characters between two columns, and what a column of sentences needs at least.
_GAP: Final = 3
_SENTENCE: Final = 10
# What the other columns of a plan need.
_BESIDE_NAMES: Final = 42
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
        _print(console, "Held-out metrics", result.metrics)
    show_places("batch output", result.outputs, console)


@show.register
def _postprocess(result: PostprocessReport, console: Console) -> None:
    if result.audiences:
        _print(console, "Audiences", [{**row, "file": ""} for row in result.rows()])
    if result.imports:
        _print(console, "Imports", map(_receipt, result.imports, result.imports.values()))
    if result.rejected:
        rejected = f"{result.rejected} of {result.lines} lines gave no audience"
        show_places(f"[bold yellow]rejected[/]: {rejected}", [result.rejects], console)
    show_places("audience files", [it.file for it in result.audiences], console)


@show.register
def _import(result: ImportProgress, console: Console) -> None:
    _print(console, "Import", [{**_receipt("", result), "such as": ""}])
    show_places("refused", result.failures, console)


@show.register
def _sync(result: SyncReport, console: Console) -> None:
    if result.receipts:
        _print(console, "Receipts", result.rows())
    show_places("output", map(str, result.outputs.values()), console)


@show.register
def _places(result: tuple, console: Console) -> None:  # type: ignore[type-arg]
    show_places("batch output", result, console)


def show_plan(plan: Plan, console: Console) -> None:
    """Print what is to be done and why, and how much is left as it is."""
    rows = [row for row in plan.rows() if row["action"] != "keep"]
    kept = len(plan.steps) - len(rows)
    if rows:
        if max(len(row["name"]) for row in rows) > console.width - _BESIDE_NAMES:
            rows = [{**row, "name": _STAMP.sub("_…", row["name"])} for row in rows]
        _print(console, "The plan", rows)
    if not plan.changes:
        console.print("[green]nothing to do[/]")
    if kept:
        console.print(f"{kept} resource(s) are kept as they are")


def show_places(title: str, places: Iterable[str], console: Console) -> None:
    """Print a title and below it URIs or sentences, each on a line of its own, however long."""
    lines = "".join(f"  {escape(place)}\n" for place in places)
    if lines:
        console.print(f"[bold]{title}[/]\n{lines}", soft_wrap=True)


def table(title: str, rows: Iterable[Mapping[str, Any]], width: int, *, head: bool = True) -> Table:
    """Return rows as a table whose columns are the keys of the first one.

    Columns that hold nothing are left out.  Where `width` characters are too few, sentences are
    wrapped, and names stay whole as long as there is room for them.
    """
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    columns = [name for name in cells[0] if any(row[name] for row in cells)]
    names = [it for it in columns if not any(" " in row[it] for row in cells)]
    room = width - _GAP * (len(columns) + 1) - _SENTENCE * (len(columns) - len(names))
    fit = sum(max(len(it), *(len(row[it]) for row in cells)) for it in names) <= room
    made = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=SIMPLE_HEAD,
        show_header=head,
        padding=(0, 1),
    )
    for name in columns:
        justify: JustifyMethod = "right" if _is_number(cells[0][name]) else "left"
        made.add_column(name, overflow="fold", no_wrap=fit and name in names, justify=justify)
    for row in cells:
        made.add_row(*(escape(row[name]) for name in columns))
    return made


def _print(console: Console, title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    console.print(table(title, rows, console.width), soft_wrap=False)


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
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdecimal()
