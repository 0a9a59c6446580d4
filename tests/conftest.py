"""Fixtures that cost something, so that a test has to ask for them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from deployments.processes import LOCAL_CREDENTIALS
from deployments.processes import prefect_server as run_prefect_server
from personalization.local.pace import Pace
from personalization.local.server import LocalAws

# Rich reads these when the commands are imported, which is not yet: tables are wide and without
# colours, whoever runs the tests and in whichever terminal.
os.environ["COLUMNS"] = "200"
for _name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API address of a Prefect server.  It takes some 15 s, so tests must ask for it."""
    # Importing Prefect takes seconds; tests that do not ask for it do not pay for it.
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
        PREFECT_HOME,
        PREFECT_LOGGING_TO_API_ENABLED,
        temporary_settings,
    )

    folder = tmp_path_factory.mktemp("prefect")
    with run_prefect_server(folder) as service:
        settings = {
            PREFECT_API_URL: service.address(),
            PREFECT_HOME: folder / "prefect",
            PREFECT_LOGGING_TO_API_ENABLED: False,
            # A heartbeat thread is joined at the end of every flow, which costs a second each.
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
        }
        with temporary_settings(settings):
            yield service.address()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalAws]:
    """A local AWS of the test's own, where boto3 finds it."""
    for name, value in LOCAL_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with LocalAws(pace=Pace(0.0)) as it:
        monkeypatch.setenv("AWS_ENDPOINT_URL", it.endpoint_url)
        yield it
