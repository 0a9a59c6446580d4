"""The parameter file as models: what the rest of the library reads.

A `service_config` holds the parameters of the Create… operation, as the service takes them, with
defaults and inherited tags filled in and without those that the workflow supplies (ARNs of parents,
names and paths of jobs).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from personalization.config import ages, schedules, timetables
from personalization.config.sections import SERVICE_CONFIG, SOLUTION_VERSION_KEY, blank
from personalization.errors import ConfigError
from personalization.shapes import brief

ServiceConfig = dict[str, Any]


def _schedule(value: Any) -> Any:
    if isinstance(value, str) and value != schedules.DELETE:
        with _findings():
            timetables.timetable(value)
    elif value is not None and not isinstance(value, str):
        said = brief(value)
        raise PydanticCustomError(
            "finding", "{said}", {"said": f"{said} must be text: {schedules.FORMS}"}
        )
    return value


def _age(value: Any) -> Any:
    if value is None or isinstance(value, dt.timedelta):
        return value
    with _findings(f"{brief(value)} "):
        return ages.parse(value)


@contextmanager
def _findings(prefix: str = "") -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise PydanticCustomError("finding", "{said}", {"said": f"{prefix}{error}"}) from error


def _none_if_blank(value: Any) -> Any:
    return None if blank(value) else value


# The text of a valid `cron(…)`, or the literal `delete`.
Schedule = Annotated[str | None, BeforeValidator(_schedule)]
MaxAge = Annotated[dt.timedelta, BeforeValidator(_age)]


class Part(BaseModel):
    """Base of all: keys as in the file (camelCase), no others, nothing to be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel)


class Named(Part):
    """A resource with parameters and nothing else."""

    service_config: ServiceConfig


class GroupSchedules(Part):
    """When the datasets are imported again."""

    import_: Schedule = Field(None, alias="import")


class GroupWorkflow(Part):
    """How imports are repeated.  `max_age` is that of an import before new data is looked for."""

    schedules: GroupSchedules = GroupSchedules()
    max_age: MaxAge = dt.timedelta(days=365)


class DatasetGroup(Part):
    """CreateDatasetGroup."""

    service_config: ServiceConfig
    workflow_config: GroupWorkflow = GroupWorkflow()


class DatasetEntry(Part):
    """CreateDataset and CreateSchema; the schema's `schema` is an object here, not text."""

    dataset: Named
    schema_: Named = Field(alias="schema")


Entry = Annotated[DatasetEntry | None, BeforeValidator(_none_if_blank)]


class Datasets(Part):
    """Up to three datasets, and in `service_config` what all their import jobs share."""

    service_config: ServiceConfig = Field(default_factory=dict)
    interactions: Entry = None
    items: Entry = None
    users: Entry = None


class JobWorkflow(Part):
    """When a batch job is run again, and how old its last run may be to count instead."""

    schedule: Schedule = None
    max_age: MaxAge | None = None


class BatchJob(Part):
    """CreateBatchInferenceJob or CreateBatchSegmentJob."""

    service_config: ServiceConfig = Field(default_factory=dict)
    workflow_config: JobWorkflow = JobWorkflow()


class SolutionSchedules(Part):
    """When a solution is trained again: from scratch, or with new items only."""

    full: Schedule = None
    update: Schedule = None


class SolutionWorkflow(Part):
    """How trainings are repeated."""

    schedules: SolutionSchedules = SolutionSchedules()


class Solution(Part):
    """CreateSolution, CreateSolutionVersion, and what is made from the version."""

    service_config: ServiceConfig
    # In the file it is a member of serviceConfig; the alias is what a message calls it.
    solution_version: ServiceConfig = Field(
        default_factory=dict, alias=f"{SERVICE_CONFIG}.{SOLUTION_VERSION_KEY}"
    )
    workflow_config: SolutionWorkflow = SolutionWorkflow()
    campaigns: tuple[Named, ...] = ()
    batch_inference_jobs: tuple[BatchJob, ...] = ()
    batch_segment_jobs: tuple[BatchJob, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _version_stands_inside_the_parameters(cls, given: Any) -> Any:
        config = given.get(SERVICE_CONFIG) if isinstance(given, dict) else None
        if not isinstance(config, dict) or SOLUTION_VERSION_KEY not in config:
            return given
        alias = f"{SERVICE_CONFIG}.{SOLUTION_VERSION_KEY}"
        rest = {key: value for key, value in config.items() if key != SOLUTION_VERSION_KEY}
        return given | {SERVICE_CONFIG: rest, alias: config[SOLUTION_VERSION_KEY]}


class ParameterFile(Part):
    """Everything that one file declares about one dataset group."""

    tags: tuple[dict[str, Any], ...] = ()
    dataset_group: DatasetGroup
    datasets: Annotated[Datasets | None, BeforeValidator(_none_if_blank)] = None
    event_tracker: Annotated[Named | None, BeforeValidator(_none_if_blank)] = None
    filters: tuple[Named, ...] = ()
    recommenders: tuple[Named, ...] = ()
    solutions: tuple[Solution, ...] = ()
