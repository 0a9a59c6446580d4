"""Names of audiences: known stems, no collisions, bounded, accepted by every destination."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalization.errors import ConfigError
from personalization.shapes import service_model
from personalization.transforms.audience_names import (
    NAME_LIMIT,
    logical_name,
    stamped_name,
    variant_name,
)

STAMP = dt.datetime(2022, 5, 12, 16, 10, 47, tzinfo=dt.UTC)


def attributes(expression: str) -> dict[str, str]:
    return {"itemAttributes": expression}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(attributes('ITEMS.genres = "Action"'), "ITEMSgenresAction", id="the-sample's"),
        pytest.param(attributes('ITEMS.GENRES = "Action"'), "ITEMSGENRESAction", id="upper-case"),
        pytest.param({"itemId": "105"}, "item_105", id="item"),
    ],
)
def test_a_stem_that_says_it_all_stands_alone(query, expected):
    assert logical_name(query) == expected
    assert stamped_name(logical_name(query), STAMP) == f"{expected}_20220512-161047"


@pytest.mark.parametrize(
    ("query", "stem"),
    [
        pytest.param(attributes("ITEMS.year = 1995"), "ITEMSyear", id="digits"),
        pytest.param(attributes('ITEMS.genres = "Sci-Fi"'), "ITEMSgenresSciFi", id="punctuation"),
        pytest.param(attributes('ITEMS.genres="Action"'), "ITEMSgenresAction", id="spacing"),
        pytest.param(attributes('ITEMS.genre = "sAction"'), "ITEMSgenresAction", id="other-column"),
        pytest.param(
            attributes('ITEMS.a = "B" AND ITEMS.c = "D"'), "ITEMSaBANDITEMScD", id="two-conditions"
        ),
        pytest.param(
            attributes('ITEMS.genres = "O\\"Neil/é"'), "ITEMSgenresONeil", id="quotes-and-slashes"
        ),
        pytest.param(attributes("= 5"), "audience", id="no-letters"),
        pytest.param({"itemId": "a/b c"}, "item_a-b-c", id="item-with-a-slash"),
        pytest.param({"itemId": "映画"}, "item", id="item-without-ascii"),
        pytest.param({"itemId": "105", "filterValues": {"A": "1"}}, "item_105", id="filtered"),
    ],
)
def test_a_stem_that_forgets_something_gets_a_digest(query, stem):
    assert re.fullmatch(rf"{stem}-[a-z2-7]{{12}}", logical_name(query))


def test_a_digest_never_changes():
    assert logical_name(attributes("ITEMS.release_year = 1995")) == "ITEMSreleaseyear-y5ar7yax5sgl"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(
            attributes("ITEMS.release_year = 1995"),
            attributes("ITEMS.release_year = 2005"),
            id="year",
        ),
        pytest.param(
            attributes('ITEMS.genre = "sAction"'),
            attributes('ITEMS.genres = "Action"'),
            id="border",
        ),
        pytest.param(
            attributes('ITEMS.GENRE = "SAction"'), attributes('ITEMS.GENRES = "Action"'), id="upper"
        ),
        pytest.param({"itemId": "a/b"}, {"itemId": "a-b"}, id="sanitised-item"),
        pytest.param({"itemId": "105"}, attributes("item_105"), id="item-and-expression"),
        pytest.param(
            {"itemId": "1"}, {"itemId": "1", "filterValues": {"A": "1"}}, id="filter-values"
        ),
    ],
)
def test_queries_with_one_stem_have_two_names(one, other):
    assert logical_name(one) != logical_name(other)


words = st.text("AaBbIs ", max_size=4)
expressions = st.builds('ITEMS.{} = "{}"'.format, words, words) | st.text(max_size=400)
queries = expressions.map(attributes) | st.text("a1-_ /é", min_size=1).map(
    lambda item: {"itemId": item}
)


@given(one=queries, other=queries)
def test_two_names_are_equal_only_for_equal_queries(one, other):
    assert (logical_name(one) == logical_name(other)) == (one == other)


@given(query=queries, channel=st.sampled_from([None, "EMAIL", "APNS_VOIP_SANDBOX"]))
def test_any_name_is_one_that_the_strictest_destination_takes(query, channel):
    rule = service_model("customer-profiles").shape_for("name").metadata
    name = logical_name(query, channel)

    assert re.fullmatch(rule["pattern"], name)
    assert len(name) <= rule["max"] == NAME_LIMIT


def test_a_long_expression_keeps_its_beginning():
    name = logical_name(attributes('ITEMS.title = "' + "x" * 300 + '"'))

    assert name.startswith("ITEMStitlexxxx")
    assert len(name) == 46


def test_channels_share_the_stem():
    assert logical_name({"itemId": "105"}, "SMS") == "item_105_SMS"


def test_the_stamp_is_in_utc():
    berlin = dt.timezone(dt.timedelta(hours=2))

    assert stamped_name("a", STAMP.astimezone(berlin)) == "a_20220512-161047"


def test_a_stamp_without_a_time_zone_is_refused():
    with pytest.raises(ConfigError, match=r"2022-05-12 16:10:47 has no time zone; pass one"):
        stamped_name("a", STAMP.replace(tzinfo=None))


def test_other_options_are_told_by_the_name():
    assert variant_name("ITEMSgenresAction", "") == "ITEMSgenresAction"
    assert variant_name("ITEMSgenresAction", "top9") == "ITEMSgenresAction__top9"


def test_long_variants_keep_within_the_limit_and_apart():
    told = [variant_name("a" * 46, f"APNS-BAIDU-EMAIL-GCM-top{number}") for number in range(2)]

    assert len({*told}) == 2
    assert all(len(name) <= NAME_LIMIT for name in told)
