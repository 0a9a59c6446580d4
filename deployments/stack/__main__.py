"""Run the stack in the foreground until SIGTERM or Ctrl-C: `python -m deployments.stack`."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from deployments.keeper import Keeper
from deployments.processes import (
    ROOT,
    Program,
    Service,
    answers,
    far_ends_program,
    free_port,
    local_aws_program,
    prefect_server_program,
    refuse_taken,
)
from deployments.stack.place import QUEUE, WORK_POOL, Place
from personalization.errors import FatalError, PersonalizeFlowsError

log = logging.getLogger("deployments.stack")


def main(arguments: list[str] | None = None) -> int:
    """Start everything, keep it running, end it; return an exit status."""
    chosen = options().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    place = Place(chosen.folder.absolute())
    try:
        with place.held():
            place.sweep()
            for name in ("prefect", "aws", "far-ends"):
                if port := vars(chosen)[f"{name.replace('-', '_')}_port"]:
                    refuse_taken(port, f"--{name}-port")
            _run(place, chosen, stop)
    except PersonalizeFlowsError as error:
        log.error("%s", error)
        return 1
    return 0


def options() -> argparse.ArgumentParser:
    """Return what can be chosen."""
    parser = argparse.ArgumentParser(prog="python -m deployments.stack", description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".stack", help="database, logs")
    for name, port, what in (
        ("prefect", 4200, "the Prefect server"),
        ("aws", 4566, "the local AWS"),
        ("far-ends", 4577, "the local destinations"),
    ):
        parser.add_argument(
            f"--{name}-port", type=int, default=port, help=f"port of {what}; 0 takes any free one"
        )
    return parser


def _run(place: Place, chosen: argparse.Namespace, stop: threading.Event) -> None:
    addresses: dict[str, str] = {}

    def changed(services: list[Service]) -> None:
        if place.file.exists():
            place.tell(addresses, services)

    keeper = Keeper(changed)
    try:
        # What the local AWS holds, it holds in memory: started again, it would know nothing.
        aws = keeper.start(
            local_aws_program(place.folder, port=chosen.aws_port, seconds_per_state=0.2),
            again=False,
        )
        ends = keeper.start(far_ends_program(place.folder, port=chosen.far_ends_port))
        port = chosen.prefect_port or free_port()
        server = keeper.start(prefect_server_program(place.folder, port=port))
        place.tell(addresses, keeper.services)
        os.environ |= place.surroundings(aws.address(), server.address())
        _set_up(ends.address())
        services = {
            "worker": keeper.start(worker_program(place.folder, free_port())),
            "relay": keeper.start(relay_program(place.folder, free_port())),
            "aws": aws,
            "far ends": ends,
            "prefect": server,
        }
        addresses |= {name: it.address() for name, it in services.items()}
        place.tell(addresses, keeper.services)
        log.info("up: %s", ", ".join(f"{name} {url}" for name, url in addresses.items()))
        keeper.watch(stop)
    finally:
        log.info("ending")
        keeper.close()
        place.file.unlink(missing_ok=True)


def _set_up(braze_url: str) -> None:
    # A process of its own, so that the stack itself need not import Prefect.
    command = [sys.executable, "-m", "deployments.stack.setup", braze_url]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        raise FatalError(f"the set-up ended with status {done.returncode}:\n{done.stdout}")
    log.info("set up\n%s", done.stdout)


def worker_program(folder: Path, port: int) -> Program:
    """Return a worker of the work pool as a program; its health is asked for at the port."""
    url = f"http://127.0.0.1:{port}/health"
    given = ("-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--with-healthcheck")
    return Program(
        "the worker",
        given,
        folder / "worker.log",
        lambda: url if answers(url) else None,
        {"PREFECT_WORKER_WEBSERVER_PORT": str(port)},
        outlived=True,
    )


def relay_program(folder: Path, port: int) -> Program:
    """Return the relay of S3 events as a program; at the port it says whether it relays."""
    url = f"http://127.0.0.1:{port}/ready"
    given = ("-m", "deployments.cli", "relay", "--queue", QUEUE, "--health-port", str(port))
    return Program("the relay", given, folder / "relay.log", lambda: url if answers(url) else None)


if __name__ == "__main__":
    sys.exit(main())
