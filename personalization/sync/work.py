"""What one connector of a job has in hand, on disk: a run that was killed is taken up from here.

    <home>/outbox/<part>/    what is to be sent; the delivery's journal and dead letters beside it
    <home>/state/<part>/     a copy of what the destination holds
    <home>/work.json         says that all outboxes are complete, and what for; written last

A part is "recommendations", or the name of an audience.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl

from personalization.aws import S3Path
from personalization.connectors.naming import segment_name
from personalization.delivery import acknowledged
from personalization.objects import listing, upload
from personalization.sync.inputs import Inputs
from personalization.sync.layout import JobPath
from personalization.sync.state_store import fetch_state, store_state
from personalization.transforms.outbox import WrittenOutbox
from personalization.transforms.recommendation_state import STATE_FILE, promote, read_state

RECOMMENDATIONS: Final = "recommendations"
_WORK_FILE: Final = "work.json"
_TYPES: Final = {".jsonl": "application/x-ndjson", ".json": "application/json"}


@dataclass(frozen=True)
class Work:
    """Complete outboxes that are to be delivered.

    run    names the delivery
    asked  digest of what it was made of: the job's configuration and inputs, and what was wanted
    parts  in the order in which they are delivered
    faulty  lines of the output that gave nothing, where no part counts them
    """

    run: str
    stamp: dt.datetime
    asked: str
    parts: tuple[str, ...]
    faulty: Mapping[str, int] = field(default_factory=dict)

    def run_of(self, part: str) -> str:
        """Return the name of one part's delivery."""
        return self.run if part == RECOMMENDATIONS else f"{self.run}-{part}"


@dataclass(frozen=True)
class Desk:
    """Where the work of one connector lies, on disk and in S3.

    destination  name of the destination; what it holds is kept apart from what others hold
    """

    path: JobPath
    connector: str
    destination: str
    work_dir: Path

    @property
    def home(self) -> Path:
        """The folder on disk, the same for every run of the job."""
        whole = f"{self.path.folder}\n{self.connector}\n{self.destination}"
        digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
        return job_home(self.path, self.work_dir) / f"{segment_name(self.connector)}-{digest}"

    @property
    def states(self) -> Path:
        """Folder of a state a part."""
        return self.home / "state"

    @property
    def faults(self) -> Path:
        """Where the lines that gave nothing are, if the job saves them."""
        return self.home / "errors.jsonl"

    def outbox(self, part: str = "") -> Path:
        """Return the folder of a part's outbox, or the one all of them are in."""
        return self.home / "outbox" / part

    @property
    def stored(self) -> S3Path:
        """The state in S3: the connector's own, or one a destination if that has another name."""
        state = self.path.state(self.connector)
        return state if self.destination == self.connector else state / f"@{self.destination}/"

    def stored_of(self, part: str) -> S3Path:
        """Return where a part's state is in S3."""
        return self.stored if part == RECOMMENDATIONS else self.stored / f"{part}/"

    def clear(self) -> None:
        """Have nothing in hand any more.  Safe to be killed: what is left is nobody's work."""
        (self.home / _WORK_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.home, ignore_errors=True)

    def begin(self, s3: Any) -> None:
        """Clear the desk, and bring what the destination holds: the states of all parts."""
        self.clear()
        self.home.mkdir(parents=True, mode=0o700)  # customers' data will be in it
        for part in _stored_parts(s3, self):
            fetch_state(s3, self.stored_of(part), self.states / part)

    def take_in_hand(
        self, asked: str, parts: tuple[str, ...], faulty: Mapping[str, int] | None = None
    ) -> Work:
        """Write down that the outboxes of all parts are complete."""
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        run = f"{self.path.name}-{self.connector}-{now:%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
        work = Work(run, now, asked, parts, dict(faulty or {}))
        partial = self.home / f".{_WORK_FILE}"
        partial.write_bytes(orjson.dumps(work))
        partial.replace(self.home / _WORK_FILE)
        return work

    def in_hand(self) -> Work | None:
        """Return what an earlier run has left, None if it came to its end."""
        file = self.home / _WORK_FILE
        if not file.exists():
            return None
        said = orjson.loads(file.read_bytes())
        stamp = dt.datetime.fromisoformat(said["stamp"])
        parts, faulty = tuple(said["parts"]), said.get("faulty", {})
        return Work(said["run"], stamp, said["asked"], parts, faulty)


