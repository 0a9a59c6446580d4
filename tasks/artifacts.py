"""Artifacts: what a person opens in Prefect's UI."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.runtime import flow_run

from personalization.errors import Finding


def artifact_key(*parts: str) -> str:
    """Return a key that Prefect accepts (lower-case letters, digits, dashes) for these words."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def show_table(key: Iterable[str], rows: Iterable[Mapping[str, Any]], description: str) -> None:
    """Leave a table artifact.  An empty table is left too: it says that there was nothing."""
    create_table_artifact(
        table=[dict(row) for row in rows], key=artifact_key(*key), description=description
    )


def shown_table(key: Iterable[str], since: dt.datetime) -> list[dict[str, Any]] | None:
    """Return the first table that this flow run has left under the key since then, if any."""
    mine = ArtifactFilter(
        key=ArtifactFilterKey(any_=[artifact_key(*key)]),
        flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id]),
    )
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=mine)
    left = {it.created: it.data for it in found if it.created and it.created >= since}
    rows: list[dict[str, Any]] | None = json.loads(str(left[min(left)])) if left else None
    return rows


def finding_rows(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as a table, errors first."""
    ordered = sorted(findings, key=lambda finding: finding.severity != "error")
    return [
        {
            "severity": finding.severity,
            "source": finding.source,
            "line": finding.line,
            "where": finding.where,
            "problem": finding.problem,
            "way out": finding.allowed,
        }
        for finding in ordered
    ]
