"""`prefect deploy --all` on a real server, and the uploads that then start runs."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from deployments.processes import ROOT
from personalization.routes import FLOWS, route
from tests.deployments.test_triggers import BUCKET, DEPLOYMENTS, created
from tests.flow_runs import runs_of

pytestmark = [pytest.mark.server, pytest.mark.e2e]

POOL = "deploying"
SETTINGS = {"PERSONALIZE_BUCKET": BUCKET, "PERSONALIZE_WORK_POOL": POOL}


def prefect(api: str, *arguments: str, **settings: str | None) -> subprocess.CompletedProcess[str]:
    """Run the command line as somebody at a terminal would, with these settings."""
    surroundings = {**os.environ, **SETTINGS, "PREFECT_API_URL": api, "COLUMNS": "200", **settings}
    return subprocess.run(
        [sys.executable, "-m", "prefect", *arguments],
        cwd=ROOT,
        env={name: value for name, value in surroundings.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def deploy(api: str, **settings: str | None) -> subprocess.CompletedProcess[str]:
    return prefect(api, "--no-prompt", "deploy", "--all", **settings)


@pytest.fixture(scope="module")
def deployed(prefect_server: str) -> Iterator[Any]:
    """A client of the server on which everything is deployed, twice."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate

    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
        for _ in range(2):
            done = deploy(prefect_server)
            assert done.returncode == 0, done.stdout + done.stderr
        yield client
        for it in client.read_deployments():
            if (it.work_pool_name or "").startswith(POOL):
                client.delete_resource_owned_automations(f"prefect.deployment.{it.id}")
                client.delete_deployment(it.id)


def owned(client: Any, name: str) -> list[Any]:
    deployment = client.read_deployment_by_name(f"{name}/{name}")
    found: list[Any] = client.read_resource_related_automations(
        f"prefect.deployment.{deployment.id}"
    )
    return found


def test_every_flow_is_deployed_as_the_file_says(deployed):
    for said in DEPLOYMENTS:
        name = said["name"]
        it = deployed.read_deployment_by_name(f"{name}/{name}")

        assert (it.description, it.work_pool_name) == (said["description"], POOL)
        assert it.tags == said["tags"]
        assert it.global_concurrency_limit.limit == said["concurrency_limit"]["limit"]
        assert it.concurrency_options.collision_strategy.value == "ENQUEUE"
        assert it.job_variables == {"command": f"{sys.executable} -m prefect.engine"}
        assert it.pull_steps == [
            {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        ]
        assert it.enforce_parameter_schema
        assert "upload" in str(it.parameter_openapi_schema)
        triggers = [trigger["name"] for trigger in said.get("triggers", ())]
        assert sorted(automation.name for automation in owned(deployed, name)) == sorted(triggers)


def test_the_sweep_comes_every_quarter_of_an_hour(deployed):
    it = deployed.read_deployment_by_name("sweep/sweep")

    assert it.parameters == {"parameters": {"bucket": BUCKET}}
    [schedule] = it.schedules
    assert (schedule.slug, schedule.active) == ("every-quarter-of-an-hour", True)
    assert (schedule.schedule.cron, schedule.schedule.timezone) == ("*/15 * * * *", "UTC")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"PERSONALIZE_BUCKET": None}, "PERSONALIZE_BUCKET is ''; set it", id="none"),
        pytest.param({"PERSONALIZE_WORK_POOL": None}, "$PERSONALIZE_WORK_POOL", id="no-pool"),
        pytest.param({"PERSONALIZE_WORK_POOL": "none"}, "'none' which does not", id="wrong-pool"),
    ],
)
def test_what_is_not_set_up_is_not_deployed(deployed, prefect_server, settings, message):
    done = deploy(prefect_server, **settings)

    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).split())


KEYS = [
    f"train/{uuid4()}/config.json",
    f'train/{uuid4()}/a "b" {{{{ c }}}} {{% d %}} é+ü%20.json',
    f"batch/{uuid4()}/genres/job_config.json",
    f"batch/{uuid4()}/genres/run/job_config.json.out",
    f"etl_jobs/related_items/{uuid4()}/config.json",
    f"import/crm/{uuid4()}'\\.csv",
    f"train/{uuid4()}/config.json.errors.json",
    f"train/{uuid4()}/interactions.csv",
]
# What looks like numbers has to stay text, and what is not known has to stay so.
VERSIONS: list[tuple[str, str | None]] = [("1234567890", "1e5"), ("e-2", None)]


def runs_for(client: Any, keys: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """Flow and parameters of the runs for these uploads."""
    found = []
    for name in FLOWS:
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        for run in runs_of(client, deployment.id):
            upload = (run.parameters.get("parameters") or {}).get("upload")
            if upload and upload["key"] in keys:
                found.append((name, run.parameters))
    return found


def tell(client: Any, happened: list[Any]) -> None:
    """Tell of uploads one after the other: on SQLite automations may miss some of many at once.

    Those that they did not miss are known by their ids, and heard once.
    """
    for it in happened:
        client.request("POST", "/events", json=[it.event()])
        time.sleep(0.2)


def test_uploads_start_the_runs_that_they_call_for(deployed):
    happened = [
        created(
            key, etag=etag, version_id=version, sequencer=None, occurred=dt.datetime.now(dt.UTC)
        )
        for key in KEYS
        for etag, version in VERSIONS
    ]
    tell(deployed, happened)

    from personalization.parameters import Upload

    expected = []
    for it in happened:
        found = route(it.key)
        if found:
            upload = Upload(bucket=BUCKET, key=it.key, version_id=it.version_id, etag=it.etag)
            expected.append((found.flow, found.parameters(upload)))
    end = time.monotonic() + 60
    while len(runs_for(deployed, set(KEYS))) < len(expected) and time.monotonic() < end:
        time.sleep(5)
        tell(deployed, happened)
    time.sleep(2)  # for those that should not come
    seen = runs_for(deployed, set(KEYS))
    assert len(expected) == 12
    assert sorted(seen, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize("kind", ["docker", "ecs"])
def test_the_same_file_deploys_to_containers(deployed, prefect_server, kind):
    from prefect.client.schemas.actions import WorkPoolCreate

    pool = f"deploying-{kind}"
    template = json.loads((ROOT / f"deployments/pools/{kind}.json").read_text())
    deployed.create_work_pool(WorkPoolCreate(name=pool, type=kind, base_job_template=template))
    there = {"PERSONALIZE_HOME": "/opt/personalize-flows", "PERSONALIZE_PYTHON": "python"}
    done = prefect(
        prefect_server,
        *("--no-prompt", "deploy", "-n", "sweep"),
        PERSONALIZE_WORK_POOL=pool,
        **there,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    it = deployed.read_deployment_by_name("sweep/sweep")
    assert it.work_pool_name == pool
    assert it.job_variables == {"command": "python -m prefect.engine"}
    [step] = it.pull_steps or []
    assert list(step.values()) == [{"directory": "/opt/personalize-flows"}]
