from __future__ import annotations

import pytest

from personalization.errors import ConfigError, FatalError, Finding, RetryableError
from tasks.artifacts import artifact_key, finding_rows
from tasks.retrying import NETWORK, if_retryable

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("error", "calls"),
    [
        pytest.param(RetryableError("busy"), 3, id="retryable"),
        pytest.param(FatalError("no"), 1, id="fatal"),
        pytest.param(ConfigError("wrong"), 1, id="config"),
        pytest.param(ValueError("a bug"), 1, id="bug"),
    ],
)
def test_only_what_may_pass_is_tried_again(prefect_server, error, calls):
    from prefect import flow, task

    made = []

    @task(**{**NETWORK, "retries": 2, "retry_delay_seconds": 0})
    def call() -> None:
        made.append(1)
        raise error

    @flow
    def calling() -> None:
        call()

    with pytest.raises(type(error)):
        calling()
    assert len(made) == calls


def test_a_look_at_the_state_needs_no_context():
    from prefect.states import Completed

    assert if_retryable(None, None, Completed(data="fine")) is False


@pytest.mark.parametrize(
    ("words", "key"),
    [
        pytest.param(("plan", "Bingewatch"), "plan-bingewatch", id="case"),
        pytest.param(("data", "a_b.c/d--e"), "data-a-b-c-d-e", id="signs"),
        pytest.param(("wait", "_x_"), "wait-x", id="edges"),
    ],
)
def test_artifact_keys_are_what_prefect_accepts(words, key):
    assert artifact_key(*words) == key


def test_findings_are_shown_errors_first():
    findings = [
        Finding("a", "is odd", "look", severity="warning", source="i.csv", line=3),
        Finding("b", "is wrong", "mend"),
    ]

    rows = finding_rows(findings)

    assert [row["where"] for row in rows] == ["b", "a"]
    assert rows[1] == {
        "severity": "warning",
        "source": "i.csv",
        "line": 3,
        "where": "a",
        "problem": "is odd",
        "way out": "look",
    }
