from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deployments.doctor import machine

WANTED = [Requirement(it) for it in ("prefect==3.8.*", "fastapi<0.151", "sqlalchemy[asyncio]<2.1")]
GOOD = {"prefect": "3.8.8", "fastapi": "0.150.0", "sqlalchemy": "2.0.58"}


def test_this_machine_runs_what_everything_was_run_with():
    assert machine.python().status == "ok"
    assert machine.pins().status == "ok"


def test_pins_that_hold_are_told():
    seen = machine.held(GOOD, WANTED)

    assert seen.status == "ok"
    assert seen.text == "prefect 3.8.8, fastapi 0.150.0, sqlalchemy 2.0.58"


@pytest.mark.parametrize(
    ("installed", "text"),
    [
        (
            {"fastapi": "0.152.0"},
            "fastapi 0.152.0, but from 0.151 on, Prefect's server answers `prefect deploy` "
            "with 422",
        ),
        (
            {"sqlalchemy": "2.1.0"},
            "sqlalchemy 2.1.0, but with 2.1, Prefect's server never starts a scheduled run",
        ),
    ],
    ids=["fastapi", "sqlalchemy"],
)
def test_a_pin_that_does_not_hold_is_told_with_what_it_breaks(installed: dict, text: str):
    seen = machine.held({**GOOD, **installed}, WANTED)

    assert (seen.status, seen.text) == ("bad", text)
    assert seen.advice == "run `pip install -r requirements.txt`"


def test_without_an_installation_there_are_no_pins_to_hold():
    seen = machine.pins("no-such-distribution")

    assert seen.status == "unknown"
    assert seen.text == "not checked: no-such-distribution is not installed"


def test_a_folder_is_made_and_nothing_is_left_in_it(tmp_path: Path):
    seen = machine.work_dir(tmp_path / "new")

    assert seen.status == "ok"
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_below_a_file_cannot_be_written(tmp_path: Path):
    (tmp_path / "file").touch()

    seen = machine.work_dir(tmp_path / "file" / "new")

    assert seen.status == "bad"
    assert seen.text == f"{tmp_path}/file/new cannot be written: Not a directory"
    assert seen.advice == "set PERSONALIZE_WORK_DIR to a folder that can"