def job_home(path: JobPath, work_dir: Path) -> Path:
    """Return the folder on disk of a job."""
    digest = hashlib.sha256(str(path.folder).encode()).hexdigest()[:12]
    return work_dir / "sync" / f"{segment_name(path.name)}-{digest}"


def asked_of(config: bytes, inputs: Inputs, *wishes: object) -> str:
    """Return a digest of what a run is asked for.

    wishes  whatever else decides what is sent; their `repr` counts
    """
    files = (*inputs.outputs, *inputs.mapping, *inputs.metadata)
    copies = sorted({file.parent.name for file in files})  # named for what is in them
    return hashlib.sha256(repr((config, copies, wishes)).encode()).hexdigest()[:32]


def keep(s3: Any, desk: Desk, part: str, *, complete: bool) -> None:
    """Store in S3 what the destination holds now: what it acknowledged of the part's outbox.

    complete  every line was answered; otherwise nothing is stored if nothing was acknowledged
    Safe to repeat, and to be killed.
    """
    outbox = WrittenOutbox.read(desk.outbox(part))
    said = acknowledged(outbox.folder)
    if complete or any(taken.any() for taken in said.values()):
        _store(s3, desk, part, outbox, said)


def settle(s3: Any, desk: Desk, work: Work) -> None:
    """Store what was acknowledged of work that will not be finished, and clear the desk.

    Who was sent something that nobody answered for counts as holding it, but not surely.
    """
    for part in work.parts:
        outbox = WrittenOutbox.read(desk.outbox(part))
        said = acknowledged(outbox.folder)
        if any(taken.any() or taken.null_count() for taken in said.values()):
            _store(s3, desk, part, outbox, said)
    desk.clear()


def write_output(s3: Any, desk: Desk, work: Work, receipts: bytes) -> S3Path:
    """Write what was sent, what was rejected, and the receipts; return the folder.

    Safe to repeat: it is named for the moment at which the work was begun.
    """
    target = desk.path.output(desk.connector, work.stamp)
    for part in work.parts:
        there = target if part == RECOMMENDATIONS else target / f"{part}/"
        for file in _sent(desk.outbox(part)):
            kind = _TYPES.get(file.suffix, "application/vnd.apache.parquet")
            upload(s3, file, there / file.name, kind)
    if desk.faults.exists():
        errors = desk.path.errors(work.stamp) / f"{desk.connector}.jsonl"
        upload(s3, desk.faults, errors, "application/x-ndjson")
    file = desk.home / "receipts.json"
    file.write_bytes(receipts)
    upload(s3, file, target / file.name, "application/json")
    return target


def _sent(outbox: Path) -> Iterator[Path]:
    numbered = sorted(outbox.glob("[0-9]*"))
    yield from (it for it in numbered if it.suffix in (".jsonl", ".parquet"))
    yield from sorted(outbox.glob("dead-letters.jsonl"))


def _store(
    s3: Any, desk: Desk, part: str, outbox: WrittenOutbox, said: Mapping[str, pl.Series]
) -> None:
    folder = fetch_state(s3, desk.stored_of(part), desk.states / part)
    if outbox.files or read_state(folder).fingerprint != outbox.fingerprint:
        promote(folder, [(outbox, said)])
        store_state(s3, folder, desk.stored_of(part))


def _stored_parts(s3: Any, desk: Desk) -> tuple[str, ...]:
    if desk.path.type != "user_segmentation":
        return (RECOMMENDATIONS,)
    keys = (it.path.key.removeprefix(desk.stored.key) for it in listing(s3, desk.stored))
    found = (key.split("/") for key in keys)
    return tuple(it[0] for it in found if len(it) == 2 and it[1] == STATE_FILE)
