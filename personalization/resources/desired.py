"""What the parameter file declares, as resources with references to each other."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from personalization.aws import S3Path
from personalization.config import ParameterFile
from personalization.datasets.locate import DATASETS, DataFiles
from personalization.resources.kinds import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    CAMPAIGN,
    DATASET,
    DATASET_GROUP,
    DATASET_IMPORT_JOB,
    EVENT_TRACKER,
    FILTER,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
    Kind,
)


@dataclass(frozen=True)
class Resource:
    """One resource that should exist.

    name        Personalize's name for it; for a dataset, `group/TYPE`, which is how its ARN ends
    parameters  of its Create… operation, without the references
    references  parameter → key of the resource whose ARN it takes
    after       keys of resources that must be ACTIVE first although no parameter names them
    content     digest of the data it is made from (imports), else empty
    changed_at  when the data it is made from last changed (batch jobs), if known
    max_age     how old it may become before it is made again (batch jobs)
    """

    kind: Kind
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    content: str = ""
    changed_at: dt.datetime | None = None
    max_age: dt.timedelta | None = None

    @property
    def key(self) -> str:
        """What other resources call it: kind and name."""
        return f"{self.kind.name}/{self.name}"

    @property
    def needs(self) -> frozenset[str]:
        """The keys of all that must be ACTIVE before it can be made."""
        return frozenset(self.references.values()) | frozenset(self.after)


_STAMP: Final = "%Y_%m_%d_%H_%M_%S"


def stamp(at: dt.datetime) -> str:
    """Return the time as it stands in the names of jobs: `2026_11_22_14_05_09`, UTC."""
    return at.astimezone(dt.UTC).strftime(_STAMP)


def a_second_later(resource: Resource) -> Resource:
    """Return the same job under the name of the next second; what has no stamp stays as it is."""
    found = re.search(r"\d{4}(_\d\d){5}", resource.name)
    if not found:
        return resource
    old = found.group()
    new = stamp(dt.datetime.strptime(old, _STAMP).replace(tzinfo=dt.UTC) + dt.timedelta(seconds=1))
    parameters = {**resource.parameters, "jobName": resource.name.replace(old, new)}
    if output := parameters.get("jobOutput"):
        path = output["s3DataDestination"]["path"].replace(old, new)
        parameters["jobOutput"] = {"s3DataDestination": {"path": path}}
    return replace(resource, name=parameters["jobName"], parameters=parameters)


def content_of(files: DataFiles) -> str:
    """Return a digest of names, sizes and ETags: equal exactly when the same objects lie there."""
    rows = sorted(f"{file.path}\t{file.size}\t{file.etag}" for file in files.files)
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:10]


def declared(
    file: ParameterFile,
    data: Mapping[str, DataFiles],
    *,
    bucket: str,
    role_arn: str,
    now: dt.datetime,
    inputs_changed: Mapping[str, dt.datetime],
) -> tuple[Resource, ...]:
    """Return all that the file declares, parents before children.

    data            what `datasets.locate` found beside the file; what has no data is not imported
    inputs_changed  solution name → when its `job_config.json` last changed; solutions without one
                    get no batch job
    """
    group = file.dataset_group.service_config["name"]
    group_key = f"{DATASET_GROUP.name}/{group}"
    resources = [Resource(DATASET_GROUP, group, dict(file.dataset_group.service_config))]
    imports: list[str] = []
    for resource in _datasets(file, data, group, role_arn, now):
        resources.append(resource)
        if resource.kind == DATASET_IMPORT_JOB:
            imports.append(resource.key)

    of_group = {"datasetGroupArn": group_key}
    if file.event_tracker:
        config = dict(file.event_tracker.service_config)
        resources.append(Resource(EVENT_TRACKER, config["name"], config, of_group))
    for kind, entries in ((FILTER, file.filters), (RECOMMENDER, file.recommenders)):
        for entry in entries:
            config = dict(entry.service_config)
            resources.append(Resource(kind, config["name"], config, of_group, tuple(imports)))

    for solution in file.solutions:
        config = dict(solution.service_config)
        made = Resource(SOLUTION, config["name"], config, of_group)
        version = Resource(
            SOLUTION_VERSION,
            config["name"],
            dict(solution.solution_version),
            {"solutionArn": made.key},
            tuple(imports),
        )
        resources += [made, version]
        of_version = {"solutionVersionArn": version.key}
        for campaign in solution.campaigns:
            wanted = dict(campaign.service_config)
            resources.append(Resource(CAMPAIGN, wanted["name"], wanted, of_version))
        if changed_at := inputs_changed.get(made.name):
            for kind, jobs in (
                (BATCH_INFERENCE_JOB, solution.batch_inference_jobs),
                (BATCH_SEGMENT_JOB, solution.batch_segment_jobs),
            ):
                resources += [
                    batch_job(
                        kind,
                        bucket=bucket,
                        group=group,
                        solution=made.name,
                        settings=job.service_config,
                        role_arn=role_arn,
                        # Jobs of one solution are named for the second they were asked for.
                        now=now + dt.timedelta(seconds=index),
                        references=of_version,
                        changed_at=changed_at,
                        max_age=job.workflow_config.max_age,
                    )
                    for index, job in enumerate(jobs)
                ]
    return tuple(resources)


def batch_job(
    kind: Kind,
    *,
    bucket: str,
    group: str,
    solution: str,
    settings: Mapping[str, Any],
    role_arn: str,
    now: dt.datetime,
    references: Mapping[str, str],
    changed_at: dt.datetime | None,
    max_age: dt.timedelta | None = None,
) -> Resource:
    """Return a batch job with the names and paths that existing buckets already use.

    Input   s3://{bucket}/batch/{group}/{solution}/job_config.json
    Output  s3://{bucket}/batch/{group}/{solution}/batch_{solution}_{stamp}/
    """
    name = f"batch_{solution}_{stamp(now)}"
    return Resource(
        kind,
        name,
        {
            **settings,
            "jobName": name,
            "roleArn": role_arn,
            "jobInput": {"s3DataSource": {"path": str(job_input(bucket, group, solution))}},
            "jobOutput": {
                "s3DataDestination": {
                    "path": f"{job_input(bucket, group, solution).parent / name}/"
                }
            },
        },
        references,
        changed_at=changed_at,
        max_age=max_age,
    )


def job_input(bucket: str, group: str, solution: str) -> S3Path:
    """Return where the input of a solution's batch jobs lies."""
    return S3Path(bucket, f"batch/{group}/{solution}/job_config.json")


