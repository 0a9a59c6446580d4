"""Batch job inputs: every line a query, and one the recipe can answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from personalization import config, schemas
from personalization.errors import ConfigError
from tests.config.files import record

ITEMS = schemas.parse(
    record(
        "Items",
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRES", "type": "string", "categorical": True},
        {"name": "STORY", "type": "string", "textual": True},
    )
)
ATTRIBUTES = "aws-item-attribute-affinity"


def said(text: str | bytes, recipe: str) -> list[str]:
    return [str(f) for f in config.check_job_input(text, "job.json", recipe, items=ITEMS)]


@pytest.mark.parametrize(
    ("text", "recipe"),
    [
        pytest.param('{"itemAttributes": "ITEMS.genres = \\"Action\\""}', ATTRIBUTES, id="aws"),
        pytest.param(b'\xef\xbb\xbf{"itemId": "1"}\r\n{"itemId": "2"}\n', "aws-sims", id="crlf"),
        pytest.param('{"itemId": "1", "filterValues": {"G": "x"}}', "aws-item-affinity", id="item"),
        pytest.param('{"userId": "1", "context": {"D": "tv"}}', "aws-user-personalization", id="u"),
        pytest.param(
            '{"userId": "1", "itemList": ["2"]}', "aws-personalized-ranking-v2", id="ranking"
        ),
    ],
)
def test_a_query_the_recipe_can_answer_has_no_finding(text, recipe):
    assert said(text, recipe) == []


@pytest.mark.parametrize(
    ("text", "recipe", "expected"),
    [
        pytest.param(
            "\n",
            ATTRIBUTES,
            'is empty; write one query a line: {"itemAttributes": "…"}',
            id="empty",
        ),
        pytest.param(
            '{"itemId": "1"}\n{"itemId": "2"',
            "aws-sims",
            "job.json:2: is not JSON: Expecting ',' delimiter: line 1 column 15 (char 14): "
            '{"itemId": "2"; every line must be a whole object: {"itemId": "…"}',
            id="open",
        ),
        pytest.param(
            '["1"]',
            "aws-sims",
            'job.json:1: is ["1"]; every line must be an object: {"itemId": "…"}',
            id="list",
        ),
        pytest.param(
            '{"itemID": "1"}',
            "aws-sims",
            "job.json:1: itemID: is not a known key; did you mean itemId?",
            id="typo",
        ),
        pytest.param(
            '{"itemId": "1", "context": {}}',
            "aws-sims",
            "job.json:1: context: is not a known key; known keys: itemId, filterValues",
            id="extra",
        ),
        pytest.param(
            "{}", "aws-sims", "itemId: is missing; must be text, also where", id="missing"
        ),
        pytest.param('{"itemId": 1}', "aws-sims", "itemId: is 1; must be text, also", id="number"),
        pytest.param('{"itemId": ""}', "aws-sims", 'itemId: is ""; must be text', id="blank"),
        pytest.param(
            json.dumps({"userId": "u" * 257}),
            "aws-popularity-count",
            "userId: has 257 characters; at most 256 are allowed",
            id="long-id",
        ),
        pytest.param(
            '{"itemId": "1", "filterValues": {"G": 1}}',
            "aws-sims",
            'filterValues: is {"G": 1}; must be an object of texts',
            id="filter-values",
        ),
        pytest.param(
            '{"userId": "1"}',
            "aws-personalized-ranking",
            'itemList: is missing; must be a list of item ids, each a text: ["27", "886"]',
            id="no-list",
        ),
        pytest.param(
            json.dumps({"userId": "1", "itemList": ["2"] * 501}),
            "aws-personalized-ranking",
            "itemList: has 501 items; at most 500 are allowed",
            id="long-list",
        ),
        pytest.param(
            '{"itemAttributes": "ITEMS.GENRES = Action"}',
            ATTRIBUTES,
            "itemAttributes: cannot be read: item attributes 'ITEMS.GENRES = Action': at character"
            " 16 expected a number, or text in double quotes",
            id="expression",
        ),
        pytest.param(
            '{"itemAttributes": "ITEMS.GENRE = \\"A\\""}',
            ATTRIBUTES,
            "itemAttributes: compares GENRE, which is no column of the items; there are: ITEM_ID, "
            "GENRES",
            id="column",
        ),
        pytest.param(
            '{"itemAttributes": "ITEMS.STORY = \\"A\\""}',
            ATTRIBUTES,
            "itemAttributes: compares STORY, which is textual; there are: ITEM_ID, GENRES",
            id="textual",
        ),
        pytest.param(
            '{"itemAttributes": "ITEMS.GENRES = \\"A\\""}\n' * 11,
            ATTRIBUTES,
            "job.json: has 11 queries; at most 10 are allowed",
            id="eleven-expressions",
        ),
        pytest.param(
            '{"itemId": "1"}\n' * 501,
            "aws-item-affinity",
            "job.json: has 501 queries; at most 500 are allowed",
            id="too-many-items",
        ),
        pytest.param(
            b'{"itemId": "\xff"}', "aws-sims", "job.json:1: is not UTF-8: byte", id="utf-8"
        ),
    ],
)
def test_a_query_that_cannot_be_answered_is_named_with_its_line(text, recipe, expected):
    found = said(text, recipe)

    assert any(expected in line for line in found)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        pytest.param(
            "aws-trending-now", "recipe 'aws-trending-now' has no batch jobs; batch", id="t"
        ),
        pytest.param(
            "aws-simms", "recipe 'aws-simms' is unknown; batch jobs have: aws-", id="typo"
        ),
    ],
)
def test_only_recipes_with_batch_jobs_have_inputs(recipe, message):
    with pytest.raises(ConfigError, match=message):
        said("{}", recipe)


def test_every_recipe_with_batch_jobs_has_its_input_checked():
    for recipe in config.RECIPES.values():
        if recipe.batch != "none":
            assert said('{"hello": 1}', recipe.name)


def test_columns_are_checked_only_against_known_items():
    query = json.dumps({"itemAttributes": 'ITEMS.ANY = "x"'})

    assert config.check_job_input(query, "job.json", ATTRIBUTES) == []


def test_a_file_wrong_in_every_line_is_not_repeated_for_ever():
    assert len(said('{"itemId": 1}\n' * 5000, "aws-sims")) == 100


@settings(deadline=None)
@given(st.text() | st.binary(), st.sampled_from([ATTRIBUTES, "aws-personalized-ranking"]))
def test_no_text_makes_the_check_crash(text, recipe):
    said(text, recipe)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["itemAttributes", "userId", "itemList", "context", "filterValues"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
            max_leaves=5,
        ),
    ),
    st.sampled_from([ATTRIBUTES, "aws-personalized-ranking"]),
)
def test_no_query_makes_the_check_crash(query, recipe):
    said(json.dumps(query), recipe)
