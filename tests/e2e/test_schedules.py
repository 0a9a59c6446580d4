"""The schedules of a parameter file, as Prefect keeps and runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from personalization.parameters import Scheduled, TrainParameters
from personalization.resources.repeating import slug_of
from tests.e2e.conftest import BUCKET, QUICK, SOLUTION, Place

pytestmark = [pytest.mark.server, pytest.mark.e2e]

CONFIG = "train/bingewatch/config.json"
DAILY = "cron(0 2 * * ? *)"
WEEKLY = "cron(0 4 ? * 1 *)"


@pytest.fixture
def deployment(prefect_server: str) -> Iterator[UUID]:
    """A deployment `train/train`, of which nobody runs anything."""
    from prefect.client.orchestration import get_client

    from flows.train import train

    runner = train.to_deployment(name="train", tags=["personalize"])
    runner.entrypoint = "flows/train.py:train"
    made = runner.apply()
    yield made
    with get_client(sync_client=True) as client:
        client.delete_deployment(made)


def slug(kind: str, solution: str | None = SOLUTION) -> str:
    return slug_of(BUCKET, "bingewatch", kind, None if kind == "import" else solution)


def train(place: Place, **more: Any) -> Any:
    from flows.train import train as flow

    return flow(TrainParameters(file=place.file, waiting=QUICK, **more))


def schedule(place: Place, kind: str, when: str | None) -> None:
    """Write a schedule into the parameter file; None takes it out."""
    config = json.loads(place.read(CONFIG))
    solution = config["solutions"][0]
    if kind == "import":
        workflow = config["datasetGroup"].setdefault("workflowConfig", {})
    else:
        workflow = solution.setdefault("workflowConfig", {})
    if kind == "batch-segment":
        workflow = solution["batchSegmentJobs"][0].setdefault("workflowConfig", {})
        workflow["schedule"] = when
    else:
        workflow.setdefault("schedules", {})[kind] = when
    for schedules in (workflow, workflow.get("schedules", {})):
        for key in [key for key, value in schedules.items() if value is None]:
            del schedules[key]
    place.put(CONFIG, json.dumps(config))


def kept(deployment: UUID) -> dict[str, Any]:
    from prefect.client.orchestration import get_client

    with get_client(sync_client=True) as client:
        return {it.slug: it for it in client.read_deployment_schedules(deployment)}


def done() -> dict[str, str]:
    from prefect.artifacts import Artifact

    found = Artifact.get("schedules-bingewatch")
    assert found
    return {row["schedule"]: row["done"] for row in json.loads(found.data)}


def test_schedules_are_made_changed_and_removed_as_the_file_says(bingewatch, deployment):
    schedule(bingewatch, "import", DAILY)
    schedule(bingewatch, "full", WEEKLY)
    schedule(bingewatch, "batch-segment", "cron(0 5 L-1 * ? *)")
    train(bingewatch)

    made = kept(deployment)
    assert {name: getattr(it.schedule, "cron", "rule") for name, it in made.items()} == {
        slug("import"): "0 2 * * *",
        slug("full"): "0 4 * * SUN",
        slug("batch-segment"): "rule",
    }
    assert {it.schedule.timezone for it in made.values()} == {"UTC"}
    assert all(it.active for it in made.values())
    said = made[slug("full")].parameters["parameters"]
    assert TrainParameters.model_validate(said).scheduled == Scheduled(
        slug=slug("full"), kind="full", cron=WEEKLY, solution=SOLUTION
    )
    assert set(done().values()) == {"created"}

    schedule(bingewatch, "import", "cron(0 3 * * ? *)")
    schedule(bingewatch, "full", "delete")
    schedule(bingewatch, "batch-segment", None)
    train(bingewatch)

    assert {name: it.schedule.cron for name, it in kept(deployment).items()} == {
        slug("import"): "0 3 * * *"
    }
    assert done()[slug("import")] == f"changed: it was {DAILY}"
    assert done()[slug("full")] == "removed: the parameter file has it no more"


def test_a_scheduled_run_does_one_thing_again_and_nothing_else(bingewatch, deployment):
    """New data, a new version, a new job: each by its own schedule, whatever has changed."""
    schedules = {"import": DAILY, "full": WEEKLY, "batch-segment": DAILY}
    for kind, when in schedules.items():
        schedule(bingewatch, kind, when)
    train(bingewatch)
    made = kept(deployment)
    views = bingewatch.read("train/bingewatch/interactions.csv")
    bingewatch.put("train/bingewatch/interactions.csv", views.rstrip(b"\n").rpartition(b"\n")[0])

    ended, counts = {}, {}
    for kind in ("batch-segment", "full", "import"):
        ended[kind] = run_now(made[slug(kind)])
        counts[kind] = counted(bingewatch)

    assert {it.name for it in ended.values()} == {"Completed"}
    # Imports, versions and segment jobs; the sample has 3 datasets.
    assert counts["batch-segment"] == (3, 1, 2)
    assert counts["full"] == (3, 2, 2)
    assert counts["import"] == (4, 2, 2)
    assert len(kept(deployment)) == 3


def run_now(schedule: Any) -> Any:
    """Do what a schedule's run would do; return how it ended."""
    from prefect.client.orchestration import get_client
    from prefect.flow_engine import run_flow

    from flows.train import train as flow

    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(
            schedule.deployment_id, parameters=schedule.parameters
        )
    return run_flow(flow, flow_run=run, parameters=run.parameters, return_type="state")


def counted(place: Place) -> tuple[int, int, int]:
    return (
        place.count("list_dataset_import_jobs", "datasetImportJobs"),
        place.count("list_solution_versions", "solutionVersions"),
        place.count("list_batch_segment_jobs", "batchSegmentJobs"),
    )
