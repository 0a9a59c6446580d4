"""Batch jobs: their input before they cost anything, their output when they are done."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from prefect import get_run_logger, task

from blocks.aws import clients
from blocks.settings import role_for
from personalization.errors import ConfigError, FatalError
from personalization.parameters import BatchParameters
from personalization.resources import Account, Policy, Resource, batch_job, look
from personalization.resources.batch import items_schema, output_folder, outputs
from personalization.resources.desired import job_input
from personalization.resources.kinds import SOLUTION, SOLUTION_VERSION, Kind
from tasks.checks import input_findings, refuse
from tasks.declare import last_modified
from tasks.reconcile import ensure_resource, find_version, now, wait_until_active
from tasks.retrying import NETWORK


def run_batch_job(kind: Kind, parameters: BatchParameters) -> tuple[str, ...]:
    """Return the `.out` files of one batch job, found or made, waited for and checked."""
    credentials, solution = parameters.credentials, parameters.solution
    job = declare_job(kind, parameters)
    arns = {f"{SOLUTION_VERSION.name}/{solution}": find_version(solution, credentials)}
    arn = ensure_resource(job, arns, Policy(), credentials)
    ended = wait_until_active(solution, {job.key: (kind, arn)}, parameters.waiting, credentials)
    if (found := ended[job.key]).broken:
        raise FatalError(f"{arn} is {found.status}: {found.why}")
    return find_outputs({arn: kind}, credentials)


@task(task_run_name="declare-{parameters.solution}", **NETWORK)
def declare_job(kind: Kind, parameters: BatchParameters) -> Resource:
    """Return the job that the parameters ask for; its input exists and is sound."""
    client = clients(parameters.credentials)
    path = job_input(parameters.bucket, parameters.dataset_group, parameters.solution)
    changed_at = last_modified(path, parameters.credentials)
    if changed_at is None:
        raise ConfigError(f"there is no batch job input at {path}; upload it, then run again")
    account, personalize = Account.of(client), client("personalize")
    solution = look(personalize, SOLUTION, account.arn(SOLUTION, parameters.solution))
    if solution is None:
        raise ConfigError(f"there is no solution named {parameters.solution}; run `train` first")
    items = items_schema(personalize, account, parameters.dataset_group)
    refuse(input_findings(client("s3"), path, solution.description["recipeArn"], items))
    settings = {"numResults": parameters.num_results, "filterArn": parameters.filter_arn}
    return batch_job(
        kind,
        bucket=parameters.bucket,
        group=parameters.dataset_group,
        solution=parameters.solution,
        settings={key: value for key, value in settings.items() if value is not None},
        role_arn=role_for(parameters.role_arn),
        now=now(),
        references={"solutionVersionArn": f"{SOLUTION_VERSION.name}/{parameters.solution}"},
        # "Again" is said by an input that counts as changed just now.
        changed_at=dt.datetime.now(dt.UTC) if parameters.again else changed_at,
    )


@task(**NETWORK)
def find_outputs(jobs: Mapping[str, Kind], credentials: str | None) -> tuple[str, ...]:
    """Return the S3 URIs of the `.out` files of finished batch jobs.

    jobs  ARN → kind
    Raises FatalError where a job is ACTIVE and its `.out` or `_CHECK` is not there.
    """
    client = clients(credentials)
    found: list[str] = []
    for arn, kind in sorted(jobs.items()):
        if job := look(client("personalize"), kind, arn):
            written = outputs(client("s3"), output_folder(job))
            get_run_logger().info("%s wrote %d file(s)", arn, len(written))
            found += [str(path) for path in written]
    return tuple(found)
