"""What stands on the terminal when a flow fails: one line for our errors, the stack for a bug."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import prefect.flow_engine
import pytest

from deployments.narration import worth_telling
from personalization.errors import FatalError

ROOT = Path(__file__).parents[2]
SANE = "from deployments.cli import app; app()"
BUGGY = f"""
import flows.train
flows.train.read_parameter_file = lambda *_: 1 / 0
{SANE}
"""


def logged(message: str, level: int = logging.INFO, *, by: object, error: Exception | None = None):
    path = str(getattr(by, "__file__", by))
    exc_info = (type(error), error, None) if error else None
    return logging.LogRecord("x", level, path, 1, message, (), exc_info)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        pytest.param(logged("13 resources to change", by=__file__), True, id="ours"),
        pytest.param(logged("Beginning flow run", by=prefect.flow_engine), False, id="prefects"),
        pytest.param(
            logged("Task run failed with … - Retry 1/4 will start", by=prefect.flow_engine),
            True,
            id="retry",
        ),
        pytest.param(
            logged("Encountered", logging.ERROR, by=prefect, error=FatalError("no")),
            False,
            id="stack-of-our-error",
        ),
        pytest.param(
            logged("Encountered", logging.ERROR, by=prefect, error=ValueError("bug")),
            True,
            id="stack-of-a-bug",
        ),
        pytest.param(
            logged("Finished in state Failed('no')", logging.ERROR, by=prefect), False, id="state"
        ),
    ],
)
def test_what_is_worth_telling(record, told):
    assert worth_telling(record) is told


def run(code: str, folder: Path, api: str | None) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    environment |= {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    if api:
        environment["PREFECT_API_URL"] = api
    words = ["run", "train", "file=s3://none/x/config.json"]
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        check=False,
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.server
def test_with_a_server_our_errors_are_one_line_and_bugs_keep_their_stack(
    aws, prefect_server, tmp_path
):
    expected = run(SANE, tmp_path, prefect_server)
    bug = run(BUGGY, tmp_path, prefect_server)

    assert (expected.returncode, expected.stdout) == (1, "")
    assert expected.stderr == "error: there is no bucket none; correct its name\n"
    assert bug.returncode == 1
    assert "Traceback (most recent call last)" in bug.stderr
    assert "\nZeroDivisionError: division by zero\n" in bug.stderr


@pytest.mark.server
def test_without_a_server_it_is_the_same(aws, tmp_path):
    expected = run(SANE, tmp_path, None)

    assert (expected.returncode, expected.stdout) == (1, "")
    assert expected.stderr == "error: there is no bucket none; correct its name\n"
