from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from deployments.keeper import Keeper
from deployments.processes import Program
from personalization.errors import FatalError


def program(folder: Path, command: str = "import time; time.sleep(60)") -> Program:
    return Program("it", ("-c", f"print('begins', flush=True); {command}"), folder / "log", str)


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    it = Keeper()
    yield it
    it.close()


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def watched(keeper: Keeper, until: Callable[[], bool]) -> None:
    """Watch until something has come true."""
    stop = threading.Event()

    def look() -> None:
        end_at = time.monotonic() + 20
        while not until() and time.monotonic() < end_at:
            time.sleep(0.02)
        stop.set()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        keeper.watch(stop, every_s=0.02)
    finally:
        thread.join()


def test_a_program_that_is_killed_is_started_again(tmp_path, keeper):
    first = keeper.start(program(tmp_path))
    os.kill(first.child.pid, signal.SIGKILL)

    watched(keeper, lambda: keeper.services[0].child.pid != first.child.pid)

    assert keeper.services[0].child.poll() is None


@pytest.mark.parametrize(
    "outlived", [pytest.param(True, id="go on"), pytest.param(False, id="end, too")]
)
def test_the_children_of_a_program_that_was_killed(tmp_path, keeper, outlived):
    command = (
        "import subprocess, sys, time; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
        "print(child.pid, flush=True); time.sleep(60)"
    )
    first = keeper.start(replace(program(tmp_path, command), outlived=outlived))
    while len(said := (tmp_path / "log").read_text().split()) < 2:
        time.sleep(0.02)
    os.kill(first.child.pid, signal.SIGKILL)
    watched(keeper, lambda: keeper.services[0].child.pid != first.child.pid)

    assert alive(int(said[1])) == outlived
    keeper.close()
    end_at = time.monotonic() + 10
    while alive(int(said[1])):
        assert time.monotonic() < end_at
        time.sleep(0.02)


def test_a_program_that_ends_at_once_is_started_ever_more_slowly(tmp_path):
    now = [0.0]
    starts: list[float] = []
    keeper = Keeper(changed=lambda _: starts.append(now[0]), clock=lambda: now[0])
    keeper.start(program(tmp_path, "raise SystemExit(1)"))

    while len(starts) < 4:
        keeper.services[0].child.wait()
        now[0] += 0.25
        keeper.look()
    keeper.close()

    assert starts == [0.0, 0.75, 2.0, 4.25]


def test_what_cannot_be_started_again_ends_the_keeping(tmp_path, keeper):
    keeper.start(program(tmp_path, "raise SystemExit(3)"), again=False)

    with pytest.raises(FatalError, match=r"it ended with status 3; its log .*\nbegins"):
        keeper.watch(threading.Event(), every_s=0.02)


def test_closing_ends_every_program(tmp_path):
    keeper = Keeper()
    children = [keeper.start(program(tmp_path)).child for _ in range(2)]

    keeper.close()

    assert [it.returncode for it in children] == [-signal.SIGTERM] * 2
