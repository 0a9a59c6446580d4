"""What a job and a destination together make of the inputs."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from personalization.aws import S3Path
from personalization.connectors.base import (
    Delivered,
    Membership,
    Rendering,
    RequestLimits,
    TakesAttributes,
)
from personalization.errors import FatalError
from personalization.sync.inputs import Inputs
from personalization.sync.job import Job, load
from personalization.sync.prepare import Shard, prepare_audiences, rendering_of
from personalization.sync.runs import BatchRun
from personalization.transforms.recommendation_state import promote

STAMP = dt.datetime(2022, 5, 12, tzinfo=dt.UTC)


class Crm(TakesAttributes):
    """A destination that says how it wants lines, and is never sent any."""

    attribute_limits = RequestLimits(75, 4_000_000, 1000, 8)

    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        return Rendering("id", prefix=prefix or "crm_", constants={**(constants or {}), "mine": 1})

    def membership(self, audience: str) -> Membership:
        name = json.dumps(audience)
        return Membership(f"{name}:true", f"{name}:false")

    async def deliver(self, lines: Sequence[bytes], *, key: str) -> Delivered:
        raise AssertionError(f"{len(lines)} lines of {key} were delivered")


def job(**settings: Any) -> Job:
    document = {
        "batchInferencePath": "s3://bbb/batch/shop/seg/",
        "saveBatchInferenceErrors": True,
        "connectors": {"crm": {"performDeltaCheck": True, **settings}},
    }
    return load(json.dumps(document), "config.json")


def test_a_job_says_prefix_constants_and_style_and_the_destination_the_rest():
    settings = job(
        attributePrefix="r_", otherAttributes={"a": 1}, style="objects", listName="picks"
    ).connectors["crm"]

    rendering = rendering_of(Crm(), settings)

    assert rendering == Rendering(
        "id", prefix="r_", style="objects", list_name="picks", constants={"a": 1, "mine": 1}
    )
    assert rendering_of(Crm(), job().connectors["crm"]).prefix == "crm_"


def test_shards_have_folders_of_their_own():
    assert Shard(2, 16).name == "shard-002-of-016"


def segments(folder: Path, lists: dict[str, list[str]], *, error: bool) -> Inputs:
    file = folder / "segments.out"
    lines = [
        json.dumps({"input": {"itemId": item}, "output": {"usersList": users}, "error": None})
        for item, users in lists.items()
    ]
    bad = ['{"input":{"itemId":"x"},"output":null,"error":"no"}'] if error else []
    file.write_text("\n".join([*lines, *bad]))
    return Inputs(BatchRun(S3Path("bbb", "x/"), (), STAMP), (file,))


def synced(
    folder: Path,
    lists: dict[str, list[str]],
    *,
    error: bool = False,
    anyway: bool = False,
    **settings: Any,
) -> dict[str, list[str]]:
    """Deliver every audience at once; return the lines by audience."""
    sent = {}
    for it in prepare_audiences(
        job(**{"maxClearedFraction": 1, **settings}),
        "crm",
        Crm(),
        segments(folder, lists, error=error),
        states=folder / "states",
        target=folder / "outboxes",
        faults=folder / "errors.jsonl",
        clear_anyway=anyway,
    ):
        outbox = it.report.outbox
        sent[it.name] = [
            line for file in outbox.files for line in outbox.lines(file).read_text().splitlines()
        ]
        taken = {file: pl.read_parquet(outbox.users(file))["hash"] >= 0 for file in outbox.files}
        promote(folder / "states" / it.name, [(outbox, taken)])
    return sent


def test_each_segment_is_an_audience_that_people_join_and_leave(tmp_path):
    first = synced(tmp_path, {"7": ["ana", "ben", "ana"], "8": ["ana"]})
    second = synced(tmp_path, {"7": ["ben", "cy"], "8": ["ana"]}, error=True)

    assert first == {
        "item_7": ['{"id":"ana","mine":1,"item_7":true}', '{"id":"ben","mine":1,"item_7":true}'],
        "item_8": ['{"id":"ana","mine":1,"item_8":true}'],
    }
    assert second == {
        "item_7": ['{"id":"cy","mine":1,"item_7":true}', '{"id":"ana","mine":1,"item_7":false}'],
        "item_8": [],
    }
    assert (tmp_path / "errors.jsonl").read_text().startswith('{"input":{"itemId":"x"}')


def test_an_audience_that_is_no_longer_asked_for_loses_its_members_once(tmp_path):
    synced(tmp_path, {"7": ["ana", "ben", "cy"], "8": ["ana"]})
    second = synced(tmp_path, {"7": ["ana", "ben", "cy"]}, maxClearedFraction=0.25)
    third = synced(tmp_path, {"7": ["ana", "ben", "cy"]})

    assert second == {"item_7": [], "item_8": ['{"id":"ana","mine":1,"item_8":false}']}
    assert third == {"item_7": []}


def test_an_audience_may_be_missing_because_of_a_line_that_gave_nothing(tmp_path, caplog):
    synced(tmp_path, {"7": ["ana"], "8": ["ana"]})
    sent = synced(tmp_path, {"7": ["ana"]}, error=True)

    assert sent == {"item_7": []}
    assert "1 line(s) of the output gave no audience, so item_8 stay as they are" in caplog.text


def test_an_audience_that_is_gone_stays_if_removed_users_are_not_to_be_cleared(tmp_path):
    synced(tmp_path, {"7": ["ana"], "8": ["ana"]})

    assert synced(tmp_path, {"7": ["ana"]}, clearRemoved=False) == {"item_7": []}


def test_audiences_that_hold_most_of_all_members_are_not_cleared_by_mistake(tmp_path):
    synced(tmp_path, {"7": ["ana"], "8": ["ana"]})

    with pytest.raises(FatalError, match=r"no longer has item_8, which hold 1 of 2 members.*meant"):
        synced(tmp_path, {"7": ["ana"]}, maxClearedFraction=0.25)
    assert synced(tmp_path, {"7": ["ana"]}, maxClearedFraction=0.25, anyway=True) == {
        "item_7": [],
        "item_8": ['{"id":"ana","mine":1,"item_8":false}'],
    }
