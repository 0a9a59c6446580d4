"""What a parameter file repeats by the calendar, and the part of it that a scheduled run needs."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from personalization.aws import S3Path
from personalization.config import DELETE, BatchJob, ParameterFile, Solution
from personalization.errors import ConfigError
from personalization.parameters import Scheduled, TrainParameters
from personalization.resources.deciding import Policy
from personalization.resources.desired import Resource
from personalization.resources.kinds import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    CAMPAIGN,
    DATASET,
    DATASET_IMPORT_JOB,
    SOLUTION_VERSION,
    Kind,
)

# What each kind of schedule makes again.  Campaigns follow the version that was trained.
_REPEATS: Final[Mapping[str, frozenset[Kind]]] = {
    "import": frozenset({DATASET_IMPORT_JOB}),
    "full": frozenset({SOLUTION_VERSION, CAMPAIGN}),
    "update": frozenset({SOLUTION_VERSION, CAMPAIGN}),
    "batch-inference": frozenset({BATCH_INFERENCE_JOB}),
    "batch-segment": frozenset({BATCH_SEGMENT_JOB}),
}

_SLUG: Final = re.compile(
    r"([\w-]+)\.(?:import|(?:full|update|batch-inference|batch-segment)\.[\w-]+(?:\.\d+)?)@(.+)"
)


def schedules_of(file: ParameterFile, bucket: str) -> tuple[Scheduled, ...]:
    """Return all that the file at that bucket repeats; `delete` is none."""
    return tuple(it for it in _all(file, bucket) if it.cron != DELETE)


def slug_of(bucket: str, group: str, kind: str, solution: str | None = None, job: int = 0) -> str:
    """Return what a schedule is called: `films.full.for-you@bucket`.

    Names of Personalize hold neither dots nor @, so no two schedules share one.  A solution's
    second batch job of a kind is `films.batch-segment.genres.2@bucket`.
    """
    parts = [group, kind, *([solution] if solution else []), *([str(job + 1)] if job else [])]
    return f"{'.'.join(parts)}@{bucket}"


def is_slug(text: str) -> bool:
    """Whether a schedule of that name was made from a parameter file."""
    return _SLUG.fullmatch(text) is not None


def belongs(slug: str, file: str, group: str) -> bool:
    """Whether the schedule repeats something of that dataset group, in the bucket of that file."""
    found = _SLUG.fullmatch(slug)
    return found is not None and found.groups() == (group, S3Path.parse(file).bucket)


def part_of(file: ParameterFile, scheduled: Scheduled, bucket: str) -> ParameterFile | None:
    """Return the file with nothing but what is to be repeated; None if it repeats that no more."""
    if scheduled.slug not in {it.slug for it in schedules_of(file, bucket)}:
        return None
    rest = file.model_copy(update={"event_tracker": None, "filters": (), "recommenders": ()})
    if scheduled.kind == "import":
        return rest.model_copy(update={"solutions": ()})
    [solution] = (it for it in file.solutions if it.service_config["name"] == scheduled.solution)
    kept = _part_of_solution(solution, scheduled)
    return rest.model_copy(update={"datasets": None, "solutions": (kept,)})


def wanted_part(file: ParameterFile, parameters: TrainParameters) -> ParameterFile:
    """Return what a run with these parameters is to look after: the file, or a part of it.

    Raises ConfigError if the run is scheduled and the file does not repeat that any more.
    """
    scheduled, path = parameters.scheduled, S3Path.parse(parameters.file)
    if scheduled is None:
        return file
    part = part_of(file, scheduled, path.bucket)
    if part is None:
        raise ConfigError(
            f"{path} has no schedule {scheduled.slug} any more; run `train` with it to remove that"
        )
    return part


def policy_of(
    parameters: TrainParameters, began: dt.datetime, resumed: dt.datetime | None
) -> Policy:
    """Return what a run with these parameters may do."""
    if parameters.scheduled is None:
        return Policy(parameters.retrain, began, resumed)
    # A training by the calendar is made whether there is new data or not: that is what it is for.
    return Policy("always", began, resumed, _REPEATS[parameters.scheduled.kind])


def is_there(scheduled: Scheduled, resources: Sequence[Resource], arns: Mapping[str, str]) -> bool:
    """Whether there is what the schedule repeats.

    resources  all that the file declares
    arns       key → ARN of what is ACTIVE
    """
    if scheduled.kind == "import":
        made = [it for it in resources if it.kind in (DATASET, DATASET_IMPORT_JOB)]
        return bool(made) and all(it.key in arns for it in made)
    version = f"{SOLUTION_VERSION.name}/{scheduled.solution}"
    if scheduled.kind in ("full", "update"):
        return version in arns
    [kind] = _REPEATS[scheduled.kind]
    jobs = [it for it in resources if it.kind == kind and version in it.references.values()]
    return len(jobs) > scheduled.job and jobs[scheduled.job].key in arns


def _all(file: ParameterFile, bucket: str) -> Iterator[Scheduled]:
    group = file.dataset_group.service_config["name"]

    def one(kind: str, cron: str, solution: str | None = None, job: int = 0) -> Scheduled:
        slug = slug_of(bucket, group, kind, solution, job)
        return Scheduled.model_validate(
            {"slug": slug, "kind": kind, "cron": cron, "solution": solution, "job": job}
        )

    if cron := file.dataset_group.workflow_config.schedules.import_:
        yield one("import", cron)
    for solution in file.solutions:
        name = solution.service_config["name"]
        schedules = solution.workflow_config.schedules
        for kind, when in (("full", schedules.full), ("update", schedules.update)):
            if when:
                yield one(kind, when, name)
        for kind in ("batch-inference", "batch-segment"):
            for number, job in enumerate(_jobs(solution, kind)):
                if when := job.workflow_config.schedule:
                    yield one(kind, when, name, number)


def _jobs(solution: Solution, kind: str) -> tuple[BatchJob, ...]:
    return (
        solution.batch_inference_jobs if kind == "batch-inference" else solution.batch_segment_jobs
    )


def _part_of_solution(solution: Solution, scheduled: Scheduled) -> Solution:
    """Return the solution with one training and its campaigns, or with one batch job."""
    if scheduled.kind in ("full", "update"):
        mode = {"trainingMode": scheduled.kind.upper()}
        return solution.model_copy(
            update={
                "solution_version": {**solution.solution_version, **mode},
                "batch_inference_jobs": (),
                "batch_segment_jobs": (),
            }
        )
    job = _jobs(solution, scheduled.kind)[scheduled.job]
    only = {"batch-inference": ((job,), ()), "batch-segment": ((), (job,))}[scheduled.kind]
    return solution.model_copy(
        update={
            "campaigns": (),
            "batch_inference_jobs": only[0],
            "batch_segment_jobs": only[1],
        }
    )
