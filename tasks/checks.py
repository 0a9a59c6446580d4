"""Check what was uploaded before anything is paid for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from prefect import get_run_logger, task

from blocks.aws import clients
from personalization import schemas
from personalization.aws import S3Path, aws_errors
from personalization.config import ParameterFile, by_arn, check_job_input
from personalization.datasets import DataFiles, avro_schemas, check, wanted_of
from personalization.errors import ConfigError, Finding
from personalization.parameters import TrainParameters
from personalization.resources import Account, Plan, imported_before
from personalization.resources.desired import job_input
from tasks.artifacts import finding_rows, show_table
from tasks.retrying import NETWORK
from tasks.uploads import JOB_INPUT, PARAMETER_FILE, checked

# A bigger input is left to Personalize, which answers its bad lines one by one.
MOST_INPUT_BYTES: Final = 64 * 1024 * 1024


# Learns from descriptions alone.
# Source: Personalize developer guide, "Semantic-Similarity recipe" (required datasets).
_WITHOUT_INTERACTIONS: Final = frozenset({"aws-semantic-similarity"})


def check_uploads(
    file: ParameterFile, data: Mapping[str, DataFiles], plan: Plan, parameters: TrainParameters
) -> None:
    """Check all that the plan is about to use; raises ConfigError with what is wrong in it.

    Whoever uploaded the parameter file finds it told beside that file, too.
    """
    credentials, group = parameters.credentials, file.dataset_group.service_config["name"]
    path = S3Path.parse(parameters.file)
    with checked(PARAMETER_FILE, path, credentials):
        check_learnable(file, data, parameters.file, credentials)
        if parameters.check_data and plan.importing:
            check_data(group, file, data, plan.importing, credentials)
        if plan.batching:
            check_job_inputs(group, file, path.bucket, plan.batching, credentials)


@task(task_run_name="check-learnable-{uri}", **NETWORK)
def check_learnable(
    file: ParameterFile, data: Mapping[str, DataFiles], uri: str, credentials: str | None
) -> None:
    """Raise ConfigError if a solution is to learn and there are no interactions to learn from."""
    recipes = [by_arn(it.service_config["recipeArn"]).name for it in file.solutions]
    if "interactions" in data or set(recipes) <= _WITHOUT_INTERACTIONS:
        return
    client = clients(credentials)
    dataset = f"{file.dataset_group.service_config['name']}/INTERACTIONS"
    if not imported_before(client("personalize"), Account.of(client), dataset):
        folder = S3Path.parse(uri).parent
        raise ConfigError(
            f"there are no interactions to learn from: neither {folder / 'interactions.csv'} nor "
            f"{folder / 'interactions/'}*.csv is there; upload them, then run again"
        )


@task(task_run_name="check-data-{group}", **NETWORK)
def check_data(
    group: str,
    file: ParameterFile,
    data: Mapping[str, DataFiles],
    importing: tuple[str, ...],
    credentials: str | None,
) -> tuple[Finding, ...]:
    """Check the CSVs against their schemas and Personalize's limits; leave the findings as a table.

    importing  what is to be imported; interactions are held against items and users
    Returns the warnings.  Raises ConfigError with every error: then nothing has been imported.
    """
    s3, avro = clients(credentials)("s3"), avro_schemas(file)
    if "interactions" not in importing:
        data = {it: data[it] for it in importing}
        avro = {it: avro[it] for it in importing}
    report = check(data, avro, s3=s3, wanted=wanted_of(file))
    show_table(("data", group), finding_rows(report.findings), f"Findings in the data of {group}.")
    for warning in report.warnings:
        get_run_logger().warning("%s", warning)
    report.raise_for_errors()
    return report.warnings


@task(task_run_name="check-job-inputs-{group}", **NETWORK)
def check_job_inputs(
    group: str,
    file: ParameterFile,
    bucket: str,
    solutions: tuple[str, ...],
    credentials: str | None,
) -> None:
    """Check the `job_config.json` of these solutions; raises ConfigError with all that is wrong.

    What is wrong is told beside each of them, too.
    """
    s3 = clients(credentials)("s3")
    items = file.datasets.items if file.datasets else None
    avro = items.schema_.service_config["schema"] if items else None
    wrong: list[Finding] = []
    for solution in file.solutions:
        name = solution.service_config["name"]
        if name in solutions:
            recipe, path = solution.service_config["recipeArn"], job_input(bucket, group, name)
            findings = input_findings(s3, path, recipe, avro)
            try:
                with checked(JOB_INPUT, path, credentials):
                    refuse(findings)
            except ConfigError as error:
                wrong += error.findings
    refuse(wrong)


def input_findings(
    s3: Any, path: S3Path, recipe_arn: str, items: Mapping[str, Any] | None
) -> list[Finding]:
    """Return what is wrong with a batch job's input; `items` is the Avro schema of the items."""
    with aws_errors(f"reading {path}"):
        answer = s3.get_object(Bucket=path.bucket, Key=path.key)
        if answer["ContentLength"] > MOST_INPUT_BYTES:
            get_run_logger().warning("%s is too big to be checked beforehand", path)
            return []
        text = answer["Body"].read()
    schema = schemas.parse(items) if items else None
    return check_job_input(text, str(path), by_arn(recipe_arn).name, items=schema)


def refuse(findings: list[Finding]) -> None:
    """Raise ConfigError if there is an error among the findings; log the rest."""
    for finding in findings:
        if finding.severity == "warning":
            get_run_logger().warning("%s", finding)
    if errors := [finding for finding in findings if finding.severity == "error"]:
        raise ConfigError("the input of a batch job cannot be used", errors)
