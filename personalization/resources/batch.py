"""What a batch job was told, and what it has written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from personalization.aws import S3Path
from personalization.errors import FatalError
from personalization.objects import listing
from personalization.resources.account import Account
from personalization.resources.actual import Found, every, look
from personalization.resources.kinds import DATASET, SCHEMA, SOLUTION, Kind

# Of so many of a solution's newest jobs one is likely to have read the input in question.
_MOST_JOBS: Final = 10
_CHOICES: Final = ("numResults", "filterArn")


def settings_of_last(
    personalize: Any, account: Account, kind: Kind, solution: str, path: S3Path
) -> dict[str, Any]:
    """Return `numResults` and `filterArn` of the solution's newest job that read that input.

    Empty where there is none.  What the parameter file says of its jobs, a run that was started for
    an upload knows from there.
    """
    versions = f"{account.arn(SOLUTION, solution)}/"
    jobs = every(personalize, kind)
    mine = (it for it in jobs if it["solutionVersionArn"].startswith(versions))
    for summary in islice(mine, _MOST_JOBS):
        job = look(personalize, kind, summary[kind.arn_member])
        if job and job.description["jobInput"]["s3DataSource"]["path"] == str(path):
            return {it: job.description[it] for it in _CHOICES if job.description.get(it)}
    return {}


def output_folder(job: Found) -> S3Path:
    """Return the folder that the job writes to."""
    return S3Path.parse(job.description["jobOutput"]["s3DataDestination"]["path"])


def outputs(s3: Any, folder: S3Path) -> tuple[S3Path, ...]:
    """Return the `.out` files of a finished job, in the order of their names.

    Personalize writes `<input name>.out` for each input file, and an empty `_CHECK` at the end.
    What lies in folders below is not its.  Raises FatalError if either is not there.
    """
    there = [it.path for it in listing(s3, folder, deep=False)]
    written = tuple(it for it in there if it.key.endswith(".out"))
    if not written:
        raise FatalError(f"there is no .out file in {folder}; the batch job has written nothing")
    if folder / "_CHECK" not in there:
        raise FatalError(
            f"there is no _CHECK in {folder}, so the output may be incomplete; "
            "wait for the batch job to become ACTIVE, then run again"
        )
    return written


def items_schema(personalize: Any, account: Account, group: str) -> Mapping[str, Any] | None:
    """Return the Avro schema of the group's Items dataset, None if it has none."""
    dataset = look(personalize, DATASET, account.arn(DATASET, f"{group}/ITEMS"))
    if dataset is None:
        return None
    schema = look(personalize, SCHEMA, str(dataset.description["schemaArn"]))
    parsed: Mapping[str, Any] | None = json.loads(schema.description["schema"]) if schema else None
    return parsed
