"""Only what changed is sent; who left is cleared; what was not acknowledged is sent again."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization.connectors.base import Membership, Rendering
from personalization.errors import FatalError
from personalization.transforms.item_metadata import no_items, read_items
from personalization.transforms.outbox import OutboxWriter, WrittenOutbox
from personalization.transforms.recommendation_delta import DeltaOptions, hashes_of
from personalization.transforms.recommendation_rendering import (
    AttributeRenderer,
    MembershipRenderer,
)
from personalization.transforms.recommendation_sources import AudienceMembers, RecommendedToUsers
from personalization.transforms.recommendation_state import keys_of, promote, read_state
from personalization.transforms.recommendations import write_outbox

ITEMS = {"a": "A", "b": "B", "c": "C"}


class Job:
    """One job's folder, run after run, against a destination that keeps what it is sent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.holds: dict[str, dict] = {}
        self.options: dict = {}
        self.rendering = Rendering("id", prefix="r_")
        self.given: tuple[str, ...] = ()
        self.items = ITEMS

    def run(self, lists: dict[str, list[str]], *extra: str, piece_bytes: int = 200, **options):
        (self.folder / "items.json").write_text(
            "\n".join(json.dumps({"id": id_, "name": name}) for id_, name in self.items.items())
        )
        out = self.folder / "job.out"
        lines = [answer(user, ids) for user, ids in lists.items()]
        out.write_text("\n".join([*lines, *extra]))
        items = (
            read_items([self.folder / "items.json"], fields=["name"]) if self.items else no_items()
        )
        return write_outbox(
            RecommendedToUsers([out], piece_bytes=piece_bytes),
            AttributeRenderer(self.rendering, items, self.given),
            items,
            self.state,
            self.folder / "outbox",
            options=DeltaOptions(**{"most_cleared": 1.0, **self.options, **options}),
            faults=self.folder / "errors" / "errors.jsonl",
        )

    def sent(self) -> dict[str, dict]:
        """The lines of the outbox by user, and the same users as its tables name."""
        outbox = WrittenOutbox.read(self.folder / "outbox")
        lines = [
            orjson.loads(line)
            for file in outbox.files
            for line in outbox.lines(file).read_bytes().splitlines()
        ]
        tables = [pl.read_parquet(outbox.users(file)) for file in outbox.files]
        assert [it for table in tables for it in table["user_id"]] == [it["id"] for it in lines]
        assert len({it["id"] for it in lines}) == len(lines)
        return {it.pop("id"): it for it in lines}

    def deliver(self, *refused: str, promoted: bool = True, unknown: bool = False) -> set[str]:
        """Apply the outbox, except for those users; return who was sent."""
        outbox = WrittenOutbox.read(self.folder / "outbox")
        sent = self.sent()
        for user, line in sent.items():
            if user not in refused:
                held = self.holds.setdefault(user, {})
                held.update(line)
                self.holds[user] = {name: it for name, it in held.items() if it is not None}
        if promoted:
            taken = {
                file: ~pl.read_parquet(outbox.users(file))["user_id"].is_in(list(refused))
                for file in outbox.files
            }
            if unknown:
                taken = {file: it.replace(False, None) for file, it in taken.items()}
            promote(self.state, [(outbox, taken)])
        return set(sent)

    def sync(self, lists: dict[str, list[str]], **options) -> set[str]:
        self.run(lists, **options)
        return self.deliver()

    def expected(self, lists: dict[str, list[str]]) -> dict[str, dict]:
        prefix = self.rendering.prefix
        return {
            user: {
                f"{prefix}name": [self.items.get(item) for item in ids],
                f"{prefix}itemId": ids,
            }
            for user, ids in lists.items()
            if ids
        }

    def held(self) -> dict[str, dict]:
        return {user: held for user, held in self.holds.items() if held}


