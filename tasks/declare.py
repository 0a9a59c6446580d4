"""Turn the parameter file, and what lies beside it, into declared resources."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError
from prefect import get_run_logger, task

from blocks.aws import clients
from personalization.aws import NOT_THERE, S3Path, aws_errors, error_code
from personalization.config import ParameterFile, load
from personalization.datasets.locate import DataFiles, locate
from personalization.errors import ConfigError
from personalization.objects import head
from personalization.resources import Resource, declared
from personalization.resources.desired import job_input
from personalization.telling import group_named_in
from tasks.retrying import NETWORK
from tasks.telling import note_group
from tasks.uploads import PARAMETER_FILE, checked


@task(task_run_name="read-{uri}", **NETWORK)
def read_parameter_file(uri: str, credentials: str | None) -> ParameterFile:
    """Return the checked parameter file; raises ConfigError with everything that is wrong in it.

    What is wrong is told beside the file, too.
    """
    path, s3 = S3Path.parse(uri), clients(credentials)("s3")
    if last_modified(path, credentials) is None:
        meant = S3Path(path.bucket, unquote_plus(path.key))
        there = meant != path and last_modified(meant, credentials)
        hint = f"did you mean {meant}?" if there else "upload it, or correct the path"
        raise ConfigError(f"there is no parameter file at {uri}; {hint}")
    with aws_errors(f"reading {uri}"):
        answer = s3.get_object(Bucket=path.bucket, Key=path.key)
        text = answer["Body"].read()
    note_group(group_named_in(text))
    with checked(PARAMETER_FILE, path, credentials, answer):
        file = load(text, source=uri)
    name = file.dataset_group.service_config["name"]
    get_run_logger().info("%s declares dataset group %s", uri, name)
    return file


@task(task_run_name="locate-data-{uri}", **NETWORK)
def locate_data(uri: str, credentials: str | None) -> dict[str, DataFiles]:
    """Return the CSVs beside the parameter file, by dataset type."""
    found = locate(S3Path.parse(uri), clients(credentials)("s3"))
    for dataset, files in found.items():
        size = sum(file.size for file in files.files)
        get_run_logger().info("%s: %d file(s), %d bytes", dataset, len(files.files), size)
    return found


@task(task_run_name="declare-{uri}", **NETWORK)
def declare(
    uri: str,
    file: ParameterFile,
    data: Mapping[str, DataFiles],
    role_arn: str,
    now: dt.datetime,
    credentials: str | None,
) -> tuple[Resource, ...]:
    """Return everything that the file at `uri` declares, parents before children.

    A solution with batch jobs but without a `job_config.json` gets none, and a warning says so.
    """
    bucket = S3Path.parse(uri).bucket
    group = file.dataset_group.service_config["name"]
    changed: dict[str, dt.datetime] = {}
    for solution in file.solutions:
        if not (solution.batch_inference_jobs or solution.batch_segment_jobs):
            continue
        name = solution.service_config["name"]
        path = job_input(bucket, group, name)
        if modified := last_modified(path, credentials):
            changed[name] = modified
        else:
            get_run_logger().warning("no batch job for %s: there is no %s", name, path)
    return declared(file, data, bucket=bucket, role_arn=role_arn, now=now, inputs_changed=changed)


def last_modified(path: S3Path, credentials: str | None) -> dt.datetime | None:
    """Return when the object was last written, None if there is no such object.

    Raises ConfigError if there is no such bucket.
    """
    s3 = clients(credentials)("s3")
    if there := head(s3, path):
        modified: dt.datetime = there["LastModified"]
        return modified
    with aws_errors(f"looking for {path}"):
        try:
            s3.head_bucket(Bucket=path.bucket)
        except ClientError as error:
            if error_code(error) in NOT_THERE:
                raise ConfigError(f"there is no bucket {path.bucket}; correct its name") from error
            raise
    return None
