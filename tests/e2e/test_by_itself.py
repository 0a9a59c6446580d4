"""A team uploads files, and nothing else; processes die, and messages come again and again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.stacks import ENDED, Stack, stack, wait_for
from deployments.processes import ROOT
from deployments.stack.place import BUCKET
from deployments.stack.setup import DOMAIN
from personalization.errors import FatalError

pytestmark = [pytest.mark.e2e, pytest.mark.server]

AUDIENCE = "ITEMSgenresAction"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("stack")) as it:
        yield it


def upload(up: Stack) -> None:
    """Upload the sample as the README says: with the AWS CLI, and all at once."""
    command = [sys.executable, "-m", "awscli", "s3", "sync", "data/bingewatch", f"s3://{BUCKET}/"]
    subprocess.run(
        [*command, "--exclude=*for-you*", "--exclude=truth.parquet", "--only-show-errors"],
        cwd=ROOT,
        env=up.surroundings,
        check=True,
    )


def segments(up: Stack) -> list[str]:
    found = up.client("customer-profiles").list_segment_definitions(DomainName=DOMAIN)
    return [it["SegmentDefinitionName"] for it in found["Items"]]


def upload_of(run: dict[str, Any]) -> tuple[str, str] | None:
    upload = run["parameters"].get("parameters", {}).get("upload")
    return (upload["key"], upload["version_id"] or upload["etag"]) if upload else None


def sweep(up: Stack) -> None:
    """Do by hand what Prefect does every quarter of an hour, and without most of its patience."""
    given = (f"bucket={BUCKET}", "grace_s=0", "stuck_after_s=60")
    command = [sys.executable, "-m", "deployments.cli", "run", "sweep", *given]
    subprocess.run(command, cwd=ROOT, env=up.surroundings, check=True)


def test_an_upload_becomes_a_segment_whatever_dies_and_however_often_it_is_told(up):
    heard = up.listen()
    relay = up.kill("the relay")
    upload(up)
    up.await_again("the relay", relay)
    wait_for(lambda: up.runs("train") or up.runs("dispatch"), "the first event", 60)
    server = up.kill("the Prefect server")
    up.await_again("the Prefect server", server)
    wait_for(up.runs, "the server", 120)
    sweep(up)  # of the events that the server had taken, some died with it

    wait_for(lambda: in_state(up, "train", "Running"), "the training", 120)
    worker = up.kill("the worker", with_children=True)
    up.say_again(heard, 2)
    up.await_again("the worker", worker)
    swept_until(up, lambda: segments(up), "the segment")
    up.say_again(heard, 2)
    runs = swept_until(up, lambda: all_ended(up), "all runs to end")
    worked = Counter(
        (run["name"].split("-")[0], *uploaded)
        for run in runs
        if run["state_name"] == "Completed" and (uploaded := upload_of(run))
    )
    personalize, profiles = up.client("personalize"), up.client("customer-profiles")

    assert segments(up) == [AUDIENCE]
    assert len(profiles.list_upload_jobs(DomainName=DOMAIN)["Items"]) == 1
    assert len(personalize.list_solution_versions()["solutionVersions"]) == 1
    assert len(personalize.list_batch_segment_jobs()["batchSegmentJobs"]) == 1
    assert {flow for flow, *_ in worked} == {"train", "dispatch"}
    assert set(worked.values()) == {1}
    assert {run["state_name"] for run in runs} <= {"Completed", "NotYet", "Duplicate", "Crashed"}


def swept_until(up: Stack, done: Callable[[], Any], what: str) -> Any:
    """Wait, and sweep again and again: a dead run is found when it has been silent for a while."""
    end_at = time.monotonic() + 420
    while True:
        try:
            return wait_for(done, what, 20)
        except FatalError as error:
            if time.monotonic() > end_at:
                for it in up.runs():
                    error.add_note(f"{it['name']}: {it['state_name']}, {it['state']['message']}")
                raise
        sweep(up)


def in_state(up: Stack, flow: str, state: str) -> list[dict[str, Any]]:
    return [it for it in up.runs(flow) if it["state_name"] == state]


def all_ended(up: Stack) -> list[dict[str, Any]]:
    runs = [it for it in up.runs() if "auto-scheduled" not in it["tags"]]
    return runs if runs and all(it["state_type"] in ENDED for it in runs) else []
