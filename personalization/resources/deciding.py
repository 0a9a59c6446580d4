"""One resource at a time: what stands there, what is declared, and so what to do about it.

Nothing here changes anything.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from personalization.aws import aws_errors
from personalization.resources.account import Account
from personalization.resources.actual import Found, differences, find, look, newest_version
from personalization.resources.desired import Resource
from personalization.resources.kinds import (
    BATCH_INFERENCE_JOB,
    BATCH_SEGMENT_JOB,
    DATASET,
    DATASET_IMPORT_JOB,
    GOING,
    NOT_MANAGED,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
    Kind,
)

Action = Literal["create", "update", "keep", "wait", "retrain", "import", "blocked", "leave out"]
RetrainWhen = Literal["new-data", "never", "always"]

# Jobs, whose names tell when the run began that asked for them.
_NAMED_BY_RUN = (DATASET_IMPORT_JOB, BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB)

# The parameters that UpdateSolution can change; all others are fixed at creation.
# Source: botocore, personalize 2018-05-22, shapes `UpdateSolutionRequest`, `SolutionUpdateConfig`.
_UPDATABLE = ("performAutoTraining", "performIncrementalUpdate")
_UPDATABLE_CONFIG = ("autoTrainingConfig", "eventsConfig")


@dataclass(frozen=True)
class Policy:
    """What a run may do.

    retrain  "new-data": when data was imported after the newest version was made; "always": a new
             version for every run; "never": only where there is none yet
    began    when this run began; under "always", a version younger than that is this run's own
    resumed  when a run began that has come back to its work: what failed since then was its own
             try, which it tells and does not repeat
    repeats  the kinds of which one is to be made again by the calendar; all others must be there
             and are left as they are.  None: everything is brought into being and kept current
    """

    retrain: RetrainWhen = "new-data"
    began: dt.datetime | None = None
    resumed: dt.datetime | None = None
    repeats: frozenset[Kind] | None = None


@dataclass(frozen=True)
class Decision:
    """What to do about one resource, why, and what stands there today."""

    action: Action
    reason: str
    found: Found | None = None
    update: Mapping[str, Any] | None = None


def decide(
    personalize: Any,
    account: Account,
    resource: Resource,
    arns: Mapping[str, str],
    policy: Policy,
) -> Decision:
    """Compare one resource with what exists.  Changes nothing."""
    if resource.kind in NOT_MANAGED:
        return Decision("leave out", f"this version does not manage a {resource.kind.title} yet")
    if policy.resumed and resource.kind in _NAMED_BY_RUN:
        own = look(personalize, resource.kind, account.arn(resource.kind, resource.name))
        if own and own.status not in GOING:
            return Decision("wait", "is what this run has asked for", own)
    if policy.repeats is not None and resource.kind not in policy.repeats:
        return _standing(personalize, account, resource, arns)
    found = find(personalize, account, resource, arns, policy.resumed)
    if found is None:
        return Decision(_making(resource), "does not exist yet")
    if found.status in GOING:
        return Decision("blocked", f"is {found.status}; run again when it is gone", found)
    if found.failed_since(policy.resumed):
        return Decision("wait", "is what this run has tried", found)
    if resource.kind == DATASET_IMPORT_JOB:
        return _import(resource, found)
    if resource.kind == SOLUTION_VERSION:
        return _version(personalize, resource, found, arns, policy)
    if resource.kind in (BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB):
        return _batch_job(resource, found, policy)
    decision = _named(resource, found, arns)
    return _tagged(personalize, resource, decision) if decision.action == "keep" else decision


def _making(resource: Resource) -> Action:
    return "import" if resource.kind == DATASET_IMPORT_JOB else "create"


def _standing(
    personalize: Any, account: Account, resource: Resource, arns: Mapping[str, str]
) -> Decision:
    """Look at what a scheduled run needs and has no business changing."""
    if resource.kind == SOLUTION_VERSION:
        solution = arns.get(resource.references["solutionArn"])
        found = newest_version(personalize, solution) if solution else None
    else:
        found = find(personalize, account, resource, arns)
    way_out = "run `train` with the parameter file first"
    if found is None:
        return Decision("blocked", f"is not there; {way_out}")
    if found.status != "ACTIVE":
        return Decision("blocked", f"is {found.status}; {way_out}", found)
    return Decision("keep", "is there; a scheduled run leaves it as it is", found)


def _import(resource: Resource, found: Found) -> Decision:
    """New data only: the newest import says what is in the dataset."""
    name = str(found.description.get("jobName", ""))
    if found.broken:
        return Decision("import", f"the last import failed: {found.why}", found)
    # What a run that was suspended has imported is its import, whatever was uploaded since.
    if name.endswith(f"_{resource.content}") or _sibling(name) == _sibling(resource.name):
        if found.on_the_way:
            return Decision("wait", f"this data is being imported by {name}", found)
        return Decision("keep", f"this data was imported by {name}", found)
    place = found.description.get("dataSource", {}).get("dataLocation")
    theirs = not _ours(name) and place == resource.parameters["dataSource"]["dataLocation"]
    # S3 tells time in whole seconds: within one second nobody knows which came first.
    if (
        theirs
        and resource.changed_at
        and resource.changed_at < found.created_at.replace(microsecond=0)
    ):
        reason = f"the files have not changed since {name} imported them"
        return Decision("wait" if found.on_the_way else "keep", reason, found)
    return Decision("import", f"the files differ from those that {name} imported", found)


def _sibling(name: str) -> str:
    """Return the import's name without the digest of its data: for one run, one and the same."""
    return name.rpartition("_")[0]


