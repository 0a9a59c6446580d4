"""The base job templates of Docker and ECS pools, held against what the workers take."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[2]
POOLS = ROOT / "deployments" / "pools"
# What prefect.yaml gives to every deployment, where runs are in the image.
JOB_VARIABLES = {"command": "python -m prefect.engine"}


def template(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((POOLS / f"{kind}.json").read_text())
    return found


def placeholders(node: Any) -> set[str]:
    return set(re.findall(r"\{\{ (\w+) \}\}", json.dumps(node)))


def official(kind: str) -> dict[str, Any]:
    """What Prefect itself gives a pool of that type."""
    if kind == "ecs":
        from prefect_aws.workers import ECSWorker

        return ECSWorker.get_default_base_job_template()
    import prefect

    workers = Path(prefect.__file__).parent / (
        "server/api/collections_data/views/aggregate-worker-metadata.json"
    )
    known = json.loads(workers.read_text())["prefect-docker"]["docker"]
    found: dict[str, Any] = known["default_base_job_configuration"]
    return found


@pytest.mark.parametrize("kind", ["docker", "ecs"])
def test_a_pool_takes_what_it_passes_on_and_passes_on_what_the_worker_takes(kind):
    ours, theirs = template(kind), official(kind)

    variables = ours["variables"]["properties"]
    assert placeholders(ours["job_configuration"]) == set(variables)
    assert set(ours["job_configuration"]) <= set(theirs["job_configuration"])
    assert set(variables) <= set(theirs["variables"]["properties"])
    for name, it in variables.items():
        their = theirs["variables"]["properties"][name]
        kinds = {their.get("type"), *(one.get("type") for one in their.get("anyOf", ()))}
        assert it["type"] in kinds, name
        assert it.get("enum") in (None, their.get("enum")) or set(it["enum"]) == set(their["enum"])
        assert it["description"].endswith(".")


@pytest.mark.server
def test_an_ecs_worker_makes_a_task_of_it(prefect_server):
    from prefect.client.schemas.objects import FlowRun
    from prefect_aws.workers import ECSWorker
    from prefect_aws.workers.ecs_worker import ECSJobConfiguration

    role = "arn:aws:iam::123456789012:role/worker"
    values = {**JOB_VARIABLES, "task_role_arn": role, "execution_role_arn": role}
    whole = template("ecs")
    made = asyncio.run(
        ECSJobConfiguration.from_template_and_values(base_job_template=whole, values=values)
    )
    run = FlowRun(id=uuid4(), flow_id=uuid4(), name="train-films")
    made.prepare_for_flow_run(run)

    assert made.command == "python -m prefect.engine"
    assert made.execution_role_arn == role
    [container] = made.task_definition["containerDefinitions"]
    assert (container["image"], container["name"]) == ("personalize-flows:latest", "flow")
    request = made.task_run_request
    assert request["launchType"] == "FARGATE"
    assert request["overrides"]["taskRoleArn"] == role
    worker = ECSWorker(work_pool_name="ecs")
    definition = worker._prepare_task_definition(made, region="eu-central-1", flow_run=run)
    assert definition["requiresCompatibilities"] == ["FARGATE"]
    assert (definition["cpu"], definition["memory"]) == ("2048", "8192")


def test_the_image_has_what_the_pools_count_on():
    said = (ROOT / "deployments" / "Dockerfile").read_text()

    assert "FROM python:3.11-slim" in said
    home = "/var/lib/personalize-flows"
    assert f"PERSONALIZE_WORK_DIR={home}" in said
    docker = template("docker")["variables"]["properties"]
    assert docker["env"]["default"] == {"PERSONALIZE_WORK_DIR": home}
    assert docker["volumes"]["default"] == [f"personalize-flows:{home}"]
    for copied in re.findall(r"^COPY (\S+) ", said, re.MULTILINE):
        assert (ROOT / copied).exists()
