"""The folder of a stack: what runs in it, where it answers, and whether it is up."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import psutil

from deployments.processes import LOCAL_CREDENTIALS, Service
from personalization.errors import ConfigError, FatalError

BUCKET: Final = "bingewatch"
QUEUE: Final = "personalize-uploads"
WORK_POOL: Final = "personalize"
# On one machine heartbeats cost little, and people look on: a dead run is found soon.
HEARTBEAT_S: Final = 30
# The local AWS asks for a role's ARN as AWS does; it assumes none.
ROLE_ARN: Final = "arn:aws:iam::123456789012:role/PersonalizeRole"


@dataclass(frozen=True)
class Child:
    """A process of the stack; `began` (Unix s) tells it from a later one with the same id."""

    pid: int
    began: float


@dataclass(frozen=True)
class Running:
    """A stack that is up: where its services answer, and their processes, both by name."""

    pid: int
    addresses: dict[str, str]
    children: dict[str, Child]


@dataclass(frozen=True)
class Place:
    """The folder in which a stack keeps its database, its logs and its files."""

    folder: Path

    @property
    def file(self) -> Path:
        """Says what runs."""
        return self.folder / "running.json"

    @property
    def log(self) -> Path:
        """What the stack itself has to say."""
        return self.folder / "stack.log"

    def surroundings(self, aws_url: str, prefect_url: str) -> dict[str, str]:
        """Return the environment of all that runs in the stack, or talks to it."""
        return {
            **LOCAL_CREDENTIALS,
            "AWS_ENDPOINT_URL": aws_url,
            "PREFECT_API_URL": prefect_url,
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PERSONALIZE_BUCKET": BUCKET,
            "PERSONALIZE_WORK_POOL": WORK_POOL,
            "PERSONALIZE_ROLE_ARN": ROLE_ARN,
            "PERSONALIZE_WORK_DIR": str(self.folder / "work"),
        }

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder: who holds it is the stack.  Raises ConfigError if another one does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lock.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(
                    f"a stack is up in {self.folder}; end it with `personalize down`, or choose "
                    "another --folder"
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    @property
    def _lock(self) -> Path:
        return self.folder / "lock"

    @property
    def is_held(self) -> bool:
        """Whether a stack's process is there."""
        if not self._lock.exists():
            return False
        with self._lock.open() as it:
            try:
                fcntl.flock(it, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def running(self) -> Running | None:
        """Return what runs, or ran when the stack was killed; None if it ended as it should."""
        if not self.file.exists():
            return None
        said = json.loads(self.file.read_text())
        children = {name: Child(**it) for name, it in said["children"].items()}
        return Running(said["pid"], said["addresses"], children)

    def tell(self, addresses: Mapping[str, str], services: Sequence[Service]) -> None:
        """Write down what runs now."""
        children = {
            it.name: Child(it.child.pid, psutil.Process(it.child.pid).create_time())
            for it in services
            if it.child.poll() is None
        }
        said = asdict(Running(os.getpid(), dict(addresses), children))
        partial = self.file.with_suffix(".partial")
        partial.write_text(json.dumps(said, indent=2))
        partial.replace(self.file)

    def end(self, patience_s: float = 90) -> bool:
        """End the stack and whatever a killed one has left; return whether there was anything.

        Raises FatalError if it does not end in time.
        """
        found = self.is_held
        end_at = time.monotonic() + patience_s
        asked = ""
        while self.is_held:
            pid = self._lock.read_text()
            if pid and pid != asked:  # it is not there yet while the stack is but just begun
                os.kill(int(pid), signal.SIGTERM)
                asked = pid
            if time.monotonic() > end_at:
                raise FatalError(
                    f"the stack, process {pid}, did not end within {patience_s:g} s; its log is "
                    f"{self.log}"
                )
            time.sleep(0.1)
        return self.sweep() or found

    def sweep(self) -> bool:
        """End what a stack that was killed has left; return whether there was anything."""
        left = self.running()
        if left is None:
            return False
        found = False
        for it in left.children.values():
            try:
                process = psutil.Process(it.pid)
                if process.create_time() != it.began:
                    continue
                os.killpg(it.pid, signal.SIGKILL)
                found = True
                process.wait(10)
            except (psutil.NoSuchProcess, ProcessLookupError):
                continue
        self.file.unlink()
        return found
