"""The AWS account: whose credentials, which region, how much is left of Personalize's quotas."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from deployments.doctor.outcome import Seen, bad, good
from personalization.aws import Clients, aws_errors
from personalization.errors import FatalError, RetryableError
from personalization.resources.kinds import (
    CAMPAIGN,
    DATASET_GROUP,
    FILTER,
    RECOMMENDER,
    SCHEMA,
    SOLUTION,
    Kind,
)

# How many of each there may be, in a region or in a dataset group.
# Source: Personalize developer guide, "Amazon Personalize endpoints and quotas".
REGIONAL: Final = {DATASET_GROUP: 5, SCHEMA: 500}
OF_A_GROUP: Final = {SOLUTION: 10, CAMPAIGN: 5, RECOMMENDER: 5, FILTER: 30}
_PARTITIONS: Final = ("aws", "aws-cn")


def credentials(clients: Clients) -> Seen:
    """Ask STS who we are."""
    try:
        with aws_errors("asking STS whose credentials these are"):
            arn = clients("sts").get_caller_identity()["Arn"]
    except (FatalError, RetryableError) as error:
        text, _, advice = str(error).partition("; ")
        return bad(text, advice or "correct the credentials, or the way to AWS")
    return good(str(arn))


def region(clients: Clients) -> Seen:
    """Look whether Personalize is where we are."""
    name = str(clients("personalize").meta.region_name)
    session = boto3.Session()
    known = {it for p in _PARTITIONS for it in session.get_available_regions("personalize", p)}
    if name not in known:
        return bad(
            f"there is no Personalize in {name}",
            f"set AWS_DEFAULT_REGION to one of: {', '.join(sorted(known))}",
        )
    return good(name)


def quotas(clients: Clients) -> Seen:
    """Count what there is against what there may be."""
    personalize = clients("personalize")
    allowed, source = _allowed(clients)
    full: list[str] = []
    counts: Counter[str] = Counter()

    def count(kind: Kind, number: int, where: str) -> None:
        counts[kind.title.lower()] += number
        if number >= allowed[kind]:
            full.append(f"{number} of {allowed[kind]} {kind.title.lower()}s{where}")

    for kind in REGIONAL:
        count(kind, len(_all(personalize, kind)), "")
    for group in _all(personalize, DATASET_GROUP):
        where, of_group = f" of {group['name']}", {"datasetGroupArn": group["datasetGroupArn"]}
        solutions = _all(personalize, SOLUTION, **of_group)
        campaigns = [
            campaign
            for it in solutions
            for campaign in _all(personalize, CAMPAIGN, solutionArn=it["solutionArn"])
        ]
        count(SOLUTION, len(solutions), where)
        count(CAMPAIGN, len(campaigns), where)
        for kind in (RECOMMENDER, FILTER):
            count(kind, len(_all(personalize, kind, **of_group)), where)
    if full:
        return bad(
            f"nothing is left of: {', '.join(full)} ({source})",
            "delete what is not needed, or ask for more in Service Quotas",
        )
    listed = ", ".join(f"{number} {name}(s)" for name, number in counts.items() if number)
    return good(f"{listed or 'nothing yet'}; within the quotas ({source})")


def _allowed(clients: Clients) -> tuple[Mapping[Kind, int], str]:
    """Return the account's quotas where Service Quotas tells them, else the documented ones."""
    documented = {**REGIONAL, **OF_A_GROUP}
    try:
        pages = clients("service-quotas").get_paginator("list_service_quotas")
        rows = [row for page in pages.paginate(ServiceCode="personalize") for row in page["Quotas"]]
    except (ClientError, BotoCoreError):
        return documented, "as documented; those of the account could not be read"
    return {kind: _of(kind, rows) or number for kind, number in documented.items()}, "the account's"


def _of(kind: Kind, rows: list[Mapping[str, Any]]) -> int | None:
    """Return the value of the one quota that names the kind; several would be a guess."""
    named = [it for it in rows if f"{kind.title.lower()}s" in str(it["QuotaName"]).lower()]
    return int(named[0]["Value"]) if len(named) == 1 else None


def _all(personalize: Any, kind: Kind, **narrowed: str) -> list[dict[str, Any]]:
    pages = personalize.get_paginator(kind.paginator).paginate(**narrowed)
    return [it for page in pages for it in page[kind.listed_under]]
