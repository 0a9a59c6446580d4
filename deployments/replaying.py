"""Dead letters, sent again."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rich.table import Table

from blocks.aws import clients
from blocks.settings import settings
from deployments.terminal import console
from personalization.aws import S3Path
from personalization.connectors import Rendering, TakesAttributes
from personalization.delivery import Receipt, deliver, replayed
from personalization.errors import ConfigError
from personalization.objects import download
from personalization.parameters import Waiting
from tasks.imports import connector_of
from tasks.occupying import one_delivery_to

_WAITING = Waiting(first_look_s=1, slowest_look_s=10)


def replay(place: str, destination: str, credentials: str | None, *, again: bool) -> Receipt:
    """Send the lines of a dead-letter file, on disk or in S3, to a saved destination.

    again  also if that was done before; without it, only what was not answered then is sent

    The job's state is left as it is, so its next run sends these users once more.
    """
    home = settings().work_dir / "replays"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)  # customers' data will be in it
    letters = _on_disk(place, home, credentials)
    connector = connector_of(destination, credentials)
    if not isinstance(connector, TakesAttributes):
        raise ConfigError(f"destination {destination!r} ({connector.kind}) takes no attributes")
    refuse_foreign(letters, connector.rendering(), destination, place)
    digest = hashlib.sha256(letters.read_bytes() + destination.encode()).hexdigest()[:12]
    with one_delivery_to(destination, settings().work_dir / "locks", _WAITING):
        earlier = sorted(home.glob(f"{digest}-[0-9]*"))
        number = len(earlier) + 1 if again or not earlier else len(earlier)
        folder = home / f"{digest}-{number:04d}"
        if not folder.exists():
            replayed(letters, folder)
        return deliver(connector, folder, run=f"replay-{folder.name}")


def show_receipt(receipt: Receipt) -> None:
    """Print a receipt."""
    table = Table(title="Receipt", title_justify="left", box=None, show_header=False)
    for name in ("sent", "accepted", "rejected", "cleared", "requests"):
        table.add_row(f"{getattr(receipt, name)} {name}")
    if receipt.dead_letters:
        table.add_row(f"rejected again: {receipt.dead_letters}")
    console.print(table)


def refuse_foreign(letters: Path, rendering: Rendering, destination: str, place: str) -> None:
    """Raise ConfigError for a letter whose line is not as the destination's lines are.

    Letters of another kind of destination would be taken by some, and put anywhere.
    """
    before, _, after = (it.encode() for it in rendering.pieces)
    with letters.open("rb") as lines:
        for number, letter in enumerate(lines, start=1):
            line = letter.rstrip(b"\r\n").partition(b',"object":')[2]
            if line and not (line.startswith(before) and line.endswith(after + b"}")):
                raise ConfigError(
                    f"{place}:{number} was written for another kind of destination than "
                    f"{destination!r}; replay it to the one that rejected it"
                )


def _on_disk(place: str, home: Path, credentials: str | None) -> Path:
    if place.startswith("s3://"):
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        return download(
            clients(credentials)("s3"), S3Path.parse(place), home / "letters" / f"{name}.jsonl"
        )
    file = Path(place)
    if not file.is_file():
        raise ConfigError(f"{place} is not a file")
    return file
