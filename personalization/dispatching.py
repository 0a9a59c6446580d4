"""What a batch job's input or output calls for: which flows, for what, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from personalization.aws import S3Path, aws_errors
from personalization.errors import ConfigError, Finding
from personalization.objects import as_folder, content, folders
from personalization.resources import Account, Found, look
from personalization.resources.account import NAME
from personalization.resources.actual import active_version, every
from personalization.resources.batch import output_folder
from personalization.resources.kinds import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    SOLUTION,
)
from personalization.sync import job as connector_job
from personalization.sync.layout import JOB_TYPES, JobPath

_LATER: Final = "`sweep` starts its batch job when it is trained"
_INPUT: Final = re.compile(r"batch/(?P<group>[^/]+)/(?P<solution>[^/]+)/job_config\.json")
_OUTPUT: Final = re.compile(r"batch/[^/]+/(?P<solution>[^/]+)/.+/[^/]+\.out")
# A job that writes to a folder of another name is looked for among so many of the newest.
_MOST_JOBS: Final = 50


@dataclass(frozen=True)
class Call:
    """A run that is to be started.

    parameters  of the flow, as JSON
    once        the run is started once for all calls that say the same here
    """

    flow: str
    parameters: dict[str, Any]
    once: str
    why: str


@dataclass(frozen=True)
class Calls:
    """What is to be started.

    idle      why nothing is, if nothing is
    findings  what is wrong in files of people that decide about it
    """

    calls: tuple[Call, ...] = ()
    idle: str = ""
    findings: tuple[Finding, ...] = field(default=())


def for_input(personalize: Any, account: Account, path: S3Path, version: str) -> Calls:
    """Return the batch job of the solution whose input has been uploaded.

    version  which upload it is
    Nothing is called for while the solution has no ACTIVE version.  Raises ConfigError for
    an input where no solution has one.
    """
    found = _INPUT.fullmatch(path.key)
    if not found:
        raise ConfigError(
            f"{path} is nobody's input; the input of a solution's batch jobs lies at "
            f"s3://{path.bucket}/batch/<dataset group>/<solution>/job_config.json"
        )
    name = found["solution"]
    described = NAME.fullmatch(name) and look(personalize, SOLUTION, account.arn(SOLUTION, name))
    if not described:
        return Calls(idle=f"there is no solution {name} yet; {_LATER}")
    if active_version(personalize, account, name) is None:
        return Calls(idle=f"solution {name} is not trained yet; {_LATER}")
    kind = _recipe_type(personalize, described)
    flow = "batch-segment" if kind == "USER_SEGMENTATION" else "batch-inference"
    given = {"bucket": path.bucket, "dataset_group": found["group"], "solution": name}
    why = f"the recipe of {name} is of type {kind}"
    return Calls((Call(flow, given, f"{path} {version}", why),))


def _recipe_type(personalize: Any, solution: Found) -> str:
    arn = solution.description["recipeArn"]
    with aws_errors(f"describing {arn}"):
        return str(personalize.describe_recipe(recipeArn=arn)["recipe"]["recipeType"])


def job_of(personalize: Any, account: Account, output: S3Path) -> Found | None:
    """Return the batch job that writes to the folder of an `.out` file, None if none does.

    Only what lies below batch/<dataset group>/<solution>/ is looked into: to look through the
    account's jobs takes a hundred calls of those that trainings need, too.
    """
    folder, found = output.parent, _OUTPUT.fullmatch(output.key)
    name = found["solution"] if found else ""
    if not NAME.fullmatch(name) or look(personalize, SOLUTION, account.arn(SOLUTION, name)) is None:
        return None
    if NAME.fullmatch(folder.name):
        for kind in (BATCH_SEGMENT_JOB, BATCH_INFERENCE_JOB):
            named = look(personalize, kind, account.arn(kind, folder.name))
            if named and _writes_to(named, folder):
                return named
    for kind in (BATCH_SEGMENT_JOB, BATCH_INFERENCE_JOB):
        for summary in every(personalize, kind)[:_MOST_JOBS]:
            job = look(personalize, kind, summary[kind.arn_member])
            if job and _writes_to(job, folder):
                return job
    return None


def _writes_to(job: Found, folder: S3Path) -> bool:
    return as_folder(output_folder(job)) == folder


def for_output(s3: Any, job: Found, settings: dict[str, Any]) -> Calls:
    """Return what is made of the output of a finished job.

    settings  of `postprocess`, for a segment job
    A segment job's audiences are made, and every connector job is run whose `batchInferencePath` is
    the output's folder or the one around it.
    """
    folder = as_folder(output_folder(job))
    calls: list[Call] = []
    if job.kind == BATCH_SEGMENT_JOB:
        given = {**settings, "output": str(folder)}
        calls.append(Call("postprocess", given, job.arn, f"{job.arn} names users"))
    findings: list[Finding] = []
    for path, wanted in _connector_jobs(s3, folder.bucket, findings):
        if wanted in (folder, folder.parent):
            why = f"{path.config} names {wanted}"
            given = {"job": str(path.folder)}
            calls.append(Call("connector-sync", given, f"{path.folder} {job.arn}", why))
    idle = "" if calls else f"no connector job of s3://{folder.bucket}/etl_jobs/ names {folder}"
    return Calls(tuple(calls), idle, tuple(findings))


def _connector_jobs(
    s3: Any, bucket: str, findings: list[Finding]
) -> Iterator[tuple[JobPath, S3Path]]:
    """Yield each connector job of the bucket and which folder it reads.

    What is wrong with a job that cannot be read is added to the findings.
    """
    for kind in JOB_TYPES:
        for folder in folders(s3, S3Path(bucket, f"etl_jobs/{kind}/")):
            path = JobPath.parse(str(folder))
            config = content(s3, path.config)
            if config is None:
                continue
            checked = connector_job.check(config.data, str(path.config), job_type=path.type)
            if checked.job:
                yield path, S3Path.parse(checked.job.batch_inference_path)
            else:
                findings += [it for it in checked.findings if it.severity == "error"]
