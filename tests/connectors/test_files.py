"""Files for others to read: whole, listed, and ready only when `_SUCCESS` says so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from personalization.connectors import Files, build
from personalization.delivery import deliver
from personalization.errors import ConfigError, FatalError, RetryableError
from personalization.local.server import LocalAws
from tests.connectors.attribute_worlds import deliver_once
from tests.delivery.conftest import no_clients

LINES = [
    b'{"user_id":"ana","payload":{"recs":["tea"],"n":1}}',
    b'{"user_id":"c,\\"d","payload":{"recs":null}}',
]


def files(location: object, clients: Any = no_clients, **settings: Any) -> Files:
    found = build({"kind": "files", "location": str(location), **settings}, clients)
    assert isinstance(found, Files)
    return found


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_each_format_says_the_same(tmp_path: Path, kind: str):
    deliver_once(files(tmp_path, format=kind), LINES)
    (part,) = (tmp_path / "r1").glob("part-*")
    read = {"parquet": pl.read_parquet, "csv": pl.read_csv, "jsonl": pl.read_ndjson}[kind]

    if kind == "jsonl":
        rows = [json.loads(row) for row in part.read_text().splitlines()]
        found = [(row["user_id"], row["payload"]) for row in rows]
    else:
        table = read(part)
        assert table.columns == ["user_id", "updated_at", "payload"]
        found = [(row[0], json.loads(row[2])) for row in table.rows()]
        assert table["updated_at"][0].endswith("+00:00")
    assert found == [("ana", {"recs": ["tea"], "n": 1}), ('c,"d', {"recs": None})]


def test_the_manifest_lists_the_parts_and_success_comes_last(tmp_path: Path):
    it = files(tmp_path)

    async def both() -> list[bool]:
        await it.open("sync 2026-11-22")
        there = []
        for key in ("a", "b"):
            await it.deliver(LINES, key=key)
            there.append((folder / "_SUCCESS").exists())
        await it.close(complete=True)
        return there

    folder = tmp_path / build_name(it, "sync 2026-11-22")
    there = asyncio.run(both())
    manifest = json.loads((folder / "manifest.json").read_text())

    assert there == [False, False]
    assert [each["name"] for each in manifest["files"]] == ["part-a.parquet", "part-b.parquet"]
    assert manifest["columns"] == ["user_id", "updated_at", "payload"]
    sizes = {each["name"]: each["bytes"] for each in manifest["files"]}
    assert sizes == {each: (folder / each).stat().st_size for each in sizes}
    order = sorted(folder.iterdir(), key=lambda each: each.stat().st_mtime_ns)
    assert order[-1].name == "_SUCCESS"


def build_name(it: Files, run: str) -> str:
    asyncio.run(it.open(run))
    return it._folder


def test_half_a_delivery_is_not_a_success(tmp_path: Path):
    it = files(tmp_path)

    async def half() -> None:
        await it.open("r1")
        await it.deliver(LINES, key="a")
        await it.close(complete=False)

    asyncio.run(half())

    assert [each.name for each in (tmp_path / "r1").iterdir()] == ["part-a.parquet"]


def test_a_batch_that_is_sent_again_is_the_same_part(tmp_path: Path):
    it = files(tmp_path)

    async def twice() -> None:
        await it.open("r1")
        for _ in range(2):
            await it.deliver(LINES, key="a")
        await it.close(complete=True)

    asyncio.run(twice())
    manifest = json.loads((tmp_path / "r1" / "manifest.json").read_text())

    assert len(manifest["files"]) == 1


def test_columns_may_be_named_as_braze_reads_them(tmp_path: Path):
    names = ("EXTERNAL_ID", "UPDATED_AT", "PAYLOAD")
    deliver_once(files(tmp_path, column_names=names), LINES)
    (part,) = (tmp_path / "r1").glob("part-*")

    assert pl.read_parquet(part).columns == list(names)


def test_it_goes_to_s3_as_well(aws: LocalAws):
    s3 = aws.clients("s3")
    s3.create_bucket(Bucket="drop")
    it = files("s3://drop/recs", aws.clients)
    it.check()
    deliver_once(it, LINES)
    keys = [each["Key"] for each in s3.list_objects_v2(Bucket="drop")["Contents"]]

    assert [key.rpartition("/")[0] for key in keys] == ["recs/r1"] * 3
    assert sorted(key.rpartition("/")[2].partition("-")[0] for key in keys) == [
        "_SUCCESS",
        "manifest.json",
        "part",
    ]


@pytest.mark.parametrize(
    "location", ["drop", "http://x.test/y", "s3://"], ids=["relative", "http", "no-bucket"]
)
def test_a_place_that_is_none_is_a_mistake(location: str):
    with pytest.raises(ConfigError, match="misconfigured: location: Value error"):
        files(location)


def test_a_check_says_what_is_not_there(tmp_path: Path, aws: LocalAws):
    with pytest.raises(FatalError, match=r"nowhere is not a folder; create it first"):
        files(tmp_path / "nowhere").check()
    with pytest.raises(FatalError, match="bucket nowhere does not exist; create it first"):
        files("s3://nowhere/x/", aws.clients).check()


def test_a_disk_that_does_not_take_it_may_later(tmp_path: Path):
    (tmp_path / "r1").write_text("a file is in the way")

    with pytest.raises(RetryableError, match="cannot be written"):
        deliver_once(files(tmp_path), LINES)


def test_lines_of_another_connector_are_refused(tmp_path: Path):
    with pytest.raises(FatalError, match="a line is not as the files connector renders it"):
        deliver_once(files(tmp_path), [b'{"external_id":"ana"}'])


def test_an_empty_outbox_is_an_empty_success(tmp_path: Path):
    folder = tmp_path / "outbox"
    folder.mkdir()
    (tmp_path / "drop").mkdir()
    receipt = deliver(files(tmp_path / "drop"), folder, run="r1")

    assert (receipt.sent, receipt.requests) == (0, 0)
    assert sorted(each.name for each in (tmp_path / "drop" / "r1").iterdir()) == [
        "_SUCCESS",
        "manifest.json",
    ]
