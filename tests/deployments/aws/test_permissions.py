"""What the code calls, the roles allow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any, Final

import botocore.session
import pytest
from botocore import xform_name

from personalization.resources import kinds
from personalization.resources.kinds import NOT_MANAGED, Kind
from tests.deployments.aws.cloudformation import ALL_BUT_CLOUD, chosen

ROOT: Final = Path(__file__).parents[3]
# Receivers of calls, as the code spells them, and the service behind each.
SERVICES: Final = {
    "s3": "s3",
    "personalize": "personalize",
    "pinpoint": "pinpoint",
    "profiles": "customer-profiles",
    "sts": "sts",
    "sns": "sns",
    "events": "events",
    "cloudwatch": "cloudwatch",
    "sqs": "sqs",
    "ssm": "ssm",
    "secretsmanager": "secretsmanager",
}
# Operations whose action has another name; those left out here have their own.
# Source: Service Authorization Reference, chapters of Amazon S3 and Amazon SQS.
ACTIONS: Final = {
    "s3:HeadObject": "s3:GetObject",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:DeleteObjects": "s3:DeleteObject",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
PREFIXES: Final = {"customer-profiles": "profile", "pinpoint": "mobiletargeting"}
# boto3's own methods, which make several calls.
TRANSFERS: Final = {
    "download_file": {"s3:GetObject"},
    "upload_file": {"s3:PutObject", "s3:AbortMultipartUpload"},
}
# What runs under neither role: what stands in for AWS, what a person runs, the demo.
PEOPLES: Final = ("cli.py", "demo*.py", "doctor/*", "stack/*", "replaying.py")
RELAYS: Final = ("relay*.py", "relay/*")


def sources() -> Iterator[Path]:
    """Yield the files that run under the worker's or the relay's role."""
    for folder in ("personalization", "tasks", "blocks", "flows", "deployments"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            inside = path.relative_to(ROOT / folder).as_posix()
            if inside.startswith("local/"):
                continue
            if folder == "deployments" and any(fnmatchcase(inside, it) for it in PEOPLES):
                continue
            yield path


@cache
def operations(service: str) -> dict[str, str]:
    """Return the service's operations by the names of boto3's methods."""
    model = botocore.session.get_session().get_service_model(service)
    return {xform_name(name): name for name in model.operation_names}


@cache
def every_method() -> frozenset[str]:
    return frozenset(name for service in SERVICES.values() for name in operations(service))


def service_of(receiver: ast.expr) -> str | None:
    """Return whose client it is: `s3`, `self._profiles`, `client("s3")`, `clients(x)("s3")`."""
    match receiver:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return SERVICES.get(name.lstrip("_"))
        case ast.Call(args=[ast.Constant(value=str() as name), *_]):
            return SERVICES.get(name, name if name in SERVICES.values() else None)
    return None


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """Yield service and operation of every call of AWS in a file; fails on one it cannot place."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method, receiver = node.func.attr, node.func.value
        service = service_of(receiver)
        if method == "get_paginator" and isinstance(node.args[0], ast.Constant):
            method = str(node.args[0].value)
        if method in TRANSFERS and service == "s3":
            yield service, method
        elif service and method in operations(service):
            yield service, operations(service)[method]
        elif not service and method in every_method() and node.keywords and not node.args:
            # boto3 takes its parameters by name, and by name only.
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            pytest.fail(f"{where}: whose {method} is {ast.unparse(receiver)}?")


def by_kind() -> Iterator[str]:
    """Yield the actions that resources/ calls by names it makes of kinds of resource."""
    managed = [it for it in vars(kinds).values() if isinstance(it, Kind) and it not in NOT_MANAGED]
    names = operations("personalize")
    for kind in managed:
        methods = [kind.method("describe"), kind.method("create"), kind.paginator]
        yield from (f"personalize:{names[method]}" for method in methods)
    yield from ("personalize:UpdateDataset", "personalize:UpdateSolution")
    yield from ("personalize:ListTagsForResource", "personalize:TagResource")


def actions(*, of_relay: bool) -> set[str]:
    """Return the actions that the worker, or the relay, needs."""
    needed = set() if of_relay else {*by_kind(), "iam:PassRole"}
    for path in sources():
        inside = path.relative_to(ROOT / path.relative_to(ROOT).parts[0]).as_posix()
        if any(fnmatchcase(inside, it) for it in RELAYS) != of_relay:
            continue
        for service, operation in calls(path):
            if operation in TRANSFERS:
                needed |= TRANSFERS[operation]
                continue
            action = f"{PREFIXES.get(service, service)}:{operation}"
            needed.add(ACTIONS.get(action, action))
    return needed - {"sts:GetCallerIdentity"}  # nobody needs leave for this one


def allowed(policy: str) -> list[str]:
    document = chosen(ALL_BUT_CLOUD)["Resources"][policy]["Properties"]["PolicyDocument"]
    return [action for it in document["Statement"] for action in _listed(it["Action"])]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


@pytest.mark.parametrize(
    ("policy", "of_relay"),
    [("WorkerPolicy", False), ("RelayPolicy", True)],
    ids=["worker", "relay"],
)
def test_what_the_code_calls_is_allowed(policy: str, of_relay: bool):
    patterns = allowed(policy)
    refused = {
        action
        for action in actions(of_relay=of_relay)
        if not any(fnmatchcase(action, pattern) for pattern in patterns)
    }

    assert refused == set()


def test_the_worker_is_allowed_nothing_that_the_code_does_not_call():
    needed = actions(of_relay=False)
    unused = {
        pattern
        for pattern in allowed("WorkerPolicy")
        if not any(fnmatchcase(action, pattern) for action in needed)
    }

    # Reading a version needs an action of its own; keys are used by S3, Parameter Store and SNS.
    assert unused == {"s3:GetObjectVersion", "kms:Decrypt", "kms:GenerateDataKey"}
