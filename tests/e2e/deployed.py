"""Runs of deployments, taken up in this process as a worker's child would, one process a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID, uuid4

from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from pydantic import BaseModel

from tasks.suspending import TAG


@dataclass(frozen=True)
class DeployedRun:
    """One flow run of a deployment."""

    flow: Flow[..., Any]
    id: UUID

    def step(self) -> State[Any]:
        """Let a process take it up, and return the state it was left in."""
        run = self.read()
        try:
            ended: State[Any] = run_flow(  # type: ignore[assignment]
                self.flow, flow_run=run, parameters=run.parameters, return_type="state"
            )
        except Pause:
            ended = cast("State[Any]", self.read().state)
        return ended

    def resume(self) -> None:
        """Do what the timer does."""
        with get_client(sync_client=True) as client:
            client.resume_flow_run(self.id)

    def to_the_end(self, most: int = 60) -> tuple[State[Any], int]:
        """Take it up and resume it until it has ended; return how, and how often it was resumed."""
        for resumed in range(most):
            state = self.step()
            if not state.is_paused():
                return state, resumed
            self.resume()
        raise AssertionError(f"still going on after {most} resumes")

    def read(self) -> FlowRun:
        with get_client(sync_client=True) as client:
            return client.read_flow_run(self.id)


def deployed_run(
    flow: Flow[..., Any], parameters: BaseModel, tags: tuple[str, ...] = (TAG,)
) -> DeployedRun:
    """Return a scheduled run of a deployment made for it."""
    given = {"parameters": parameters.model_dump(mode="json")}
    with get_client(sync_client=True) as client:
        deployment = client.create_deployment(
            flow_id=client.create_flow(flow), name=f"it-{uuid4()}", tags=list(tags)
        )
        run = client.create_flow_run_from_deployment(deployment, parameters=given, tags=list(tags))
    return DeployedRun(flow, run.id)
