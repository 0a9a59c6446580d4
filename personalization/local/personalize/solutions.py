"""Solutions and their versions: what to learn, and the learning."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from personalization.local.engine import Model
from personalization.local.pace import Pace
from personalization.local.personalize import recipes
from personalization.local.personalize.kinds import KINDS
from personalization.local.personalize.operations import Behaviour, Call, eight_hex
from personalization.local.personalize.progress import (
    ACTIVE,
    IN_PROGRESS,
    PENDING,
    STOPPED,
    STOPPING,
    Progress,
)
from personalization.local.personalize.records import Record, Records, in_use, invalid
from personalization.local.personalize.training import TrainingInput
from personalization.local.wire import Context, Handler, ServiceError

# What CreateSolution takes and nothing here does: to ignore it would be to pretend.
_UNDONE: Final = ("performHPO", "performAutoML", "performIncrementalUpdate")
_UNDONE_CONFIG: Final = (
    "hpoConfig",
    "autoMLConfig",
    "optimizationObjective",
    "featureTransformationParameters",
)
# Source: Personalize developer guide, "Updating a solution version" (trainingMode UPDATE).
_CAN_UPDATE: Final = frozenset({"aws-user-personalization"})


@dataclass(frozen=True)
class Trained:
    """A finished version: the model, GetSolutionMetrics' answer, and hours of work."""

    model: Model
    metrics: dict[str, float]
    hours: float


