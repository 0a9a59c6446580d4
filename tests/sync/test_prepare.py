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
from personalization.errors import ConfigError, FatalError
from personalization.sync.inputs import Inputs
from personalization.sync.job import Job, load
from personalization.sync.layout import JobPath
from personalization.sync.prepare import (
    Shard,
    prepare_audiences,
    prepare_recommendations,
    refuse_what_cannot_be_meant,
    rendering_of,
)
from personalization.sync.runs import BatchRun
from personalization.sync.shards import merged
from personalization.transforms.outbox import WrittenOutbox
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
    made = prepare_audiences(
        job(**{"maxClearedFraction": 1, **settings}),
        "crm",
        Crm(),
        segments(folder, lists, error=error),
        states=folder / "states",
        target=folder / "outboxes",
        faults=folder / "errors.jsonl",
        clear_anyway=anyway,
    )
    for name, report in made.reports.items():
        outbox = report.outbox
        sent[name] = [
            line for file in outbox.files for line in outbox.lines(file).read_text().splitlines()
        ]
        taken = {file: pl.read_parquet(outbox.users(file))["hash"] >= 0 for file in outbox.files}
        promote(folder / "states" / name, [(outbox, taken)])
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


def test_audiences_that_lose_most_of_all_members_are_not_cleared_by_mistake(tmp_path):
    synced(tmp_path, {"7": ["ana"], "8": ["ana"]})

    with pytest.raises(
        FatalError,
        match=r"would have 1 of 2 members less, in item_8: .* so nothing is sent; .*meant",
    ):
        synced(tmp_path, {"7": ["ana"]}, maxClearedFraction=0.25)
    assert synced(tmp_path, {"7": ["ana"]}, maxClearedFraction=0.25, anyway=True) == {
        "item_7": [],
        "item_8": ['{"id":"ana","mine":1,"item_8":false}'],
    }


def test_members_who_are_replaced_by_others_are_not_lost(tmp_path):
    synced(tmp_path, {"7": ["ana", "ben"], "8": ["ana"]})
    sent = synced(tmp_path, {"7": ["cy", "dan"], "8": ["eve"]}, maxClearedFraction=0)

    assert [len(lines) for lines in sent.values()] == [4, 2]


def test_an_audience_is_asked_for_once(tmp_path):
    inputs = segments(tmp_path, {"7": ["ana"]}, error=False)
    twice = Inputs(inputs.run, inputs.outputs * 2)

    with pytest.raises(ConfigError, match=r"two lines for the audience item_7, the second for .*7"):
        prepare_audiences(
            job(), "crm", Crm(), twice, states=tmp_path / "states", target=tmp_path / "outboxes"
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(
            '{"input":{"userId":"1"},"output":{"recommendedItems":["7"]},"error":null}\n',
            r"none of the 1 line\(s\) of s3://bbb/x/ gives an audience \(the first: its "
            r"output has neither usersList nor recommendedUsers but recommendedItems\); .* segment",
            id="of another kind of job",
        ),
        pytest.param("", "s3://bbb/x/ has no line at all; look whether", id="empty"),
    ],
)
def test_an_output_without_any_audience_clears_nobody(tmp_path, text, said):
    synced(tmp_path, {"7": ["ana"]})
    file = tmp_path / "other.out"
    file.write_text(text)

    with pytest.raises(ConfigError, match=said):
        prepare_audiences(
            job(maxClearedFraction=1),
            "crm",
            Crm(),
            Inputs(BatchRun(S3Path("bbb", "x/"), (), STAMP), (file,)),
            states=tmp_path / "states",
            target=tmp_path / "outboxes",
        )


def test_lines_that_give_no_audience_are_counted(tmp_path):
    made = prepare_audiences(
        job(),
        "crm",
        Crm(),
        segments(tmp_path, {"7": ["ana"]}, error=True),
        states=tmp_path / "states",
        target=tmp_path / "outboxes",
    )

    assert made.faulty == {"errors": 1, "broken": 0}


def recommended(folder: Path, users: range) -> Inputs:
    file = folder / f"{len(users)}.out"
    lines = (
        {"input": {"userId": f"u{n}"}, "output": {"recommendedItems": ["7"]}, "error": None}
        for n in users
    )
    file.write_text("\n".join(json.dumps(line) for line in lines))
    return Inputs(BatchRun(S3Path("bbb", "x/"), (), STAMP), (file,))


def prepared(folder: Path, users: range, shard: Shard) -> WrittenOutbox:
    return prepare_recommendations(
        JobPath.parse("s3://bbb/etl_jobs/user_personalization/j/"),
        job(),
        "crm",
        Crm().rendering(),
        recommended(folder, users),
        state=folder / "state",
        target=folder / shard.name,
        shard=shard,
    ).outbox


