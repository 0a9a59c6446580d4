from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from personalization.errors import ConfigError
from personalization.expressions import Condition, matching, parse

ITEMS = pl.DataFrame(
    {
        "ITEM_ID": ["heat", "up", "toys", "blank"],
        "GENRES": ["Action|Crime", "Adventure", "Adventure|Comedy", None],
        "RELEASE_YEAR": [1995, 2009, 1995, None],
        "PRICE": [9.5, 3.0, 4.0, None],
        "CODE": ["7", "8", "9", None],
        "ADULT": [True, False, False, None],
    }
)


def found(expression: str, items: pl.DataFrame | pl.LazyFrame = ITEMS) -> list[str]:
    chosen = items.lazy().filter(matching(parse(expression), items)).collect()
    return chosen["ITEM_ID"].to_list()


@pytest.mark.parametrize(
    ("expression", "conditions"),
    [
        pytest.param('ITEMS.genres = "Action"', [("genres", "Action")], id="aws-sample"),
        pytest.param("ITEMS.YEAR=1995", [("YEAR", 1995)], id="number-without-spaces"),
        pytest.param("items.price = -4.5e1", [("price", -45.0)], id="negative-float"),
        pytest.param(
            ' Items.A = "x" and ITEMS.B = "AND" ', [("A", "x"), ("B", "AND")], id="and-in-any-case"
        ),
        pytest.param(r'ITEMS.A = "a \"b\" \\ c"', [("A", r'a "b" \ c')], id="escapes"),
        pytest.param('ITEMS.A = "a \\& b"', [("A", "a & b")], id="needless-escape"),
        pytest.param('ITEMS.A = ""', [("A", "")], id="empty-text"),
    ],
)
def test_an_expression_is_its_conditions(expression, conditions):
    assert parse(expression) == tuple(Condition(*condition) for condition in conditions)


def test_a_whole_number_stays_one():
    (condition,) = parse("ITEMS.YEAR = 1995")

    assert isinstance(condition.value, int)


VALUES = st.one_of(
    st.text(), st.integers(-(2**60), 2**60), st.floats(allow_nan=False, allow_infinity=False)
)
COLUMNS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)


@given(st.lists(st.builds(Condition, COLUMNS, VALUES), min_size=1, max_size=4))
def test_what_is_written_is_read_back(conditions):
    assert parse(" AND ".join(map(str, conditions))) == tuple(conditions)


@given(st.text(alphabet='ITEMSitems.= "\\and09AB|\n', max_size=40))
def test_any_text_is_either_conditions_or_a_config_error(text):
    try:
        conditions = parse(text)
    except ConfigError as error:
        assert "at character" in str(error)  # noqa: PT017
    else:
        assert conditions


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        pytest.param("", "at character 1 expected ITEMS, but the text ends there", id="empty"),
        pytest.param("genres = 1", "at character 1 expected ITEMS, but found", id="no-dataset"),
        pytest.param("USERS.AGE = 1", "at character 1 expected ITEMS", id="other-dataset"),
        pytest.param("ITEMS genres", "at character 6 expected a dot after ITEMS", id="no-dot"),
        pytest.param("ITEMS. genres", "at character 7 expected a column name", id="no-column"),
        pytest.param("ITEMS.A > 5", r"at character 9 expected = \(the only", id="greater-than"),
        pytest.param("ITEMS.A = Action", "at character 11 expected a number, or", id="unquoted"),
        pytest.param('ITEMS.A = "x', "at character 11 expected a number, or", id="open-quote"),
        pytest.param("ITEMS.A = 12th", "at character 11 expected a number, or", id="not-a-number"),
        pytest.param(
            "ITEMS.A = 1 OR ITEMS.B = 2", "at character 13 expected AND, or the end", id="or"
        ),
        pytest.param("ITEMS.A = 1 AND", "at character 16 expected ITEMS, but", id="dangling"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(expression, message):
    with pytest.raises(ConfigError, match=message):
        parse(expression)


@pytest.mark.parametrize(
    ("expression", "items"),
    [
        pytest.param('ITEMS.genres = "Adventure"', ["up", "toys"], id="any-of-several-values"),
        pytest.param('ITEMS.GENRES = "Action|Crime"', ["heat"], id="the-whole-text"),
        pytest.param('ITEMS.genres = "action"', [], id="values-compare-exactly"),
        pytest.param("ITEMS.release_year = 1995", ["heat", "toys"], id="number"),
        pytest.param('ITEMS.RELEASE_YEAR = "1995"', ["heat", "toys"], id="quoted-number"),
        pytest.param("ITEMS.PRICE = 4", ["toys"], id="whole-number-in-floats"),
        pytest.param("ITEMS.CODE = 7", ["heat"], id="bare-number-in-text"),
        pytest.param(
            'ITEMS.GENRES = "Adventure" AND ITEMS.GENRES = "Comedy"', ["toys"], id="both-values"
        ),
    ],
)
def test_items_that_meet_all_conditions_match(expression, items):
    assert found(expression) == items
    assert found(expression, ITEMS.lazy()) == items


def test_an_unknown_column_is_an_error_that_lists_the_columns():
    with pytest.raises(ConfigError, match=r"no column 'COLOUR'; there are: ITEM_ID, GENRES, REL"):
        found('ITEMS.COLOUR = "red"')


def test_a_number_column_is_not_compared_with_words():
    with pytest.raises(ConfigError, match="RELEASE_YEAR holds numbers; compare it with one"):
        found('ITEMS.RELEASE_YEAR = "new"')


def test_booleans_make_no_segment():
    with pytest.raises(ConfigError, match="ADULT is Boolean, which a segment cannot be made of"):
        found("ITEMS.ADULT = 1")


def test_exact_spelling_wins_over_another_case():
    items = pl.DataFrame({"ITEM_ID": ["a", "b"], "kind": ["x", "y"], "KIND": ["y", "x"]})

    assert found('ITEMS.KIND = "x"', items) == ["b"]
    assert found('ITEMS.kind = "x"', items) == ["a"]
