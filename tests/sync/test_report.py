"""What a run came to, in one error if some connectors failed."""

from __future__ import annotations

import pytest

from personalization.aws import S3Path
from personalization.delivery import Receipt
from personalization.errors import (
    ConfigError,
    FatalError,
    Finding,
    PersonalizeFlowsError,
    RetryableError,
)
from personalization.sync.report import PartReceipt, SyncReport

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


def receipt(
    connector: str, part: str, *, accepted: int, rejected: int, unchanged: int = 0
) -> PartReceipt:
    sent = accepted + rejected
    it = Receipt(sent, accepted, rejected, unchanged, 0, 1.0, 1, None)
    return PartReceipt(connector, part, it, said="no such user" if rejected else "")


def test_a_destination_that_refused_everybody_it_was_sent_has_failed():
    report = SyncReport(
        receipts=[
            receipt("crm", "Action", accepted=0, rejected=0),
            receipt("crm", "Drama", accepted=0, rejected=2),
            receipt("crm", "Comedy", accepted=0, rejected=3),
        ],
        outputs={"crm": S3Path("b", "job/output/crm/")},
    )

    with pytest.raises(FatalError) as caught:
        report.close("s3://b/job/")

    assert str(caught.value) == (
        "1 connector(s) of s3://b/job/ failed: crm: accepted none of the 5 user(s) that it was "
        "sent, the first because: no such user; the dead letters in s3://b/job/output/crm/ say "
        "all, and can be replayed"
    )


@pytest.mark.parametrize(
    "receipts",
    [
        [
            receipt("crm", "Action", accepted=0, rejected=2),
            receipt("crm", "Drama", accepted=1, rejected=0),
        ],
        [receipt("crm", "Action", accepted=0, rejected=0)],
        [receipt("crm", "Action", accepted=0, rejected=1, unchanged=2)],
        [],
    ],
    ids=["took-somebody", "was-sent-nobody", "holds-more", "had-no-part"],
)
def test_a_destination_that_took_somebody_or_was_sent_nobody_has_not_failed(receipts):
    SyncReport(receipts=receipts).close("s3://b/job/")


def test_why_a_connector_failed_counts_more_than_what_it_refused_before():
    report = SyncReport([receipt("crm", "Action", accepted=0, rejected=2)], {}, {"crm": AWAY})

    with pytest.raises(RetryableError, match=r"failed: crm: crm\.test answered 503$"):
        report.close("s3://b/job/")
