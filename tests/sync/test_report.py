"""What a run came to, in one error if some connectors failed."""

from __future__ import annotations

import pytest

from personalization.errors import (
    ConfigError,
    FatalError,
    Finding,
    PersonalizeFlowsError,
    RetryableError,
)
from personalization.sync.report import SyncReport

AWAY = RetryableError("crm.test answered 503")
WRONG = ConfigError("the job is wrong", [Finding("connectors.eu", "is 0")])
REFUSED = FatalError("crm.test answered 401")


def closed(**failures: PersonalizeFlowsError) -> PersonalizeFlowsError | None:
    report = SyncReport()
    for name, error in failures.items():
        with report.outcome(name):
            raise error
    try:
        report.close("s3://b/job/")
    except PersonalizeFlowsError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("failures", "expected"),
    [
        ({"braze": AWAY, "webhook": AWAY}, RetryableError),
        ({"braze": WRONG}, ConfigError),
        ({"braze": AWAY, "webhook": WRONG}, FatalError),
        ({"braze": REFUSED, "webhook": AWAY}, FatalError),
    ],
    ids=["may-pass", "to-mend", "both", "final"],
)
def test_what_is_to_be_done_next_is_what_all_failures_ask_for(failures, expected):
    error = closed(**failures)

    assert type(error) is expected
    assert str(error).startswith(f"{len(failures)} connector(s) of s3://b/job/ failed: braze: ")


def test_findings_are_not_lost():
    alone, among_others = closed(braze=WRONG), closed(braze=WRONG, webhook=REFUSED)

    assert isinstance(alone, ConfigError)
    assert alone.findings == WRONG.findings
    assert str(among_others) == (
        "2 connector(s) of s3://b/job/ failed: braze: the job is wrong; "
        "webhook: crm.test answered 401\n  - connectors.eu: is 0"
    )


def test_a_run_without_failures_raises_nothing():
    assert closed() is None
