"""Replays between runs: nothing old stays, and nobody is forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tests.e2e.test_connector_sync import BUCKET, Shop, shop, sync

__all__ = ["shop"]

pytestmark = [pytest.mark.server, pytest.mark.e2e]


def replay(report: Any, to: str = "webhook", *more: str) -> Result:
    from deployments.cli import app

    letters = f"s3://{BUCKET}/{report.outputs['webhook'].key}dead-letters.jsonl"
    return CliRunner().invoke(app, ["replay", letters, "--to", to, *more])


def answered(shop: Shop, day: int, lists: dict[str, list[str]]) -> None:
    shop.answered(lists, f"batch/up_2026_01_0{day}_00_00_00/", "userId")


def test_letters_that_are_out_of_date_are_left_out(shop):
    job = shop.for_users(3, connectors={"webhook": {}})
    hook: Any = shop.ends["webhook"]
    first = sync(job)
    hook._refuses = lambda _: ""
    answered(shop, 2, {"u0": ["i0"], "u1": ["new"], "u2": ["i2"]})
    sync(job)

    done = replay(first)

    assert done.exit_code == 0, done.output
    assert "0 sent" in done.output
    assert "1 left out: the destination was told something newer" in done.output
    assert hook.holds("u1")["itemId"] == ["new"]


def test_who_took_a_letter_and_left_is_cleared(shop):
    job = shop.for_users(5, connectors={"webhook": {"maxClearedFraction": 1}})
    hook: Any = shop.ends["webhook"]
    first = sync(job)
    hook._refuses = lambda _: ""
    taken = replay(first)
    answered(shop, 2, {f"u{number}": [f"i{number}", "i0"] for number in (0, 2, 3, 4)})

    report = sync(job)

    assert "1 accepted" in taken.output
    assert (report.total("sent"), report.total("cleared")) == (1, 1)
    assert hook.holds("u1").get("itemId") is None


def test_letters_go_to_no_other_kind_of_destination(shop):
    report = sync(shop.for_users(3, connectors={"webhook": {}}))

    done = replay(report, "braze")

    assert done.exit_code != 0
    assert shop.braze.users() == []
