"""A dry run shows what would go out, and sends nothing."""

from __future__ import annotations

from pathlib import Path

from personalization.delivery import Outbox, preview
from tests.delivery.conftest import Scripted, line


def test_requests_are_counted_and_the_first_is_shown(outbox: Path):
    crm = Scripted()
    before = sorted(outbox.iterdir())
    found = preview(crm, Outbox(outbox), payloads=1)

    assert (found.users, found.removals, found.requests, found.too_long) == (7, 1, 3, 0)
    assert found.size == 7 * len(line("a"))
    assert found.payloads == (b"[" + b",".join(map(line, "abc")) + b"]",)
    assert crm.batches == []
    assert sorted(outbox.iterdir()) == before


def test_lines_that_no_request_carries_are_counted_apart(outbox: Path):
    found = preview(Scripted(max_line_bytes=5), Outbox(outbox))

    assert (found.users, found.requests, found.too_long, found.payloads) == (7, 0, 7, ())
