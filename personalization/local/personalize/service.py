"""The whole of the local Personalize: its records, its workers and its table of handlers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from personalization.aws import Clients
from personalization.local.pace import Pace
from personalization.local.personalize import tagging
from personalization.local.personalize.batch import BatchJobs
from personalization.local.personalize.contents import Warehouse
from personalization.local.personalize.datasets import Datasets
from personalization.local.personalize.kinds import KINDS
from personalization.local.personalize.operations import Operations
from personalization.local.personalize.recipes import Catalogue
from personalization.local.personalize.records import Records
from personalization.local.personalize.solutions import Solutions
from personalization.local.personalize.training import TrainingInput
from personalization.local.wire import Handler, Service
from personalization.shapes import service_model

WORKERS = 2  # imports, trainings and batch jobs at a time; requests have threads of their own


class Personalize(Service):
    """Personalize's control plane.

    What needs a running model (campaigns, recommenders, filters, events) can be listed and is never
    there; creating it answers 501.
    """

    def __init__(self, clients: Clients, pace: Pace) -> None:
        model = service_model("personalize")
        records, warehouse = Records(), Warehouse()
        self._executor = ThreadPoolExecutor(WORKERS, thread_name_prefix="personalize-work")
        operations = Operations(model, records, pace, self._executor)
        datasets = Datasets(records, warehouse, clients, pace)
        solutions = Solutions(records, TrainingInput(records, warehouse), pace)
        behaviours = {
            **datasets.behaviours(),
            **solutions.behaviours(),
            **BatchJobs(clients).behaviours(),
        }
        # What can be tagged: what takes tags when it is created.
        taggable = frozenset(
            name
            for name in KINDS
            if "tags" in model.operation_model(f"Create{name}").input_shape.members
        )
        handlers: dict[str, Handler] = {
            **dict(datasets.handlers()),
            **dict(solutions.handlers()),
            **dict(Catalogue().handlers()),
            **dict(tagging.handlers(records, taggable)),
        }
        for name, kind in KINDS.items():
            handlers |= dict(operations.handlers(kind, behaviours.get(name)))
        super().__init__("personalize", handlers)

    def close(self) -> None:
        """Drop the work that has not begun and wait for what has."""
        self._executor.shutdown(cancel_futures=True)


def control_plane(clients: Clients, pace: Pace) -> Service:
    """Return the service that answers for `personalize`."""
    return Personalize(clients, pace)


def runtime(_: Clients, __: Pace) -> Service:
    """Return the service for `personalize-runtime`: it has nothing to serve and says so."""
    return Service("personalize-runtime", {})


def events(_: Clients, __: Pace) -> Service:
    """Return the service for `personalize-events`: it takes no events and says so."""
    return Service("personalize-events", {})
