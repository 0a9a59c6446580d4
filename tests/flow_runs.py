"""The flow runs of one deployment, however many others the tests' server has seen."""

from __future__ import annotations

from typing import Any
from uuid import UUID


def runs_of(client: Any, deployment: UUID) -> list[Any]:
    """Return as many as the server tells at once, which is 200."""
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterDeploymentId

    mine = FlowRunFilter(deployment_id=FlowRunFilterDeploymentId(any_=[deployment]))
    found: list[Any] = client.read_flow_runs(flow_run_filter=mine)
    return found
