"""Policies, as far as the doctor reads them or has IAM simulate them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any


@dataclass(frozen=True)
class Question:
    """What IAM is asked.

    context  key of a condition → its value
    """

    actions: tuple[str, ...]
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def refused(iam: Any, arn: str, asked: Iterable[Question]) -> list[str]:
    """Return what the policies of a user or role do not allow.  Nothing is done: IAM simulates."""
    return [
        f"{it['EvalActionName']} on {question.resource}"
        for question in asked
        for it in iam.simulate_principal_policy(
            PolicySourceArn=arn,
            ActionNames=list(question.actions),
            ResourceArns=[question.resource],
            ContextEntries=[
                {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
                for key, value in question.context.items()
            ],
        )["EvaluationResults"]
        if it["EvalDecision"] != "allowed"
    ]


def listed(value: Any) -> list[Any]:
    """Return one or several as several."""
    return list(value) if isinstance(value, list) else [value]


def names_service(statement: Mapping[str, Any], service: str) -> bool:
    """Whether the statement is about the service, by name or as one of all."""
    principal = statement.get("Principal", {})
    if principal == "*":
        return True
    return service in listed(principal.get("Service", []))


def allows(policy: Mapping[str, Any], service: str, action: str, resource: str) -> bool:
    """Whether some statement allows it and none denies it whatever the conditions.

    A condition of an Allow counts as met, one of a Deny as not met: what holds at run time, such as
    the account that Personalize works for, cannot be known here.
    """
    about = [
        it
        for it in listed(policy.get("Statement", []))
        if names_service(it, service)
        and _any_matches(it.get("Action", []), action.lower(), fold=True)
        and _any_matches(it.get("Resource", []), resource)
    ]
    denied = any(it["Effect"] == "Deny" and not it.get("Condition") for it in about)
    return not denied and any(it["Effect"] == "Allow" for it in about)


def _any_matches(patterns: Any, value: str, *, fold: bool = False) -> bool:
    texts = (str(it).lower() if fold else str(it) for it in listed(patterns))
    return any(fnmatchcase(value, it.replace("[", "[[]")) for it in texts)
