"""What lines have set is remembered, so that a changed rendering takes the old away."""

from __future__ import annotations

from pathlib import Path

import orjson
import polars as pl
import pytest

from personalization.connectors.base import Membership, Rendering
from personalization.transforms.item_metadata import no_items
from personalization.transforms.recommendation_delta import DeltaOptions
from personalization.transforms.recommendation_rendering import (
    AttributeRenderer,
    MembershipRenderer,
)
from personalization.transforms.recommendation_sources import AudienceMembers
from personalization.transforms.recommendation_state import promote, read_state
from personalization.transforms.recommendations import write_outbox
from tests.transforms.test_recommendations import LISTS, Job

OWN = {"_update_existing_only": True}


def test_another_attribute_that_the_job_no_longer_sets_is_taken_away(tmp_path):
    job = Job(tmp_path)
    job.rendering = Rendering("id", prefix="r_", constants={"camp": "b", **OWN})
    job.given = ("camp",)
    job.sync(LISTS)
    job.rendering, job.given = Rendering("id", prefix="r_", constants=OWN), ()

    job.run(LISTS)

    assert {user: line["camp"] for user, line in job.sent().items()} == dict.fromkeys(LISTS)
    job.deliver()
    assert job.sync(LISTS) == set()
    assert all("camp" not in held for held in job.held().values())


def test_who_left_loses_the_jobs_other_attributes_and_is_not_given_them(tmp_path):
    job = Job(tmp_path)
    job.rendering = Rendering("id", prefix="r_", constants={"camp": "b", **OWN})
    job.given = ("camp",)
    job.sync(LISTS)

    job.run({user: ids for user, ids in LISTS.items() if user != "ben"})

    assert job.sent() == {
        "ben": {"_update_existing_only": True, "r_name": None, "r_itemId": None, "camp": None}
    }


def test_other_attributes_do_not_change_the_fingerprint_of_states_before_they_were_remembered():
    rendering = Rendering("id", constants={"camp": "b"})

    assert (
        AttributeRenderer(rendering, no_items()).fingerprint
        == AttributeRenderer(rendering, no_items(), ("camp",)).fingerprint
    )


@pytest.mark.parametrize(
    ("rendering", "held"),
    [
        (Rendering("id", constants={"x": 1}), "x"),
        (Rendering("uid"), "uid"),
        (Rendering("id"), "itemId"),
    ],
    ids=["the-destinations-own", "the-users-id", "a-list"],
)
def test_what_is_set_for_another_reason_now_is_not_taken_away(rendering, held):
    renderer = AttributeRenderer(rendering, no_items())

    assert renderer.outdated([held, "old"]) == ("old",)


class Audience:
    """One audience, run after run, at a destination that keeps booleans and arrays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.membership = BOOLEAN
        self.constants: dict = {}
        self.holds: dict[str, dict] = {}
        self.sent: dict[str, dict] = {}

    def sync(self, *users: str) -> dict[str, dict]:
        outbox = write_outbox(
            AudienceMembers(pl.Series(users, dtype=pl.String)),
            MembershipRenderer(
                Rendering("id", constants={**self.constants, **OWN}),
                self.membership,
                tuple(self.constants),
            ),
            no_items(),
            self.folder / "state",
            self.folder / "outbox",
            options=DeltaOptions(clear_anyway=True),
        ).outbox
        texts = [outbox.lines(file).read_bytes() for file in outbox.files]
        lines = [orjson.loads(line) for text in texts for line in text.splitlines()]
        self.sent = {it.pop("id"): it for it in lines}
        for user, line in self.sent.items():
            assert line.pop("_update_existing_only") is True
            self._set(self.holds.setdefault(user, {}), line)
        taken = {file: pl.read_parquet(outbox.users(file))["removed"] for file in outbox.files}
        promote(self.folder / "state", [(outbox, {it: v.is_not_null() for it, v in taken.items()})])
        return {user: held for user, held in self.holds.items() if held}

    @staticmethod
    def _set(held: dict, line: dict) -> None:
        for name, value in line.items():
            if isinstance(value, dict):
                words = [it for it in held.get(name, []) if it not in value.get("remove", [])]
                held[name] = [*words, *value.get("add", [])]
            else:
                held[name] = value
            if not held[name]:
                del held[name]


BOOLEAN = Membership('"vip":true', '"vip":null')
ARRAY = Membership('"in":{"add":["vip"]}', '"in":{"remove":["vip"]}')


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [(BOOLEAN, ARRAY, {"in": ["vip"]}), (ARRAY, BOOLEAN, {"vip": True})],
    ids=["boolean-to-array", "array-to-boolean"],
)
def test_an_audience_that_is_kept_in_another_way_leaves_nothing_behind(
    tmp_path, before, after, held
):
    audience = Audience(tmp_path)
    audience.membership = before
    audience.sync("ana", "bo")
    audience.membership = after

    assert audience.sync("ana") == {"ana": held}
    audience.sync("ana")
    assert audience.sent == {}
    assert audience.sync() == {}


def test_an_audience_whose_texts_only_change_their_value_is_not_told_the_old_one(tmp_path):
    audience = Audience(tmp_path)
    audience.sync("ana", "bo")
    audience.membership = Membership('"vip":true', '"vip":false')

    audience.sync("ana")

    assert audience.sent == {"ana": {"vip": True}, "bo": {"vip": False}}


def test_who_left_an_audience_is_not_given_other_attributes_and_keeps_those_of_others(tmp_path):
    audience = Audience(tmp_path)
    audience.constants = {"camp": "b"}
    audience.sync("ana", "bo")

    audience.sync("ana")

    assert audience.sent == {"bo": {"vip": None}}


def test_other_attributes_that_the_job_no_longer_sets_are_taken_from_members(tmp_path):
    audience = Audience(tmp_path)
    audience.constants = {"camp": "b"}
    audience.sync("ana", "bo")
    audience.constants = {}

    assert audience.sync("ana") == {"ana": {"vip": True}}


def test_a_state_that_knows_nothing_of_an_audiences_texts_is_read(tmp_path):
    audience = Audience(tmp_path)
    audience.sync("ana", "bo")
    file = tmp_path / "state" / "state.json"
    said = orjson.loads(file.read_bytes())
    file.write_bytes(orjson.dumps({**said, "attributes": []}))

    assert audience.sync("ana") == {"ana": {"vip": True}}
    assert read_state(tmp_path / "state").attributes == ('"vip":null',)
