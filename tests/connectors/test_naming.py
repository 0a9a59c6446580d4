"""Names that any destination accepts."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from personalization.connectors.naming import segment_name

ANY_NAME = st.text(min_size=1, max_size=400)


def test_an_acceptable_name_stays_as_it_is():
    assert segment_name("ITEMSgenresAction_20221107-101500") == "ITEMSgenresAction_20221107-101500"


def test_a_foreign_name_keeps_what_can_be_read():
    name = segment_name('ITEMS.genres = "Action"')

    assert name.startswith("ITEMS-genres-Action-")
    assert len(name) == len("ITEMS-genres-Action-") + 12


@given(ANY_NAME)
def test_every_name_becomes_acceptable_and_the_same_again(name: str):
    made = segment_name(name)

    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", made)
    assert made == segment_name(name)


@given(st.lists(ANY_NAME, min_size=2, max_size=20, unique=True))
def test_different_names_stay_different(names: list[str]):
    assert len({segment_name(name) for name in names}) == len(names)


@given(st.text(alphabet="xy /é", min_size=300, max_size=300))
def test_long_names_that_begin_alike_stay_different(tail: str):
    assert segment_name("x" * 300 + tail) != segment_name("x" * 300 + tail + "!")