def _datasets(
    file: ParameterFile,
    data: Mapping[str, DataFiles],
    group: str,
    role_arn: str,
    now: dt.datetime,
) -> Iterator[Resource]:
    if not file.datasets:
        return
    settings = dict(file.datasets.service_config)
    for dataset in DATASETS:
        entry = getattr(file.datasets, dataset)
        if not entry:
            continue
        schema = Resource(
            SCHEMA, entry.schema_.service_config["name"], entry.schema_.service_config
        )
        made = Resource(
            DATASET,
            f"{group}/{dataset.upper()}",
            {**entry.dataset.service_config, "datasetType": dataset.capitalize()},
            {
                "datasetGroupArn": f"{DATASET_GROUP.name}/{group}",
                "schemaArn": schema.key,
            },
        )
        yield schema
        yield made
        if dataset in data:
            content = content_of(data[dataset])
            name = f"dataset_import_{dataset}_{stamp(now)}_{content}"
            yield Resource(
                DATASET_IMPORT_JOB,
                name,
                {
                    **settings,
                    "jobName": name,
                    "roleArn": role_arn,
                    "dataSource": {"dataLocation": data[dataset].location},
                },
                {"datasetArn": made.key},
                content=content,
                changed_at=max(entry.last_modified for entry in data[dataset].files),
            )
