"""The services that a local run needs, as child processes that end when it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from personalization.errors import FatalError

ROOT = Path(__file__).parents[1]

# What boto3 needs to talk to the local AWS.  The keys open nothing: any will do.
LOCAL_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True)
class Service:
    """A child process that will answer at an address.

    find  returns the address once the service answers there, None before
    """

    name: str
    child: subprocess.Popen[bytes]
    log: Path
    find: Callable[[], str | None]

    def address(self, patience_s: float = 180) -> str:
        """Wait for the service and return its URL; FatalError if it ends or takes too long."""
        end_at = time.monotonic() + patience_s
        while (url := self.find()) is None:
            if self.child.poll() is not None:
                raise FatalError(f"{self.name} ended with status {self.child.returncode}; {self}")
            if time.monotonic() > end_at:
                raise FatalError(f"{self.name} did not answer within {patience_s:g} s; {self}")
            time.sleep(0.05)
        return url

    def __str__(self) -> str:
        return f"its log {self.log} ends so:\n{self.log.read_text(errors='replace')[-2000:]}"


@contextmanager
def local_aws(folder: Path, *, seconds_per_state: float = 0.2) -> Iterator[Service]:
    """Start the local AWS on a free port; its log goes to `folder`."""
    ready = folder / "aws.url"
    ready.unlink(missing_ok=True)
    command = ["-m", "personalization.local", "--port", "0", "--ready-file", str(ready)]
    command += ["--seconds-per-state", f"{seconds_per_state:g}"]

    def find() -> str | None:
        return ready.read_text().strip() if ready.exists() else None

    with _python(command, folder / "aws.log", {}) as child:
        yield Service("the local AWS", child, folder / "aws.log", find)


@contextmanager
def far_ends(folder: Path) -> Iterator[Service]:
    """Start local destinations on a free port; their log goes to `folder`."""
    ready = folder / "far-ends.url"
    ready.unlink(missing_ok=True)
    command = ["-m", "personalization.local.far_ends", "--port", "0", "--ready-file", str(ready)]

    def find() -> str | None:
        return ready.read_text().strip() if ready.exists() else None

    with _python(command, folder / "far-ends.log", {}) as child:
        yield Service("the local destinations", child, folder / "far-ends.log", find)


@contextmanager
def prefect_server(folder: Path) -> Iterator[Service]:
    """Start a Prefect server of its own on a free port; its database and log go to `folder`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    command = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    with _python(command, folder / "prefect.log", environment) as child:
        yield Service(
            "the Prefect server",
            child,
            folder / "prefect.log",
            lambda: url if _answers(f"{url}/health") else None,
        )


@contextmanager
def _python(
    arguments: list[str], log: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run Python in the background, its output in `log`; end it, and its children, on leaving."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that runs us in the background makes us, and so the child, deaf to SIGINT, which
        # Prefect's processes send themselves on SIGTERM.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        end(child)


def end(child: subprocess.Popen[bytes], patience_s: float = 10) -> None:
    """End the process and all that it started: politely, and if that does not help, at once."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
            child.wait(patience_s)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
        break
    child.wait()


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        port: int = it.getsockname()[1]
        return port


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
