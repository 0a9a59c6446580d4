"""Deployments that nobody works for: what is started stays scheduled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State

from tasks.suspending import TAG
from tests.flow_runs import runs_of


@dataclass(frozen=True)
class Bare:
    """What was started of each flow."""

    client: SyncPrefectClient
    ids: Mapping[str, Any]

    def runs(self, flow: str) -> list[FlowRun]:
        return runs_of(self.client, self.ids[flow])

    def given(self, flow: str) -> list[dict[str, Any]]:
        """The parameters of its runs, by their text."""
        return sorted((it.parameters["parameters"] for it in self.runs(flow)), key=str)

    def end(self, run: Any, state: State[Any]) -> None:
        self.client.set_flow_run_state(run, state, force=True)


@contextmanager
def bare_deployments(*flows: str) -> Iterator[Bare]:
    """Deploy flows under their own names, and remove the deployments afterwards."""
    with get_client(sync_client=True) as client:
        ids = {}
        for name in flows:
            function = name.replace("-", "_")
            it = getattr(import_module(f"flows.{function}"), function)
            flow_id = client.create_flow(it)
            ids[name] = client.create_deployment(flow_id=flow_id, name=name, tags=[TAG])
        try:
            yield Bare(client, ids)
        finally:
            for id_ in ids.values():
                client.delete_deployment(id_)