def _ours(name: str) -> bool:
    """Whether the import's name ends in a digest of its data, as the ones made here do."""
    return re.fullmatch(r"dataset_import_[a-z]+_\d{4}(_\d\d){5}_[0-9a-f]{10}", name) is not None


def _version(
    personalize: Any,
    resource: Resource,
    found: Found,
    arns: Mapping[str, str],
    policy: Policy,
) -> Decision:
    if found.broken:
        return Decision("create", f"the last training ended as {found.status}: {found.why}", found)
    if found.on_the_way:
        return Decision("wait", "a version is being trained", found)
    if policy.retrain == "always" and policy.began and found.created_at < policy.began:
        return Decision("retrain", "a new version was asked for", found)
    if policy.retrain == "new-data":
        imports = (arns[key] for key in resource.after if key in arns)
        jobs = (look(personalize, DATASET_IMPORT_JOB, arn) for arn in imports)
        newer = [job for job in jobs if job and job.created_at > found.created_at]
        if newer:
            names = ", ".join(sorted(str(it.description["jobName"]) for it in newer))
            return Decision("retrain", f"data was imported since it was made: {names}", found)
    return Decision("keep", f"the newest version is {found.arn.rpartition('/')[2]}", found)


def _batch_job(resource: Resource, found: Found, policy: Policy) -> Decision:
    name = str(found.description["jobName"])
    if found.broken:
        return Decision("create", f"{name} failed: {found.why}", found)
    # S3 tells time in whole seconds.  A change within the second in which the job was asked for is
    # not seen; to count that second as changed would pay for jobs twice.
    if resource.changed_at and resource.changed_at > found.created_at:
        return Decision("create", f"its input changed after {name}", found)
    if found.on_the_way:
        return Decision("wait", f"{name} is running", found)
    if policy.repeats is not None and policy.began and found.created_at < policy.began:
        return Decision("create", f"it is time to do again what {name} did", found)
    # As old as it was when the run began: what a run waited for is not too old for it.
    when = policy.began or dt.datetime.now(dt.UTC)
    if resource.max_age and found.created_at + resource.max_age < when:
        return Decision("create", f"{name} is older than {resource.max_age}", found)
    return Decision("keep", f"{name} did it with this version and this input", found)


def _named(resource: Resource, found: Found, arns: Mapping[str, str]) -> Decision:
    if found.broken:
        way_out = "delete it or choose another name, then run again"
        return Decision("blocked", f"is {found.status}: {found.why}; {way_out}", found)
    wanted = {k: v for k, v in resource.parameters.items() if k != "tags"}
    actual = dict(found.description)
    if resource.kind == SCHEMA:
        actual["schema"] = json.loads(actual["schema"])
    if resource.kind == DATASET:
        wanted.pop("datasetType")
        schema = resource.references["schemaArn"]
        # A schema that does not exist yet cannot be the dataset's.
        wanted["schemaArn"] = arns.get(schema, f"the schema {schema}, which is new")
    changed = differences(wanted, actual)
    if not changed:
        if found.on_the_way:
            return Decision("wait", f"is {found.update_status or found.status}", found)
        return Decision("keep", "is as declared", found)
    update = _update_for(resource, wanted, changed)
    if update is not None:
        return Decision("update", f"differs in {', '.join(changed)}", found, update)
    return Decision(
        "blocked",
        f"exists and differs in {', '.join(changed)}, which Personalize cannot change: "
        "give it a new name in the parameter file, or delete the old one",
        found,
    )


def _tagged(personalize: Any, resource: Resource, decision: Decision) -> Decision:
    """Return what is to be done about declared tags that are missing or say something else.

    Tags that are not declared stay: others may have set them.
    """
    declared = {it["tagKey"]: it["tagValue"] for it in resource.parameters.get("tags", ())}
    if not declared or decision.found is None:
        return decision
    arn = decision.found.arn
    with aws_errors(f"reading tags of {arn}"):
        answer = personalize.list_tags_for_resource(resourceArn=arn)
    held = {it["tagKey"]: it["tagValue"] for it in answer["tags"]}
    new = {key: value for key, value in declared.items() if held.get(key) != value}
    if not new:
        return decision
    tags = [{"tagKey": key, "tagValue": value} for key, value in new.items()]
    return Decision("update", f"tags differ: {', '.join(new)}", decision.found, {"tags": tags})


def _update_for(
    resource: Resource, wanted: Mapping[str, Any], changed: list[str]
) -> dict[str, Any] | None:
    """Return the parameters of an Update… call that makes up the differences; None if none can."""
    if resource.kind == DATASET and changed == ["schemaArn"]:
        return {"schemaArn": wanted["schemaArn"]}
    if resource.kind != SOLUTION:
        return None
    update: dict[str, Any] = {}
    for path in changed:
        head, _, rest = path.partition(".")
        part = rest.partition(".")[0]
        if head in _UPDATABLE:
            update[head] = wanted[head]
        elif head == "solutionConfig" and part in _UPDATABLE_CONFIG:
            config = update.setdefault("solutionUpdateConfig", {})
            config[part] = wanted["solutionConfig"][part]
        else:
            return None
    return update
