from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deployments.processes import Program, Service
from deployments.stack.place import Place
from personalization.errors import ConfigError, FatalError


def sleeper(folder: Path, name: str = "it") -> Service:
    return Program(name, ("-c", "import time; time.sleep(60)"), folder / "log", str).start()


def holder(place: Place, *, deaf: bool = False) -> subprocess.Popen[str]:
    """A process that holds the folder as a stack does, until SIGTERM."""
    command = f"""
import pathlib, signal, threading
from deployments.stack.place import Place
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: None if {deaf} else stop.set())
place = Place(pathlib.Path({str(place.folder)!r}))
with place.held():
    place.tell({{"prefect": "http://127.0.0.1:1/api"}}, [])
    print("held", flush=True)
    stop.wait()
    place.file.unlink()
"""
    it = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, text=True)
    assert it.stdout
    assert it.stdout.readline() == "held\n"
    return it


def test_one_stack_holds_a_folder(tmp_path):
    place = Place(tmp_path)
    assert not place.is_held

    with place.held():
        assert place.is_held
        with pytest.raises(ConfigError, match=r"a stack is up in .*; end it with `personalize do"):
            place.held().__enter__()
    assert not place.is_held


def test_ending_waits_until_the_stack_has_ended(tmp_path):
    place = Place(tmp_path)
    with holder(place) as it:
        running = place.running()
        assert running
        assert running.addresses == {"prefect": "http://127.0.0.1:1/api"}

        assert place.end()

    assert it.returncode == 0
    assert place.running() is None
    assert not place.end()


def test_a_stack_that_does_not_end_is_named_with_its_log(tmp_path):
    place = Place(tmp_path)
    with holder(place, deaf=True) as it:
        try:
            with pytest.raises(FatalError, match=rf"process {it.pid}, did not end .* log is .*log"):
                place.end(patience_s=0.3)
        finally:
            it.kill()


def test_what_a_killed_stack_has_left_is_ended_and_strangers_are_not(tmp_path):
    place = Place(tmp_path)
    left, stranger = sleeper(tmp_path, "left"), sleeper(tmp_path, "stranger")
    place.tell({}, [left, stranger])
    said = json.loads(place.file.read_text())
    said["children"]["stranger"]["began"] -= 5  # another process had its id before
    place.file.write_text(json.dumps(said))
    try:
        assert place.end()

        assert not psutil.pid_exists(left.child.pid)
        assert stranger.child.poll() is None
        assert place.running() is None
    finally:
        stranger.child.kill()
        stranger.child.wait()


def test_what_has_ended_by_itself_is_nothing_to_end(tmp_path):
    place = Place(tmp_path)
    gone = sleeper(tmp_path)
    place.tell({}, [gone])
    gone.child.kill()
    gone.child.wait()

    assert not place.end()


def test_all_that_runs_in_it_finds_its_way(tmp_path):
    said = Place(tmp_path).surroundings("http://a", "http://p/api")

    assert said["AWS_ENDPOINT_URL"] == "http://a"
    assert said["PREFECT_API_URL"] == "http://p/api"
    assert said["PERSONALIZE_WORK_DIR"].startswith(os.fspath(tmp_path))


def test_a_stack_that_has_only_just_begun_can_be_ended(tmp_path):
    command = f"""
import pathlib, signal, threading
from deployments.stack.place import Place
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with Place(pathlib.Path({str(tmp_path)!r})).held():
    print("held", flush=True)
    stop.wait()
"""
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE) as it:
        assert it.stdout
        it.stdout.readline()

        assert Place(tmp_path).end()
    assert it.returncode == 0
