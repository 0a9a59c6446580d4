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
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from personalization.errors import ConfigError, FatalError

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
        while True:
            url = self.find()
            # Whoever else may answer there: what has ended does not.
            if self.child.poll() is not None:
                raise FatalError(f"{self.name} ended with status {self.child.returncode}; {self}")
            if url is not None:
                return url
            if time.monotonic() > end_at:
                raise FatalError(f"{self.name} did not answer within {patience_s:g} s; {self}")
            time.sleep(0.05)

    def __str__(self) -> str:
        return f"its log {self.log} ends so:\n{self.log.read_text(errors='replace')[-2000:]}"


@dataclass(frozen=True)
class Program:
    """A Python program that can be started, and started again, and that answers when it is ready.

    arguments    what follows `python`
    log          file that its output is added to
    find         returns its address once it answers there, None before
    environment  what it gets besides ours
    ready        file that it writes when it answers; an old one is removed before it starts
    outlived     whether its own children go on without it: a worker's are flow runs
    """

    name: str
    arguments: tuple[str, ...]
    log: Path
    find: Callable[[], str | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: Path | None = None
    outlived: bool = False

    def start(self) -> Service:
        """Start it in the background, in a process group of its own."""
        if self.ready:
            self.ready.unlink(missing_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A shell that runs us in the background makes us, and so the child, deaf to SIGINT,
            # which Prefect's processes send themselves on SIGTERM.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        with self.log.open("ab") as output:
            child = subprocess.Popen(
                [sys.executable, *self.arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Service(self.name, child, self.log, self.find)

    @contextmanager
    def running(self) -> Iterator[Service]:
        """Start it; end it, and its children, on leaving."""
        service = self.start()
        try:
            yield service
        finally:
            end(service.child)


def local_aws(
    folder: Path, *, port: int = 0, seconds_per_state: float = 0.2
) -> AbstractContextManager[Service]:
    """Start the local AWS; its log goes to `folder`.  Port 0 takes any free one."""
    return local_aws_program(folder, port=port, seconds_per_state=seconds_per_state).running()


def far_ends(folder: Path) -> AbstractContextManager[Service]:
    """Start local destinations on a free port; their log goes to `folder`."""
    return far_ends_program(folder).running()


def prefect_server(folder: Path) -> AbstractContextManager[Service]:
    """Start a Prefect server of its own on a free port; its database and log go to `folder`."""
    return prefect_server_program(folder, port=free_port()).running()


def local_aws_program(folder: Path, *, port: int, seconds_per_state: float) -> Program:
    """Return the local AWS as a program."""
    given = ("--port", str(port), "--seconds-per-state", f"{seconds_per_state:g}")
    return _with_ready_file("the local AWS", "personalization.local", given, folder / "aws")


def far_ends_program(folder: Path, *, port: int = 0) -> Program:
    """Return the local destinations as a program."""
    given = ("--port", str(port))
    module = "personalization.local.far_ends"
    return _with_ready_file("the local destinations", module, given, folder / "far-ends")


def prefect_server_program(folder: Path, *, port: int) -> Program:
    """Return a Prefect server with a database of its own as a program."""
    url = f"http://127.0.0.1:{port}/api"
    given = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    environment = {
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    log, health = folder / "prefect.log", f"{url}/health"
    return Program(
        "the Prefect server", given, log, lambda: url if answers(health) else None, environment
    )


def _with_ready_file(name: str, module: str, given: tuple[str, ...], path: Path) -> Program:
    ready = path.with_suffix(".url")

    def find() -> str | None:
        return ready.read_text().strip() if ready.exists() else None

    arguments = ("-m", module, *given, "--ready-file", str(ready))
    return Program(name, arguments, path.with_suffix(".log"), find, ready=ready)


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


def refuse_taken(port: int, option: str) -> None:
    """Raise ConfigError if somebody listens on a port of 127.0.0.1 already."""
    with socket.socket() as it:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            it.bind(("127.0.0.1", port))
        except OSError as error:
            raise ConfigError(
                f"port {port} is taken; end what listens there, or choose another {option}, 0 for "
                "any free one"
            ) from error


def answers(url: str) -> bool:
    """Whether something answers there with status 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
