"""The endpoint table, its buckets, and when they are built again."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalization.errors import ConfigError
from personalization.transforms import endpoint_buckets, endpoint_index
from personalization.transforms.endpoint_buckets import sort_buckets, split_endpoints
from personalization.transforms.endpoint_index import EndpointIndex
from personalization.transforms.endpoints import EndpointTable, open_endpoints
from personalization.transforms.kept_index import kept_index

EVERYTHING = pl.lit(True)


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    pl.DataFrame(rows, schema=["User.UserId", "Id"], orient="row").write_csv(path)
    return path


def indexed(read: EndpointTable, folder: Path, *, is_sorted: bool) -> EndpointIndex:
    buckets = split_endpoints(read, folder)
    if is_sorted:
        sort_buckets(folder, buckets)
    return EndpointIndex(folder, buckets, EVERYTHING, is_sorted)


def matched(index: EndpointIndex, users: list[str]) -> list[tuple[str, str]]:
    found = pl.concat(index.match(pl.Series("user_id", users), ["endpoint_id"]))
    rows = found.sort("row", maintain_order=True).rows()
    return [(users[row], endpoint) for row, endpoint in rows]


def test_missing_columns_are_cells_without_a_value(tmp_path):
    (tmp_path / "e.csv").write_text("User.UserId\n007\n")

    assert open_endpoints(tmp_path / "e.csv").scan().collect().rows() == [
        ("007", None, None, True, False)
    ]


def test_cells_are_read_as_text_and_channels_in_upper_case(tmp_path):
    (tmp_path / "e.csv").write_bytes(
        b"\xef\xbb\xbfUser.UserId,Id,ChannelType,OptOut,EndpointStatus\r\n"
        b'"a,b",01,Email,ALL,INACTIVE\r\n,2,SMS,,\r\n'
    )

    assert open_endpoints(tmp_path / "e.csv").scan().collect().rows() == [
        ("a,b", "01", "EMAIL", False, True)
    ]


def test_a_folder_is_one_table_whatever_the_order_of_its_columns(tmp_path):
    (tmp_path / "b.csv").write_text("Id,User.UserId\n2,ana\n")
    (tmp_path / "a.csv").write_text("User.UserId,Id\nana,1\n")
    (tmp_path / "notes.txt").write_text("not a table")
    read = open_endpoints(tmp_path)

    assert read.files == (tmp_path / "a.csv", tmp_path / "b.csv")
    assert read.scan().collect()["endpoint_id"].to_list() == ["1", "2"]


def test_a_missing_column_names_the_file_what_is_there_and_the_way_out(tmp_path):
    good = table(tmp_path / "a.csv", [])
    (tmp_path / "b.csv").write_text("UserId,Address\n1,x\n")

    with pytest.raises(ConfigError) as caught:
        open_endpoints([good, tmp_path / "b.csv"], ["Id", "ChannelType"])
    assert [str(finding) for finding in caught.value.findings] == [
        f"{good}: ChannelType: is missing from the endpoint table; there are: User.UserId, Id; "
        "add the channels, or leave out channels and one_per_channel",
        f"{tmp_path / 'b.csv'}: User.UserId: is missing from the endpoint table; there are: "
        "UserId, Address; add the column",
        f"{tmp_path / 'b.csv'}: Id: is missing from the endpoint table; there are: UserId, Address;"
        " add the endpoints' ids, or choose address_by: user",
        f"{tmp_path / 'b.csv'}: ChannelType: is missing from the endpoint table; there are: UserId,"
        " Address; add the channels, or leave out channels and one_per_channel",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, r"the endpoint table .*e\.csv does not exist", id="no-file"),
        pytest.param(b"", "the endpoint table cannot be read: ", id="empty"),
        pytest.param(
            gzip.compress(b"User.UserId,Id\nana,1\n" * 9)[:30], r"UTF-8\? \(e\.csv\)", id="cut-gzip"
        ),
    ],
)
def test_a_table_that_is_no_table_is_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "e.csv").write_bytes(content)

    with pytest.raises(ConfigError, match=message):
        split_endpoints(open_endpoints(tmp_path / "e.csv"), tmp_path / "index")


def test_a_table_that_is_not_text_is_refused_when_it_is_read(tmp_path):
    (tmp_path / "e.csv").write_bytes(b"User.UserId,Id\nana,\xff\xfe\n")

    with pytest.raises(ConfigError, match=r"is it a CSV in UTF-8\? \(e\.csv\)"):
        split_endpoints(open_endpoints(tmp_path / "e.csv"), tmp_path / "index")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"holds no \.csv file; put the endpoint table there"):
        open_endpoints(tmp_path)


def test_a_row_with_too_many_cells_is_refused_when_the_table_is_read(tmp_path):
    (tmp_path / "e.csv").write_text("User.UserId,Id\na,1\nb,2,3\n")

    with pytest.raises(ConfigError, match="the endpoint table cannot be read: "):
        split_endpoints(open_endpoints(tmp_path / "e.csv"), tmp_path / "index")


@pytest.mark.parametrize("is_sorted", [False, True], ids=["unsorted", "sorted"])
def test_many_buckets_answer_as_one(tmp_path, monkeypatch, is_sorted):
    rows = [(f"u{number % 700}", f"e{number}") for number in range(2000)]
    users = [f"u{number}" for number in range(0, 900, 3)]
    read = open_endpoints(table(tmp_path / "e.csv", rows))
    one = indexed(read, tmp_path / "one", is_sorted=is_sorted)
    monkeypatch.setattr(endpoint_buckets, "_BUCKET_BYTES", 100)
    many = indexed(read, tmp_path / "many", is_sorted=is_sorted)

    assert (one.buckets, many.buckets) == (1, 206)
    expected = [(user, endpoint) for user in users for owner, endpoint in rows if owner == user]
    assert matched(one, users) == expected
    assert matched(many, users) == expected


def test_users_with_one_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint_buckets, "_hash", lambda _: pl.lit(7, pl.UInt64))
    monkeypatch.setattr(endpoint_index, "hashes", lambda ids: np.full(len(ids), 7, np.uint64))
    rows = [("b", "1"), ("a", "2"), ("b", "3"), ("c", "4"), ("a", "5")]
    read = open_endpoints(table(tmp_path / "e.csv", rows))
    index = indexed(read, tmp_path / "i", is_sorted=True)

    assert matched(index, ["x", "b", "a"]) == [("b", "1"), ("b", "3"), ("a", "2"), ("a", "5")]


def test_an_index_is_kept_until_the_content_changes(tmp_path):
    source = table(tmp_path / "e.csv", [("ana", "1")])
    home = tmp_path / "home"
    first = kept_index(open_endpoints(source), home)
    before = first[0].stat().st_mtime_ns
    os.utime(source)

    assert kept_index(open_endpoints(source), home) == first
    assert first[0].stat().st_mtime_ns == before

    table(source, [("ana", "2")])
    second = kept_index(open_endpoints(source), home)

    assert second != first
    assert matched(EndpointIndex(*second, EVERYTHING, is_sorted=True), ["ana"]) == [("ana", "2")]


def test_an_unchanged_file_is_not_read_again_once_it_has_settled(tmp_path):
    source = table(tmp_path / "e.csv", [("ana", "1")])
    an_hour_ago = source.stat().st_mtime_ns - 3_600_000_000_000
    os.utime(source, ns=(an_hour_ago, an_hour_ago))
    first = kept_index(open_endpoints(source), tmp_path / "home")
    table(source, [("ana", "2")])  # as long, and made to look as old: only a reader could tell
    os.utime(source, ns=(an_hour_ago, an_hour_ago))

    assert kept_index(open_endpoints(source), tmp_path / "home") == first


def test_a_file_changed_in_the_same_moment_is_read_again(tmp_path):
    source = table(tmp_path / "e.csv", [("ana", "1")])
    moment = source.stat().st_mtime_ns
    first = kept_index(open_endpoints(source), tmp_path / "home")
    table(source, [("ana", "2")])
    os.utime(source, ns=(moment, moment))

    assert kept_index(open_endpoints(source), tmp_path / "home") != first


def test_a_damaged_memo_costs_a_look_and_nothing_else(tmp_path):
    source = table(tmp_path / "e.csv", [("ana", "1")])
    first = kept_index(open_endpoints(source), tmp_path / "home")
    (tmp_path / "home" / "seen.json").write_text("[]")

    assert kept_index(open_endpoints(source), tmp_path / "home") == first


def test_old_indexes_go_but_the_latest_may_still_be_read(tmp_path):
    source = tmp_path / "e.csv"
    kept = [
        kept_index(open_endpoints(table(source, [("a", str(n))])), tmp_path / "h") for n in "123"
    ]

    assert [folder.exists() for folder, _ in kept] == [False, True, True]
    assert not list((tmp_path / "h").glob(".building-*"))


numbers = st.integers(0, 2**64 - 1) | st.sampled_from([0, 2**63, 2**64 - 1])


@given(known=st.sets(numbers, min_size=1), hashed=st.lists(numbers))
def test_users_are_looked_for_where_a_binary_search_would_end(known, hashed):
    ordered = np.array(sorted(known), np.uint64)
    wanted = np.array(hashed, np.uint64)

    assert (
        endpoint_index._first_not_below(ordered, wanted).tolist()
        == np.searchsorted(ordered, wanted).tolist()
    )


def test_leftovers_of_a_killed_build_go_after_a_day(tmp_path):
    source = table(tmp_path / "e.csv", [("ana", "1")])
    old, fresh = tmp_path / "h" / ".building-old", tmp_path / "h" / ".building-fresh"
    for leftover in (old, fresh):
        leftover.mkdir(parents=True)
    two_days_ago = source.stat().st_mtime - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    kept_index(open_endpoints(source), tmp_path / "h")

    assert (old.exists(), fresh.exists()) == (False, True)
