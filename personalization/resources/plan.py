"""The plan: for every declared resource what would be done, and why, before anything is done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from personalization.resources.account import Account
from personalization.resources.deciding import Action, Policy, decide
from personalization.resources.desired import Resource
from personalization.resources.kinds import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    DATASET_IMPORT_JOB,
    SOLUTION_VERSION,
)

# What leaves a resource as it is.
_QUIET: frozenset[Action] = frozenset({"keep", "leave out"})


@dataclass(frozen=True)
class Step:
    """What is to be done about one resource."""

    resource: Resource
    action: Action
    reason: str
    arn: str = ""


@dataclass(frozen=True)
class Plan:
    """All steps, parents before children."""

    steps: tuple[Step, ...]

    @property
    def changes(self) -> tuple[Step, ...]:
        """The steps that do something."""
        return tuple(step for step in self.steps if step.action not in _QUIET)

    @property
    def blocked(self) -> tuple[Step, ...]:
        """The steps that cannot be taken until a person has done something."""
        return tuple(step for step in self.steps if step.action == "blocked")

    @property
    def importing(self) -> tuple[str, ...]:
        """The datasets that are to be imported: `interactions`, `items`, `users`."""
        imports = [it.resource for it in self.changes if it.resource.kind == DATASET_IMPORT_JOB]
        return tuple(it.references["datasetArn"].rpartition("/")[2].lower() for it in imports)

    @property
    def batching(self) -> tuple[str, ...]:
        """The solutions that are to get a batch job."""
        jobs = (BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB)
        changing = [it.resource for it in self.changes if it.resource.kind in jobs]
        versions = {it.references["solutionVersionArn"] for it in changing}
        return tuple(sorted(key.partition("/")[2] for key in versions))

    def rows(self) -> list[dict[str, str]]:
        """Return the plan as a table: kind, name, action, reason."""
        return [
            {
                "kind": step.resource.kind.title,
                "name": step.resource.name,
                "action": step.action,
                "reason": step.reason,
            }
            for step in self.steps
        ]

    def as_told(self, rows: Iterable[Mapping[str, str]]) -> Plan:
        """Return this plan with the actions and reasons of an earlier telling of it.

        rows  what `rows` returned then; what is not among them stays as it is
        A run that comes back to its work finds its own doings: to it, all would be to be kept.
        """
        told = {_row_key(it["kind"], it["name"]): it for it in rows}
        steps = []
        for step in self.steps:
            row = told.get(_row_key(step.resource.kind.title, step.resource.name))
            again = {"action": row["action"], "reason": row["reason"]} if row else {}
            steps.append(replace(step, **again))  # type: ignore[arg-type]
        return Plan(tuple(steps))

    def waves(self) -> Iterator[tuple[Resource, ...]]:
        """Yield groups of resources that need nothing but earlier groups."""
        left = [step.resource for step in self.steps if step.action != "leave out"]
        done: set[str] = set()
        while left:
            wave = tuple(resource for resource in left if resource.needs <= done)
            if not wave:
                names = ", ".join(resource.key for resource in left)
                raise ValueError(
                    f"these resources need each other or something undeclared: {names}"
                )
            yield wave
            done |= {resource.key for resource in wave}
            left = [resource for resource in left if resource.key not in done]


def _row_key(kind: str, name: str) -> tuple[str, str]:
    # An import is named for its data, too, which may have changed since.
    return kind, re.sub(r"(\d{4}(?:_\d\d){5})_[0-9a-f]{10}$", r"\1", name)


def plan(personalize: Any, account: Account, resources: Sequence[Resource], policy: Policy) -> Plan:
    """Return what would be done about each resource.  Changes nothing.

    resources  parents before children
    """
    steps: dict[str, Step] = {}
    arns: dict[str, str] = {}
    for resource in resources:
        step = _step(personalize, account, resource, steps, arns, policy)
        steps[resource.key] = step
        if step.arn:
            arns[resource.key] = step.arn
    return Plan(tuple(steps.values()))


def _step(
    personalize: Any,
    account: Account,
    resource: Resource,
    steps: dict[str, Step],
    arns: dict[str, str],
    policy: Policy,
) -> Step:
    parents = [steps[key] for key in resource.needs if key in steps]
    if stuck := [it.resource.key for it in parents if it.action == "blocked"]:
        return Step(resource, "blocked", f"waits for {', '.join(sorted(stuck))}, which is blocked")
    decision = decide(personalize, account, resource, arns, policy)
    arn = decision.found.arn if decision.found else ""
    coming = [it.resource for it in parents if it.action in ("create", "retrain", "import", "wait")]
    if resource.kind == SOLUTION_VERSION and decision.action == "keep" and coming:
        if policy.retrain == "new-data" and any(it.content for it in coming):
            return Step(resource, "retrain", "new data will have been imported", arn)
    elif decision.action == "keep" and any(it.kind == SOLUTION_VERSION for it in coming):
        return Step(resource, "create", "there will be a newer solution version", "")
    return Step(resource, decision.action, decision.reason, arn)
