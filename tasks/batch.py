"""Batch jobs: their input before they cost anything, their output when they are done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import get_run_logger, task

from blocks.aws import clients
from blocks.settings import role_for
from personalization.aws import S3Path
from personalization.errors import ConfigError, FatalError
from personalization.parameters import BatchParameters
from personalization.resources import Account, Policy, Resource, batch_job, look
from personalization.resources.batch import items_schema, output_folder, outputs, settings_of_last
from personalization.resources.desired import job_input
from personalization.resources.kinds import DATASET_GROUP, SOLUTION, SOLUTION_VERSION, Kind
from tasks.checks import input_findings, refuse
from tasks.declare import last_modified
from tasks.reconcile import all_ended, ensure_resource, find_version
from tasks.retrying import NETWORK
from tasks.suspending import ThisRun, this_run
from tasks.uploads import JOB_INPUT, checked


def run_batch_job(kind: Kind, parameters: BatchParameters) -> tuple[str, ...]:
    """Return the `.out` files of one batch job, found or made, waited for and checked."""
    credentials, solution = parameters.credentials, parameters.solution
    run = this_run()
    job = declare_job(kind, parameters, run)
    policy = Policy(began=run.began, resumed=run.tried if run.resumed else None)
    arns = {f"{SOLUTION_VERSION.name}/{solution}": find_version(solution, credentials)}
    arn = ensure_resource(job, arns, policy, credentials)
    ended = all_ended(solution, {job.key: (kind, arn)}, parameters.waiting, run, credentials)
    found = ended[job.key]
    if found is None or found.broken:
        said = f"is {found.status}: {found.why}" if found else "vanished; run again to make it anew"
        raise FatalError(f"{arn} {said}")
    return find_outputs({arn: kind}, {}, credentials)


@task(task_run_name="declare-{parameters.solution}", **NETWORK)
def declare_job(kind: Kind, parameters: BatchParameters, run: ThisRun) -> Resource:
    """Return the job that the parameters ask for; its input exists and is sound."""
    group = parameters.dataset_group
    path = job_input(parameters.bucket, group, parameters.solution)
    changed_at = last_modified(path, parameters.credentials)
    if changed_at is None:
        raise ConfigError(f"there is no batch job input at {path}; upload it, then run again")
    with checked(JOB_INPUT, path, parameters.credentials):
        settings = _settings(kind, parameters, path)
    return batch_job(
        kind,
        bucket=parameters.bucket,
        group=group,
        solution=parameters.solution,
        settings=settings,
        role_arn=role_for(parameters.role_arn),
        now=run.began,
        references={"solutionVersionArn": f"{SOLUTION_VERSION.name}/{parameters.solution}"},
        # "Again" is said by an input that counts as changed when the run started: what was done
        # since is the run's own doing, done before it was suspended.
        changed_at=run.started if parameters.again else changed_at,
    )


def _settings(kind: Kind, parameters: BatchParameters, path: S3Path) -> Mapping[str, Any]:
    """Return how the job is done, once it is known that it can be done with this input.

    What the parameters leave open is done as it was last time, so that a run that an upload has
    started asks for the same job as a `train` beside it.
    """
    client, group = clients(parameters.credentials), parameters.dataset_group
    account, personalize = Account.of(client), client("personalize")
    solution = look(personalize, SOLUTION, account.arn(SOLUTION, parameters.solution))
    if solution is None:
        raise ConfigError(f"there is no solution named {parameters.solution}; run `train` first")
    if solution.description["datasetGroupArn"] != account.arn(DATASET_GROUP, group):
        theirs = solution.description["datasetGroupArn"].rpartition("/")[2]
        raise ConfigError(
            f"solution {parameters.solution} belongs to dataset group {theirs}, not to {group}; "
            f"name {theirs} as the dataset group"
        )
    items = items_schema(personalize, account, group)
    refuse(input_findings(client("s3"), path, solution.description["recipeArn"], items))
    given = {"numResults": parameters.num_results, "filterArn": parameters.filter_arn}
    last = settings_of_last(personalize, account, kind, parameters.solution, path)
    return {**last, **{key: value for key, value in given.items() if value is not None}}


@task(**NETWORK)
def find_outputs(
    new: Mapping[str, Kind], kept: Mapping[str, Kind], credentials: str | None
) -> tuple[str, ...]:
    """Return the S3 URIs of the `.out` files of finished batch jobs.

    new   ARN → kind of jobs that have just finished; FatalError if `.out` or `_CHECK` is missing
    kept  of earlier ones, whose output may have been cleared away since; a warning says so
    """
    client = clients(credentials)
    found: list[str] = []
    for arn, kind in sorted({**new, **kept}.items()):
        job = look(client("personalize"), kind, arn)
        if job is None:
            continue
        try:
            written = outputs(client("s3"), output_folder(job))
        except FatalError as error:
            if arn in new:
                raise
            get_run_logger().warning("%s: %s", arn, error)
            continue
        get_run_logger().info("%s wrote %d file(s)", arn, len(written))
        found += [str(path) for path in written]
    return tuple(found)
