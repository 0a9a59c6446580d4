"""Dead letters, sent again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from blocks.aws import clients
from blocks.settings import settings
from deployments.terminal import console
from personalization.aws import S3Path
from personalization.delivery import Outbox, Receipt, deliver, origin_of, replayed, users_of
from personalization.errors import ConfigError
from personalization.objects import download
from personalization.parameters import Waiting
from personalization.sync.replays import HeldByJob, Origin
from tasks.artifacts import artifact_key
from tasks.imports import connector_of
from tasks.occupying import one_delivery_to

_WAITING = Waiting(first_look_s=1, slowest_look_s=10)


@dataclass(frozen=True)
class Replayed:
    """The receipt, and how many letters were left out: the destination was told something newer."""

    receipt: Receipt
    left_out: int


def replay(place: str, destination: str, credentials: str | None, *, again: bool) -> Replayed:
    """Send the lines of a dead-letter file, on disk or in S3, to a saved destination.

    again  also if that was done before; without it, only what was not answered then is sent

    The job's state learns of it: its next run tells these users once more what is true then.
    """
    home = settings().work_dir / "replays"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)  # customers' data will be in it
    s3 = clients(credentials)("s3")
    letters = _on_disk(place, home, s3)
    connector = connector_of(destination, credentials)
    origin = Origin.read(origin_of(letters, connector.kind))
    with one_delivery_to(destination, settings().work_dir / "locks", _WAITING) as lost:
        held, newer = None, set[str]()
        if origin is not None:
            held = HeldByJob(s3, origin, _destination(destination, origin), home / "state")
            newer = held.told_since(users_of(letters))
        told = f"{destination}\n{sorted(newer)}".encode()
        digest = hashlib.sha256(letters.read_bytes() + told).hexdigest()[:12]
        earlier = sorted(it for it in home.glob(f"{digest}-[0-9]*") if it.suffix != ".partial")
        number = len(earlier) + 1 if again or not earlier else len(earlier)
        folder = home / f"{digest}-{number:04d}"
        if not folder.exists():
            replayed(letters, folder, newer)
        run = f"replay-{folder.name}"
        if held is not None:
            held.distrust(Outbox(folder), run)
        said = asdict(origin) if origin else None
        return Replayed(deliver(connector, folder, run=run, stop=lost, origin=said), len(newer))


def show_receipt(done: Replayed) -> None:
    """Print a receipt."""
    receipt = done.receipt
    table = Table(title="Receipt", title_justify="left", box=None, show_header=False)
    for name in ("sent", "accepted", "rejected", "cleared", "requests"):
        table.add_row(f"{getattr(receipt, name)} {name}")
    if done.left_out:
        table.add_row(f"{done.left_out} left out: the destination was told something newer")
    if receipt.dead_letters:
        table.add_row(f"rejected again: {receipt.dead_letters}")
    console.print(table)


def _destination(block: str, origin: Origin) -> str:
    """Return the name under which the job's state has the destination."""
    same = artifact_key(block) == artifact_key(origin.destination)  # blocks have no underscores
    return origin.destination if same else block


def _on_disk(place: str, home: Path, s3: Any) -> Path:
    if place.startswith("s3://"):
        name = hashlib.sha256(place.encode()).hexdigest()[:12]
        return download(s3, S3Path.parse(place), home / "letters" / f"{name}.jsonl")
    file = Path(place)
    if not file.is_file():
        raise ConfigError(f"{place} is not a file")
    return file
