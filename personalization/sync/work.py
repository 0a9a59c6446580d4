"""What one connector of a job has in hand, on disk: a run that was killed is taken up from here.

    <home>/outbox/<part>/    what is to be sent; the delivery's journal and dead letters beside it
    <home>/state/<part>/     a copy of what the destination holds
    <home>/work.json         says that all outboxes are complete, and what for; written last

A part is "recommendations", or the name of an audience.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from personalization.aws import S3Path
from personalization.connectors.naming import segment_name
from personalization.delivery.journal import NAME as JOURNAL_FILE
from personalization.objects import listing, upload
from personalization.sync.inputs import Inputs
from personalization.sync.layout import JobPath
from personalization.sync.state_store import fetch_state, written_by
from personalization.transforms.recommendation_state import STATE_FILE

logger = logging.getLogger(__name__)

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
    basis   by part: the generation of the state that it was compared with, and who wrote that

    Work that cannot be read any more has no name, and nobody asked for it.
    """

    run: str
    stamp: dt.datetime
    asked: str
    parts: tuple[str, ...]
    faulty: Mapping[str, int] = field(default_factory=dict)
    basis: Mapping[str, tuple[str, str]] = field(default_factory=dict)

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
        basis = {part: written_by(self.states / part) for part in parts}
        work = Work(run, now, asked, parts, dict(faulty or {}), basis)
        for file in (it for it in self.outbox().rglob("*") if it.is_file()):
            _to_disk(file)  # or a machine that loses power could keep work.json, and not these
        partial = self.home / f".{_WORK_FILE}"
        partial.write_bytes(orjson.dumps(work))
        _to_disk(partial)
        partial.replace(self.home / _WORK_FILE)
        _to_disk(self.home)
        return work

    def in_hand(self) -> Work | None:
        """Return what an earlier run has left, None if it came to its end."""
        file = self.home / _WORK_FILE
        if not file.exists():
            return None
        try:
            said = orjson.loads(file.read_bytes())
            return Work(
                said["run"],
                dt.datetime.fromisoformat(said["stamp"]),
                said["asked"],
                tuple(said["parts"]),
                said.get("faulty", {}),
                {part: (it[0], it[1]) for part, it in said.get("basis", {}).items()},
            )
        except (ValueError, TypeError, KeyError, IndexError) as error:
            logger.warning("%s cannot be read (%s): it is done anew", file, type(error).__name__)
        begun = (it.parent.name for it in self.outbox().glob(f"*/{JOURNAL_FILE}"))
        return Work("", dt.datetime.now(dt.UTC), "", tuple(sorted(begun)))


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


def _to_disk(place: Path) -> None:
    opened = os.open(place, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _sent(outbox: Path) -> Iterator[Path]:
    numbered = sorted(outbox.glob("[0-9]*"))
    yield from (it for it in numbered if it.suffix in (".jsonl", ".parquet"))
    yield from sorted(outbox.glob("dead-letters.jsonl"))


def _stored_parts(s3: Any, desk: Desk) -> tuple[str, ...]:
    if desk.path.type != "user_segmentation":
        return (RECOMMENDATIONS,)
    keys = (it.path.key.removeprefix(desk.stored.key) for it in listing(s3, desk.stored))
    found = (key.split("/") for key in keys)
    return tuple(it[0] for it in found if len(it) == 2 and it[1] == STATE_FILE)
