"""A run that leaves its process while Personalize trains, and is resumed by the timer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from deployments.cli import app
from deployments.processes import LOCAL_CREDENTIALS, ROOT, end
from personalization.local.pace import Pace
from personalization.local.server import LocalAws
from personalization.parameters import TrainParameters, Waiting
from tests.e2e.conftest import QUICK

pytestmark = [pytest.mark.server, pytest.mark.e2e]

WAITING = Waiting(first_look_s=0.5, slowest_look_s=1, give_up_after_s=600, suspend_after_s=2)
NAME = "served"


@pytest.fixture
def pace() -> Pace:
    return Pace(seconds=0.0)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, pace: Pace) -> Iterator[LocalAws]:
    """A local AWS whose pace the test changes."""
    for name, value in LOCAL_CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with LocalAws(pace=pace) as it:
        monkeypatch.setenv("AWS_ENDPOINT_URL", it.endpoint_url)
        yield it


def change(pace: Pace, seconds: float) -> None:
    # Frozen for everybody else; states are worked out from it when somebody looks.
    object.__setattr__(pace, "seconds", seconds)


@pytest.fixture
def server_process(prefect_server: str, bingewatch: Any, tmp_path: Path) -> Iterator[Any]:
    """The process that begins to serve `train`; and the timer."""
    import_module("flows.train")  # or Prefect would keep the streams of CliRunner for its logs
    CliRunner().invoke(app, ["automations", "apply", "--resume-every-s", "10"])
    with (tmp_path / "served.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.served", NAME],
            cwd=ROOT,
            env={**os.environ, "PREFECT_API_URL": prefect_server},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield psutil.Process(child.pid)
    finally:
        end(child)
        CliRunner().invoke(app, ["automations", "delete", "--all"])


def seen(look: Callable[[], Any], within_s: float = 120.0) -> Any:
    end_at = time.monotonic() + within_s
    while not (found := look()):
        assert time.monotonic() < end_at, "nothing was seen in time"
        time.sleep(0.2)
    return found


def test_a_served_run_leaves_its_process_and_trains_once(
    bingewatch, pace, prefect_server, server_process
):
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    from flows.train import train
    from tasks.suspending import TAG

    train(TrainParameters(file=bingewatch.file, waiting=QUICK))
    change(pace, 3600.0)
    again = TrainParameters(file=bingewatch.file, waiting=WAITING, retrain="always")
    with get_client(sync_client=True) as client:

        def served() -> Any:
            with suppress(ObjectNotFound):
                return client.read_deployment_by_name(f"train/{NAME}")

        deployment = seen(served)
        run = client.create_flow_run_from_deployment(
            deployment.id, parameters={"parameters": again.model_dump(mode="json")}
        ).id

        def state() -> str:
            return str(client.read_flow_run(run).state_name)

        seen(lambda: state() == "Running")
        # Beside it there is a helper of multiprocessing, which stays.
        [process] = [
            it
            for it in server_process.children(recursive=True)
            if "--multiprocessing-fork" in it.cmdline()
        ]
        seen(lambda: state() == "Suspended")
        assert bingewatch.count("list_solution_versions", "solutionVersions") == 2
        process.wait(timeout=60)
        change(pace, 0.0)
        seen(lambda: client.read_flow_run(run).end_time)

        ended = client.read_flow_run(run)
        assert ended.state_name == "Completed"
        assert ended.tags == [TAG]
        names = [it.name for it in client.read_flow_run_states(run)]
        answer = client.request(
            "POST",
            "/events/filter",
            json={"filter": {"event": {"name": ["prefect.flow-run.heartbeat"]}}},
        )
    assert names.count("Suspended") == names.count("Resuming") >= 1
    assert bingewatch.count("list_solution_versions", "solutionVersions") == 2
    assert bingewatch.count("list_batch_segment_jobs", "batchSegmentJobs") == 2
    # What the zombie automation goes by.
    beats = [
        it for it in answer.json()["events"] if str(run) in it["resource"]["prefect.resource.id"]
    ]
    assert len(beats) >= 2
    assert f"prefect.tag.{TAG}" in {it["prefect.resource.id"] for it in beats[0]["related"]}