class Solutions:
    """The behaviours of solutions and solution versions."""

    def __init__(self, records: Records, training: TrainingInput, pace: Pace) -> None:
        self._records = records
        self._training = training
        self._pace = pace

    def behaviours(self) -> dict[str, Behaviour]:
        """Return them by kind."""
        return {
            "Solution": Behaviour(
                self._new_solution, more=self._latest_version, keeps=self._keeps_solution
            ),
            "SolutionVersion": Behaviour(
                self._new_version,
                resource=lambda call, _: f"{_name(call.parents['solutionArn'])}/{eight_hex()}",
                work=self._learning,
                more=_hours,
            ),
        }

    def handlers(self) -> Iterator[tuple[str, Handler]]:
        """Yield what is more than Create, Describe, List and Delete."""
        yield "UpdateSolution", self._update
        yield "StopSolutionVersionCreation", self._stop
        yield "GetSolutionMetrics", self._metrics

    def _new_solution(self, call: Call) -> dict[str, Any]:
        params = call.params
        config = params.get("solutionConfig", {})
        asked = [name for name in _UNDONE if params.get(name)]
        asked += [f"solutionConfig.{name}" for name in _UNDONE_CONFIG if config.get(name)]
        events = config.get("eventsConfig", {}).get("eventParametersList", [])
        if len({event.get("weight", 1.0) for event in events}) > 1:
            asked.append("different weights in solutionConfig.eventsConfig")
        if asked:
            said = f"the local AWS does not do {', '.join(asked)}"
            raise ServiceError("NotImplementedException", said, 501)
        if "recipeArn" not in params:
            raise invalid("A solution needs a recipeArn, unless performAutoML is true.")
        learner = recipes.learner(params["recipeArn"])
        unknown = set(config.get("algorithmHyperParameters", {})) - learner.hyperparameters
        if unknown:
            known = ", ".join(sorted(learner.hyperparameters)) or "none"
            strange = ", ".join(sorted(unknown))
            raise invalid(f"{learner.name} has no hyperparameters {strange}; it has {known}")
        # performAutoTraining is true by default, as on AWS; nothing here trains by the clock.
        defaults = dict.fromkeys(_UNDONE, False) | {"performAutoTraining": True}
        return {**defaults, **params}

    def _new_version(self, call: Call) -> dict[str, Any]:
        solution = call.parents["solutionArn"]
        mode = call.params.get("trainingMode", "FULL")
        if mode == "AUTOTRAIN":
            raise invalid("AUTOTRAIN is Personalize's own; ask for FULL or UPDATE")
        if mode == "UPDATE":
            self._check_update(solution)
        inherited = {
            name: value
            for name, value in solution.attributes.items()
            if name not in ("name", "performAutoTraining")
        }
        return {**inherited, **call.params, "trainingMode": mode, "trainingType": "MANUAL"}

    def _check_update(self, solution: Record) -> None:
        name = recipes.learner(solution.attributes["recipeArn"]).name
        if name not in _CAN_UPDATE:
            raise invalid(f"{name} does not support the training mode UPDATE; use FULL")
        versions = self._records.all(KINDS["SolutionVersion"], solutionArn=solution.arn)
        if not any(version.status == ACTIVE for version in versions):
            raise invalid(f"{solution.arn} has no version to update; train it with FULL first")

    def _learning(self, _: Call, version: Record) -> Callable[[], Trained]:
        """Return the work of a version.  UPDATE learns from everything, too: it only costs more."""
        learner = recipes.learner(version.attributes["recipeArn"])
        config = version.attributes.get("solutionConfig", {})
        hyperparameters = config.get("algorithmHyperParameters", {})

        def work() -> Trained:
            began = time.monotonic()
            data = self._training.data(version, learner.recipe_type)
            model = learner.fit(data, hyperparameters)
            metrics = learner.metrics(data, hyperparameters)
            return Trained(model, metrics, (time.monotonic() - began) / 3600)

        return work

    def _latest_version(self, solution: Record) -> dict[str, Any]:
        versions = list(self._records.all(KINDS["SolutionVersion"], solutionArn=solution.arn))
        return {"latestSolutionVersion": _summary(versions[-1])} if versions else {}

    def _keeps_solution(self, solution: Record) -> str | None:
        versions = self._records.all(KINDS["SolutionVersion"], solutionArn=solution.arn)
        arns = set()
        for version in versions:
            arns.add(version.arn)
            if not version.settled:
                return f"Resource Arn {version.arn} is {version.status}."
        for name in ("Campaign", "BatchSegmentJob", "BatchInferenceJob"):
            for user in self._records.all(KINDS[name]):
                busy = name == "Campaign" or not user.settled
                if busy and user.attributes["solutionVersionArn"] in arns:
                    return f"Resource Arn {solution.arn} is used by {user.arn}."
        return None

    def _update(self, context: Context) -> Mapping[str, Any]:
        params = context.params
        with self._records.lock:
            arn = params["solutionArn"]
            solution = self._records.find(KINDS["Solution"], arn, context.region)
            if solution.status != ACTIVE:
                raise in_use(f"Resource Arn {arn} is not ACTIVE but {solution.status}.")
            under_way, _ = solution.updates.get("latestSolutionUpdate", (None, {}))
            if under_way is not None and under_way.state != ACTIVE:
                raise in_use(f"Resource Arn {arn} is being updated.")
            if params.get("performIncrementalUpdate"):
                said = "the local AWS does not do performIncrementalUpdate"
                raise ServiceError("NotImplementedException", said, 501)
            change = {name: v for name, v in params.items() if name != "solutionArn"}
            begun = {**change, "creationDateTime": dt.datetime.now(dt.UTC)}
            solution.updates["latestSolutionUpdate"] = (Progress(self._pace), begun)
            if "performAutoTraining" in change:
                solution.attributes["performAutoTraining"] = change["performAutoTraining"]
            config = change.get("solutionUpdateConfig", {})
            solution.attributes["solutionConfig"] = {
                **solution.attributes.get("solutionConfig", {}),
                **config,
            }
        return {"solutionArn": arn}

    def _stop(self, context: Context) -> Mapping[str, Any]:
        with self._records.lock:
            arn = context.params["solutionVersionArn"]
            version = self._records.find(KINDS["SolutionVersion"], arn, context.region)
            ways = {PENDING: (STOPPED,), IN_PROGRESS: (STOPPING, STOPPED)}
            if version.progress is None or version.status not in ways:
                raise in_use(f"Resource Arn {arn} is {version.status}: there is nothing to stop.")
            version.progress.divert(ways[version.status])
            version.work = None  # what has begun ends unheeded: threads cannot be stopped
        return {}

    def _metrics(self, context: Context) -> Mapping[str, Any]:
        arn = context.params["solutionVersionArn"]
        version = self._records.find(KINDS["SolutionVersion"], arn, context.region)
        return {"solutionVersionArn": arn, "metrics": trained(version).metrics}


def trained(version: Record) -> Trained:
    """Return what an ACTIVE version learned; raises ResourceInUseException before that."""
    if version.status != ACTIVE or version.work is None:
        raise in_use(f"Resource Arn {version.arn} is not ACTIVE but {version.status}.")
    result: Trained = version.work.result()
    return result


def _hours(version: Record) -> dict[str, Any]:
    return {"trainingHours": trained(version).hours} if version.status == ACTIVE else {}


def _summary(version: Record) -> dict[str, Any]:
    """Return a version as shape `SolutionVersionSummary` shows it."""
    shown = version.shown()
    names = ("status", "trainingMode", "trainingType", "creationDateTime", "lastUpdatedDateTime")
    facts = {name: shown[name] for name in (*names, "failureReason")}
    return {"solutionVersionArn": version.arn, **facts}


def _name(solution: Record) -> str:
    return str(solution.attributes["name"])