def answer(user: str, ids: list[str]) -> str:
    whole = {"input": {"userId": user}, "output": {"recommendedItems": ids}, "error": None}
    return json.dumps(whole, separators=(",", ":"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


LISTS = {"ana": ["a", "b"], "ben": ["b"], "cy": ["c", "a"], "dora": ["c"]}


def test_a_first_run_sends_everybody_and_a_second_nobody(job):
    assert job.sync(LISTS) == set(LISTS)
    assert job.sync(LISTS) == set()
    assert job.held() == job.expected(LISTS)


def test_only_changed_and_new_users_are_sent(job):
    job.sync(LISTS)
    lists = {**LISTS, "ana": ["b", "a"], "eve": ["a"]}

    report = job.run(lists)

    assert set(job.sent()) == {"ana", "eve"}
    assert {name: report.counts[name] for name in ("users", "new", "changed", "unchanged")} == {
        "users": 5,
        "new": 1,
        "changed": 1,
        "unchanged": 3,
    }


def test_who_has_no_recommendations_any_more_is_cleared_once(job):
    job.sync(LISTS)
    lists = {"ana": ["a", "b"], "ben": [], "dora": ["c"]}

    report = job.run(lists)

    assert job.sent() == {user: {"r_name": None, "r_itemId": None} for user in ("ben", "cy")}
    assert report.counts["cleared"] == 2
    assert report.counts["without_recommendations"] == 1
    job.deliver()
    assert job.held() == job.expected(lists)
    assert job.sync(lists) == set()


def test_who_never_had_any_is_not_cleared(job):
    report = job.run({"ana": ["a"], "ben": []})

    assert set(job.sent()) == {"ana"}
    assert report.counts["without_recommendations"] == 1


def test_clearing_can_be_left_out(job):
    job.sync(LISTS)

    assert job.sync({"ana": ["a", "b"]}, clear_removed=False) == set()
    assert job.sync({"ana": ["a", "b"]}) == {"ben", "cy", "dora"}


def test_a_changed_item_sends_those_who_have_it(job):
    job.sync(LISTS)
    job.items = {**ITEMS, "a": "A2"}

    assert job.sync(LISTS) == {"ana", "cy"}
    assert job.sync(LISTS) == set()
    assert job.held() == job.expected(LISTS)


@pytest.mark.parametrize("before", [ITEMS, {"b": "B"}], ids=["lost", "gained"])
def test_an_item_that_loses_or_gains_metadata_sends_those_who_have_it(job, before):
    after = {"b": "B"} if before is ITEMS else ITEMS
    job.items = before
    job.sync(LISTS)
    job.items = after

    assert job.sync(LISTS) == {"ana", "cy", "dora"}
    assert job.held() == job.expected(LISTS)


def test_another_rendering_sends_everybody_and_takes_the_old_attributes_away(job):
    job.sync(LISTS)
    job.rendering = Rendering("id", prefix="new_")

    assert job.sync(LISTS) == set(LISTS)
    assert job.held() == job.expected(LISTS)
    assert job.sync(LISTS) == set()


def test_old_attributes_are_taken_from_those_refused_at_first(job):
    job.sync(LISTS)
    job.rendering = Rendering("id", prefix="new_")
    job.run(LISTS)
    job.deliver("ben")

    assert job.sync(LISTS) == {"ben"}
    assert job.held() == job.expected(LISTS)


def test_without_delta_everybody_is_sent_and_who_left_is_still_cleared(job):
    job.sync(LISTS)
    lists = {user: LISTS[user] for user in ("ana", "ben", "cy")}

    assert job.sync(lists, delta=False) == set(LISTS)
    assert job.held() == job.expected(lists)


def test_what_was_refused_is_sent_again_even_if_only_its_item_had_changed(job):
    job.sync(LISTS)
    job.items = {**ITEMS, "a": "A2"}
    job.run(LISTS)
    job.deliver("cy")

    assert job.sync(LISTS) == {"cy"}
    assert job.held() == job.expected(LISTS)


def test_a_refused_clearing_is_tried_again(job):
    job.sync(LISTS)
    lists = {user: LISTS[user] for user in ("ana", "ben", "cy")}
    job.run(lists)
    job.deliver("dora")

    assert job.sync(lists) == {"dora"}
    assert job.sync(lists) == set()


def test_who_was_refused_and_left_was_never_held(job):
    job.run(LISTS)
    job.deliver("dora")

    assert job.sync({user: LISTS[user] for user in ("ana", "ben", "cy")}) == set()


def test_who_was_perhaps_taken_and_left_is_cleared(job):
    job.run(LISTS)
    job.deliver("dora", unknown=True)

    assert job.sync({user: LISTS[user] for user in ("ana", "ben", "cy")}) == {"dora"}


def test_without_a_promotion_everything_is_sent_again(job):
    job.run(LISTS)
    job.deliver(promoted=False)

    assert job.sync(LISTS) == set(LISTS)


def test_a_file_that_nobody_answered_for_was_not_sent(job):
    report = job.run(LISTS)
    promote(job.state, [(report.outbox, {})])

    assert job.sync(LISTS) == set(LISTS)


def test_promoting_twice_is_promoting_once(job):
    job.sync(LISTS)
    job.run({"ana": ["c"], "ben": ["b"]})
    job.deliver()
    before = read_state(job.state)
    job.deliver()
    after = read_state(job.state)

    assert after.users.equals(before.users)
    assert job.sync({"ana": ["c"], "ben": ["b"]}) == set()


def test_answers_for_another_outbox_are_refused(job):
    outbox = job.run(LISTS).outbox

    with pytest.raises(FatalError, match="has 4 lines, and 1 were answered"):
        promote(job.state, [(outbox, {"00000": pl.Series([True])})])


@pytest.mark.parametrize("lists", [{}, {"ana": ["a", "b"]}, {u: [] for u in LISTS}],
                         ids=["nothing", "too-few", "all-empty"])  # fmt: skip
def test_a_run_that_would_clear_too_many_writes_nothing(job, lists):
    job.sync(LISTS)
    left = len(LISTS) - sum(map(bool, lists.values()))

    with pytest.raises(FatalError, match=f"^{left} of the 4 users that the destination holds"):
        job.run(lists, most_cleared=0.5)

    assert job.sync(LISTS) == set()


def test_it_may_be_meant(job):
    job.sync(LISTS)

    assert job.sync({}, most_cleared=0.0, clear_anyway=True) == set(LISTS)
    assert job.held() == {}


def test_an_empty_first_run_sends_nothing(job):
    report = job.run({}, most_cleared=0.0)

    assert job.sent() == {}
    assert report.counts["users"] == 0


def test_of_a_user_listed_twice_the_last_line_counts(job):
    job.sync({"ana": ["c"], **{f"u{n}": ["a"] for n in range(20)}})

    report = job.run(
        {"ana": ["a"], **{f"u{n}": ["a"] for n in range(20)}},
        answer("ana", ["b"]),
        answer("u3", []),
    )

    assert report.counts["repeated"] == 2
    assert job.sent()["ana"]["r_itemId"] == ["b"]
    assert set(job.sent()) == {"ana", "u3"}
    assert report.counts["users"] == 20


def test_two_users_with_the_same_key_are_still_two(job, monkeypatch):
    module = "personalization.transforms"
    # Everybody shares a key with two others, or none.
    shared = lambda users: keys_of(users) % 3  # noqa: E731
    monkeypatch.setattr(f"{module}.recommendation_delta.keys_of", shared)
    lists = {f"u{n}": ["a"] for n in range(9)}
    state = read_state(job.state)
    assert len(state.keys) == 0

    assert job.run(lists).counts["repeated"] == 0
    assert set(job.sent()) == set(lists)


def test_a_state_finds_users_whose_keys_collide(job):
    import numpy as np  # only here

    job.sync(LISTS)
    state = read_state(job.state)
    users = pl.DataFrame({"user_id": ["x", "y", "z"], "hash": [1, 2, 3]})
    collided = type(state)(users, np.array([5, 5, 9], np.uint64), state.items, "f", ())
    asked = pl.Series("user_id", ["y", "z", "x", "new", "w"])

    places = collided.places(asked, np.array([5, 9, 5, 5, 10], np.uint64))

    assert places.tolist() == [1, 2, 0, -1, -1]


def test_errors_are_counted_and_saved_as_they_are(job):
    bad = '{"input":{"userId":"x"},"output":null,"error":"no"}'

    report = job.run(LISTS, bad, "{broken")

    assert (report.counts["errors"], report.counts["broken"]) == (1, 1)
    assert [fault.reason[:16] for fault in report.faults] == [
        "Personalize says",
        "is not JSON: une",
    ]
    assert (job.folder / "errors/errors.jsonl").read_text() == f"{bad}\n{{broken\n"


def test_items_without_metadata_are_counted(job):
    job.items = {"a": "A"}

    assert job.run(LISTS).counts["items_without_metadata"] == 2


def test_shards_are_a_partition_of_the_whole(job):
    job.sync(LISTS)
    lists = {**{f"u{n}": ["a", "b"] for n in range(50)}, "ana": ["b"]}
    job.run(lists)
    whole = job.sent()
    parts, outboxes = [], []
    for shard in range(3):
        report = job.run(lists, shard=shard, shards=3)
        parts.append(job.sent())
        kept = job.folder / f"shard-{shard}"
        report.outbox.folder.rename(kept)
        outboxes.append(WrittenOutbox.read(kept))

    assert {user: line for part in parts for user, line in part.items()} == whole
    assert sum(map(len, parts)) == len(whole)
    everything = [
        (it, {file: pl.read_parquet(it.users(file))["removed"].is_not_null() for file in it.files})
        for it in outboxes
    ]
    promote(job.state, everything)
    assert job.sync(lists) == set()


def test_outboxes_of_different_runs_are_not_promoted_together(job):
    one = job.run(LISTS).outbox
    one.folder.rename(job.folder / "one")
    job.rendering = Rendering("id", prefix="other_")
    two = job.run(LISTS).outbox

    with pytest.raises(FatalError, match="they were rendered differently"):
        promote(job.state, [(WrittenOutbox.read(job.folder / "one"), {}), (two, {})])


def test_a_state_of_another_layout_is_refused(job):
    job.sync(LISTS)
    file = job.state / "state.json"
    file.write_text(file.read_text().replace('"layout": 1', '"layout": 9'))

    with pytest.raises(FatalError, match="has layout 9, and this version reads 1"):
        job.run(LISTS)


def test_an_outbox_without_its_last_file_is_half_a_one(job):
    outbox = job.run(LISTS).outbox
    (outbox.folder / "outbox.json").unlink()

    with pytest.raises(FatalError, match="holds no complete outbox; let the transform run again"):
        WrittenOutbox.read(outbox.folder)


def test_files_hold_no_more_lines_than_they_may(tmp_path):
    rows = pl.DataFrame(
        {"line": list("abcde"), "user_id": list("abcde"), "hash": range(5), "removed": [False] * 5},
        schema_overrides={"hash": pl.UInt64},
    )

    with OutboxWriter(tmp_path / "outbox", most_lines=2) as writer:
        writer.add(rows)
        outbox = writer.complete(
            items=no_items().versions, fingerprint="f", attributes=(), retired=(), counts={}
        )

    assert [outbox.lines(file).read_text() for file in outbox.files] == ["a\nb\n", "c\nd\n", "e\n"]
    assert [len(pl.read_parquet(outbox.users(file))) for file in outbox.files] == [2, 2, 1]


def test_hashes_are_xxh3_and_so_the_same_on_every_machine():
    rows = pl.DataFrame({"ids": ['106","107","49', ""]})

    # Source of the second: xxHash, doc/xxhash_spec.md, XXH3-64 of nothing with seed 0.
    assert hashes_of(rows).to_list() == [11761258554794703853, 0x2D06800538D394C2]
    assert keys_of(pl.Series([""])).tolist() == [0x2D06800538D394C2]


def test_an_audience_sends_who_joined_and_who_left(tmp_path):
    renderer = MembershipRenderer(Rendering("id"), Membership('"vip":true', '"vip":false'))
    texts = []
    for users in (["a", "b", "c"], ["b", "c", "d"], ["b", "c", "d"]):
        report = write_outbox(
            AudienceMembers(pl.Series(users)),
            renderer,
            no_items(),
            tmp_path / "state",
            tmp_path / "outbox",
            options=DeltaOptions(most_cleared=0.5),
        )
        outbox = report.outbox
        texts.append([outbox.lines(file).read_text() for file in outbox.files])
        taken = {file: pl.read_parquet(outbox.users(file))["hash"] >= 0 for file in outbox.files}
        promote(tmp_path / "state", [(outbox, taken)])

    assert texts == [
        ['{"id":"a","vip":true}\n{"id":"b","vip":true}\n{"id":"c","vip":true}\n'],
        ['{"id":"d","vip":true}\n{"id":"a","vip":false}\n'],
        [],
    ]


people = st.sampled_from([f"u{n}" for n in range(8)])
picks = st.lists(st.sampled_from("abcd"), max_size=3)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.dictionaries(people, picks, max_size=8),
            st.dictionaries(st.sampled_from("abcd"), st.sampled_from("XY"), min_size=1),
            st.sets(people, max_size=2),
            st.sampled_from(["r_", "s_"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_whatever_happens_the_destination_ends_with_the_truth(tmp_path_factory, runs):
    job = Job(tmp_path_factory.mktemp("job"))
    for lists, items, refused, prefix in runs:
        job.items = items
        job.rendering = Rendering("id", prefix=prefix)
        job.run(lists)
        job.deliver(*refused)
    job.sync(lists)

    assert job.held() == job.expected(lists)
    assert job.sync(lists) == set()
