from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from deployments.pictures import draw_profile
from deployments.processes import Service, end, free_port, local_aws
from personalization.errors import FatalError


def running(command: str, tmp_path: Path) -> subprocess.Popen[bytes]:
    (tmp_path / "log").write_text("all is said here")
    return subprocess.Popen([sys.executable, "-c", command], start_new_session=True)


def service(child: subprocess.Popen[bytes], tmp_path: Path) -> Service:
    return Service("it", child, tmp_path / "log", lambda: None)


def test_a_service_that_ends_early_shows_its_log(tmp_path):
    child = running("raise SystemExit(3)", tmp_path)

    with pytest.raises(FatalError, match=r"it ended with status 3; its log .*\nall is said here"):
        service(child, tmp_path).address()


def test_a_service_that_takes_too_long_is_given_up(tmp_path):
    child = running("import time; time.sleep(60)", tmp_path)
    try:
        with pytest.raises(FatalError, match=r"it did not answer within 0\.2 s"):
            service(child, tmp_path).address(patience_s=0.2)
    finally:
        end(child)
    assert child.returncode == -signal.SIGTERM


def test_what_ignores_sigterm_is_ended_all_the_same(tmp_path):
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", deaf], stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdout
    child.stdout.readline()  # deaf from here on

    end(child, patience_s=0.3)

    assert child.returncode == -signal.SIGKILL


def test_the_local_aws_runs_as_a_process_and_leaves_nothing(tmp_path):
    with local_aws(tmp_path) as it:
        url = it.address()
        child = it.child

    assert url.startswith("http://127.0.0.1:")
    assert child.returncode == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(child.pid, 0)


def test_free_ports_are_free():
    assert free_port() != free_port()


def test_the_same_profile_gives_the_same_picture(tmp_path):
    profile = pl.DataFrame(
        {
            "attribute_value": ["Action", "Drama"],
            "audience_share": [0.5, 0.1],
            "everyone_share": [0.25, 0.2],
            "lift": [2.0, 0.5],
        }
    )

    first = draw_profile(profile, "Who", tmp_path / "a.svg").read_bytes()
    time.sleep(1.1)
    second = draw_profile(profile, "Who", tmp_path / "b.svg").read_bytes()

    assert first == second
    assert b"Action" in first or b"<path" in first
    assert draw_profile(profile, "Who", tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