def test_a_shard_is_too_few_users_to_tell_whether_clearing_is_meant(tmp_path):
    first = prepared(tmp_path, range(40), Shard())
    taken = {file: pl.read_parquet(first.users(file))["hash"] >= 0 for file in first.files}
    promote(tmp_path / "state", [(first, taken)])

    shards = [prepared(tmp_path, range(1, 40), Shard(number, 16)).folder for number in range(16)]
    whole = merged(shards, tmp_path / "whole")

    assert whole.counts["cleared"] == 1
    refuse_what_cannot_be_meant(whole.counts, job().connectors["crm"], clear_anyway=False)


def test_shards_together_are_refused_as_one_would_be():
    counts = {"users": 7, "cleared": 3, "held": 10, "errors": 0, "broken": 0}
    settings = job().connectors["crm"]

    with pytest.raises(FatalError, match=r"3 of the 10 users .* have no recommendations"):
        refuse_what_cannot_be_meant(counts, settings, clear_anyway=False)
    refuse_what_cannot_be_meant(counts, settings, clear_anyway=True)


def test_an_output_that_recommends_nothing_is_of_something_else():
    counts = {"users": 0, "cleared": 0, "held": 0, "errors": 1, "broken": 4}

    with pytest.raises(ConfigError, match=r"no line .* 1 carry an error .*, 4 are no answer to"):
        refuse_what_cannot_be_meant(counts, job().connectors["crm"], clear_anyway=False)


def related(folder: Path) -> Inputs:
    file, mapping = folder / "related.out", folder / "mapping.csv"
    file.write_text('{"input":{"itemId":"7"},"output":{"recommendedItems":["8"]}}\n')
    mapping.write_text("USER_ID,ITEM_ID\nana,7\n")
    return Inputs(BatchRun(S3Path("bbb", "x/"), (), STAMP), (file,), (mapping,))


def test_nothing_is_written_outside_the_folder_of_the_outbox(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not" / "there"))
    desk = tmp_path / "desk"

    prepare_recommendations(
        JobPath.parse("s3://bbb/etl_jobs/related_items/j/"),
        job(),
        "crm",
        Crm().rendering(),
        related(tmp_path),
        state=tmp_path / "state",
        target=desk / "outbox",
    )

    assert [it.name for it in desk.iterdir()] == ["outbox"]


def test_who_left_is_told_the_destinations_words_and_loses_the_jobs_attributes(tmp_path):
    given = {"camp": "b", "_only": True}
    path = JobPath.parse("s3://bbb/etl_jobs/user_personalization/j/")
    told = []
    for users in (range(8), range(1, 8)):
        outbox = prepare_recommendations(
            path,
            job(otherAttributes=given),
            "crm",
            Crm().rendering(constants=given),
            recommended(tmp_path, users),
            state=tmp_path / "state",
            target=tmp_path / "outbox",
        ).outbox
        taken = {it: pl.read_parquet(outbox.users(it))["removed"] | True for it in outbox.files}
        promote(tmp_path / "state", [(outbox, taken)])
        told.append(outbox.lines("00000").read_text().splitlines())

    assert told[0][0] == '{"id":"u0","camp":"b","_only":true,"mine":1,"crm_itemId":["7"]}'
    assert told[1] == ['{"id":"u0","_only":true,"mine":1,"crm_itemId":null,"camp":null}']


def test_who_left_an_audience_is_not_given_the_jobs_attributes(tmp_path):
    synced(tmp_path, {"7": ["ana", "ben"]}, otherAttributes={"camp": "b"})
    sent = synced(tmp_path, {"7": ["ana"]}, otherAttributes={"camp": "b"})

    assert sent == {"item_7": ['{"id":"ben","mine":1,"item_7":false}']}


def set_out(folder: Path, rows: list[dict[str, Any]], **how: Any) -> None:
    metadata = folder / "items.json"
    metadata.write_text("\n".join(json.dumps(row) for row in rows))
    inputs = recommended(folder, range(1))
    prepare_recommendations(
        JobPath.parse("s3://bbb/etl_jobs/user_personalization/j/"),
        job(),
        "crm",
        Rendering("id", prefix="r_", **how),
        Inputs(inputs.run, inputs.outputs, (), (metadata,)),
        state=folder / "state",
        target=folder / "outbox",
    )


DRAMAS = [{"id": n, "name": f"n{n}", "genre": "Drama"} for n in "123"]


def test_fields_that_repeat_are_named_where_arrays_are_sets(tmp_path, caplog):
    set_out(tmp_path, DRAMAS, sets=True)

    assert (
        "connectors.crm: several items have the same genre, and the destination keeps an element "
        'of an array once: parallel arrays may not line up; say "style": "objects"'
    ) in caplog.text


@pytest.mark.parametrize(
    ("rows", "how"),
    [
        pytest.param(DRAMAS, {"sets": True, "style": "objects"}, id="objects"),
        pytest.param(DRAMAS, {}, id="arrays-are-lists"),
        pytest.param(DRAMAS[:1], {"sets": True}, id="nothing-repeats"),
    ],
)
def test_otherwise_parallel_arrays_line_up(tmp_path, caplog, rows, how):
    set_out(tmp_path, rows, **how)

    assert "line up" not in caplog.text
