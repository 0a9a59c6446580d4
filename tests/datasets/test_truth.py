"""Audiences against the planted truth, on numbers that can be worked out on paper."""

from __future__ import annotations

import polars as pl
import pytest

from personalization.datasets import audience_quality
from personalization.errors import ConfigError

# The mean share of Action is 0.2, so who has 0.3 or more likes it: ana and ben.
TRUTH = pl.DataFrame(
    {
        "user_id": ["ana", "ben", "cleo", "dan", "eve"],
        "Action": [0.5, 0.31, 0.1, 0.09, 0.0],
        "Silence": [0.0, 0.0, 0.0, 0.0, 0.0],
        "Drama": [0.4, 0.4, 0.4, 0.4, 0.4],
    }
)


def test_an_audience_is_measured_against_chance_and_against_the_best_of_its_size() -> None:
    quality = audience_quality(["ana", "cleo"], "Action", TRUTH)

    assert quality.base_rate == pytest.approx(0.2)
    assert quality.share == pytest.approx(0.3)
    assert quality.lift == pytest.approx(1.5)
    assert quality.oracle_lift == pytest.approx(2.025)
    assert quality.precision == pytest.approx(0.5)
    assert quality.chance_precision == pytest.approx(0.4)
    assert quality.oracle_precision == pytest.approx(1.0)


def test_an_audience_larger_than_the_genres_friends_cannot_be_all_right() -> None:
    quality = audience_quality(["ana", "ben", "cleo", "dan"], "Action", TRUTH.lazy())

    assert quality.precision == quality.oracle_precision == pytest.approx(0.5)
    assert quality.lift == quality.oracle_lift == pytest.approx(1.25)


def test_repeated_and_unknown_ids_do_not_count() -> None:
    quality = audience_quality(["ana", "ana", "zoe"], "Action", TRUTH)

    assert (quality.size, quality.unknown) == (1, 1)


def test_where_no_taste_was_planted_nobody_likes_anything() -> None:
    quality = audience_quality(["ana", "ben"], "Drama", TRUTH)

    assert quality.lift == quality.oracle_lift == pytest.approx(1.0)
    assert quality.precision == quality.chance_precision == quality.oracle_precision == 0.0


@pytest.mark.parametrize(
    ("user_ids", "genre", "message"),
    [
        pytest.param(
            ["ana"],
            "Noir",
            "the truth knows no genre 'Noir'; it knows Action, Silence, Drama",
            id="unknown genre",
        ),
        pytest.param(
            ["ana"],
            "Silence",
            "nobody in this world ever watches 'Silence'; choose another genre",
            id="genre that nobody watches",
        ),
        pytest.param(
            ["zoe", "yan"],
            "Action",
            "none of the audience's 2 users is in the truth; "
            "take the truth that was generated together with the data",
            id="another world's users",
        ),
        pytest.param(
            [],
            "Action",
            "none of the audience's 0 users is in the truth; "
            "take the truth that was generated together with the data",
            id="empty audience",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused(user_ids: list[str], genre: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        audience_quality(user_ids, genre, TRUTH)

    assert str(refused.value) == message
