"""What a person reads when a flow is done."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from deployments.results import show
from personalization.connectors import ImportProgress
from personalization.lineage import Lineage
from personalization.resources import Plan, TrainReport
from personalization.resources.desired import Resource
from personalization.resources.kinds import DATASET_IMPORT_JOB, SCHEMA
from personalization.resources.plan import Step
from personalization.segments import PostprocessReport

IMPORT = "dataset_import_interactions_2026_11_22_15_25_38_9ea4ed408f"
LONG = f"s3://films/{'a' * 120}/Action_1.csv"


def printed(result: object, width: int = 120) -> list[str]:
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, highlight=False)
    show(result, console)
    return [line.rstrip() for line in console.file.getvalue().splitlines() if line.strip()]


def step(kind, name, action, reason):
    return Step(Resource(kind, name), action, reason)


@pytest.fixture
def plan():
    return Plan(
        (
            step(SCHEMA, "films-schema", "keep", "is as declared"),
            step(DATASET_IMPORT_JOB, IMPORT, "import", "does not exist yet"),
        )
    )


def test_a_plan_shows_what_changes_and_counts_what_stays(plan):
    lines = printed(TrainReport(plan))

    assert lines[0] == "The plan"
    assert lines[-2:] == [
        f"  Dataset Import Job   {IMPORT}   import   does not exist yet",
        "1 resource(s) are kept as they are",
    ]


def test_in_a_narrow_terminal_reasons_wrap_and_names_do_not(plan):
    text = "\n".join(printed(TrainReport(plan), width=80))

    assert "dataset_import_interactions_…" in text
    assert max(map(len, text.splitlines())) <= 80


def test_where_there_is_nothing_to_do_that_is_all_that_is_said(plan):
    assert printed(TrainReport(Plan(plan.steps[:1]))) == [
        "nothing to do",
        "1 resource(s) are kept as they are",
    ]


def test_metrics_have_no_empty_columns_and_uris_stay_whole():
    row = {"solution": "likes", "metric": "coverage", "this version": 0.5}
    empty = {"previous version": None, "change": None}

    lines = printed(TrainReport(Plan(()), {}, (LONG,), ({**row, **empty},)))

    assert re.split(r"\s{2,}", lines[2].strip()) == ["solution", "metric", "this version"]
    assert re.split(r"\s{2,}", lines[4].strip()) == ["likes", "coverage", "0.5000"]
    assert lines[-2:] == ["batch output", f"  {LONG}"]


def lineage(**more):
    known = {"audience": "Action", "file": LONG, "query": {"itemAttributes": 'ITEMS.G = "Action"'}}
    counts = {"users": 50, "members": 45, "unmapped": 5}
    return Lineage(output="s3://films/o.out", **known, **counts, **more)


def test_audiences_receipts_rejects_and_files_are_shown():
    ended = ImportProgress("partly", 44, 1, ("row 7: no such [id]",), "Action", "COMPLETED")
    report = PostprocessReport(
        (lineage(),), 3, 2, "s3://films/rejected/rejected.out", {"Action": ended}
    )

    lines = printed(report)
    text = " ".join(" ".join(lines).split())

    assert 'Action ITEMS.G = "Action" 50 45 5' in text
    assert "Action Action COMPLETED 44 1 row 7: no such [id]" in text
    assert "channel" not in text
    assert lines[-4:] == [
        "rejected: 2 of 3 lines gave no audience",
        "  s3://films/rejected/rejected.out",
        "audience files",
        f"  {LONG}",
    ]


def test_an_import_is_shown_with_what_was_refused():
    lines = printed(ImportProgress("partly", 44, 1, ("row 7: who?",), "Action", "COMPLETED"))

    assert re.split(r"\s{2,}", lines[3].strip()) == ["Action", "COMPLETED", "44", "1"]
    assert lines[-2:] == ["refused", "  row 7: who?"]


def test_output_of_a_batch_job_is_listed():
    assert printed((LONG, "s3://films/b")) == ["batch output", f"  {LONG}", "  s3://films/b"]
