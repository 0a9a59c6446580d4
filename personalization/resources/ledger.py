"""What a run has brought into being so far, and what it could not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from personalization.errors import FatalError
from personalization.resources.actual import Found
from personalization.resources.desired import Resource
from personalization.resources.kinds import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    SOLUTION_VERSION,
    Kind,
)
from personalization.resources.plan import Plan

T = TypeVar("T")


class Ledger:
    """Keeps ARNs and failures by key.  One failure stops its own children and nothing else."""

    def __init__(self, plan: Plan) -> None:
        self._resources = {step.resource.key: step.resource for step in plan.steps}
        self._changing = {step.resource.key for step in plan.changes}
        self.arns = {it.resource.key: it.arn for it in plan.steps if it.action == "keep"}
        self.failures = {it.resource.key: it.reason for it in plan.blocked}

    def ready(self, wave: Iterable[Resource]) -> list[Resource]:
        """Return those of the wave that are to change and whose parents are all there."""
        ready: list[Resource] = []
        for resource in wave:
            if resource.key not in self._changing or resource.key in self.failures:
                continue
            if missing := sorted(resource.needs - self.arns.keys()):
                self.failures[resource.key] = f"not tried, because {', '.join(missing)} failed"
            else:
                ready.append(resource)
        return ready

    def asked(
        self, resources: Sequence[Resource], answers: Sequence[str | BaseException]
    ) -> dict[str, tuple[Kind, str]]:
        """Note what came of asking for each: its ARN, or why not.  Return what to wait for."""
        pending: dict[str, tuple[Kind, str]] = {}
        for resource, answer in zip(resources, answers, strict=True):
            if isinstance(answer, BaseException):
                self.failures[resource.key] = str(answer)
            else:
                pending[resource.key] = (resource.kind, answer)
        return pending

    def ended(self, found: Mapping[str, Found | None]) -> None:
        """Note how resources ended that were waited for; None is one that is gone."""
        for key, it in found.items():
            if it is None:
                self.failures[key] = "vanished while it was waited for; run again to make it anew"
            elif it.status == "ACTIVE" and it.update_status != "CREATE FAILED":
                self.arns[key] = it.arn
            else:
                self.failures[key] = f"{it.arn} is {it.update_status or it.status}: {it.why}"

    def batch_jobs(self, *, new: bool) -> dict[str, Kind]:
        """Return ARN → kind of the batch jobs that were done, in this run (`new`) or before."""
        kinds = {key: self._resources[key].kind for key in self.arns}
        return {
            self.arns[key]: kind
            for key, kind in kinds.items()
            if kind in (BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB) and new == (key in self._changing)
        }

    def told(self, what: str, answer: T | BaseException, otherwise: T) -> T:
        """Return the answer; if there was none, note why and return `otherwise`."""
        if isinstance(answer, BaseException):
            self.failures[what] = str(answer)
            return otherwise
        return answer

    @property
    def new_versions(self) -> dict[str, str]:
        """Solution name → ARN of the version that this run trained or waited for."""
        return {
            resource.name: self.arns[key]
            for key, resource in self._resources.items()
            if resource.kind == SOLUTION_VERSION and key in self._changing and key in self.arns
        }

    def close(self, group: str) -> None:
        """Raise FatalError that names every failure, if there is one."""
        if self.failures:
            lines = "\n".join(f"  - {key}: {why}" for key, why in self.failures.items())
            raise FatalError(
                f"dataset group {group}: {len(self.failures)} resource(s) could not be brought "
                "into being; repair what is named, then run again (what is done stays done)\n"
                f"{lines}"
            )
