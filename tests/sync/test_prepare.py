"""What a job and a destination together make of the inputs."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from personalization.aws import S3Path
from personalization.connectors.base import (
    Delivered,
    Membership,
    Rendering,
    RequestLimits,
    TakesAttributes,
)
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


def segments(folder: Path, **lists: list[str]) -> Inputs:
    file = folder / "segments.out"
    lines = [
        json.dumps({"input": {"itemId": item}, "output": {"usersList": users}, "error": None})
        for item, users in lists.items()
    ]
    bad = '{"input":{"itemId":"x"},"output":null,"error":"no"}'
    file.write_text("\n".join([*lines, bad]))
    return Inputs(BatchRun(S3Path("bbb", "x/"), (), STAMP), (file,))


def synced(folder: Path, **lists: list[str]) -> dict[str, list[str]]:
    """Deliver every audience at once; return the lines by audience."""
    sent = {}
    for it in prepare_audiences(
        job(maxClearedFraction=1),
        "crm",
        Crm(),
        segments(folder, **lists),
        states=folder / "states",
        target=folder / "outboxes",
        faults=folder / "errors.jsonl",
    ):
        outbox = it.report.outbox
        sent[it.name] = [
            line for file in outbox.files for line in outbox.lines(file).read_text().splitlines()
        ]
        taken = {file: pl.read_parquet(outbox.users(file))["hash"] >= 0 for file in outbox.files}
        promote(folder / "states" / it.name, [(outbox, taken)])
    return sent


def test_each_segment_is_an_audience_that_people_join_and_leave(tmp_path):
    first = synced(tmp_path, **{"7": ["ana", "ben", "ana"], "8": ["ana"]})
    second = synced(tmp_path, **{"7": ["ben", "cy"], "8": ["ana"]})

    assert first == {
        "item_7": ['{"id":"ana","mine":1,"item_7":true}', '{"id":"ben","mine":1,"item_7":true}'],
        "item_8": ['{"id":"ana","mine":1,"item_8":true}'],
    }
    assert second == {
        "item_7": ['{"id":"cy","mine":1,"item_7":true}', '{"id":"ana","mine":1,"item_7":false}'],
        "item_8": [],
    }
    assert (tmp_path / "errors.jsonl").read_text().startswith('{"input":{"itemId":"x"}')
