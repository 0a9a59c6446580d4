"""What the terminal shows: findings like a good compiler's, and errors without a stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from personalization.errors import ConfigError, Finding, PersonalizeFlowsError

# Lines are not wrapped: a path stays a path, for the eye, for a click and for grep.
console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

_COLOURS = {"error": "bold red", "warning": "bold yellow"}


def show_findings(findings: Sequence[Finding], text: str | None = None) -> None:
    """Print each finding with its place, the line it stands in and the way out.

    text  of the file that the findings' lines refer to, if all refer to one
    """
    lines = text.splitlines() if text else []
    for finding in findings:
        colour = _COLOURS[finding.severity]
        where = f"{finding.where}: " if finding.where else ""
        console.print(
            f"[{colour}]{finding.severity}[/]: [bold]{escape(where)}[/]{escape(finding.problem)}"
        )
        place = ":".join(str(part) for part in (finding.source, finding.line) if part)
        if place:
            console.print(f"  [blue]-->[/] {escape(place)}")
        if finding.line and finding.line <= len(lines):
            shown = lines[finding.line - 1].rstrip()[:160]
            console.print(f"   [blue]|[/] {escape(shown)}")
        if finding.allowed:
            console.print(f"   [blue]=[/] {escape(finding.allowed)}")
    counts = {kind: sum(it.severity == kind for it in findings) for kind in _COLOURS}
    said = [f"{count} {kind}(s)" for kind, count in counts.items() if count]
    console.print(", ".join(said) if said else "[green]nothing to complain about[/]")


@contextmanager
def os_errors(doing: str, place: object) -> Iterator[None]:
    """Turn what the operating system refuses into ConfigError: "PLACE cannot be DOING: why"."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise ConfigError(f"{error.filename or place} cannot be {doing}: {why}") from error


@contextmanager
def exit_status() -> Iterator[None]:
    """Turn our errors into a message and exit status 1.  Others keep their stack: they are bugs."""
    try:
        yield
    except ConfigError as error:
        if error.findings:
            show_findings(error.findings)
        errors.print(f"[bold red]error[/]: {escape(error.headline)}")
        raise typer.Exit(1) from error
    except PersonalizeFlowsError as error:
        errors.print(f"[bold red]error[/]: {escape(str(error))}")
        raise typer.Exit(1) from error
