from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from personalization.local.engine.blend import Blend, faded, learn, standardised
from personalization.local.engine.events import Events


def one_user(items: list[int], times: list[int]) -> Events:
    return Events(1, 4, np.zeros(len(items), np.int32), np.array(items, np.int32), np.array(times))


def blend(repeat: float | None = None) -> Blend:
    """Item 0 speaks for 2, item 1 for 3; nothing follows anything; 3 is popular."""
    weights = np.zeros((4, 4), np.float32)
    weights[0, 2] = weights[1, 3] = 1
    nothing = sparse.csr_array((4, 4), dtype=np.float32)
    popularity = np.array([-1, -1, 0, 2], np.float32)
    return Blend(sparse.csr_array(weights), nothing, popularity, repeat)


def test_interest_fades_with_the_root_of_time():
    assert faded(np.array([0, 180]), 60.0).tolist() == [1, 0.5]


def test_rows_are_standardised_and_a_constant_row_is_nothing():
    rows = standardised(np.array([[1, 3], [2, 2]], np.float32))

    assert rows.tolist() == [[-1, 1], [0, 0]]


def test_the_newer_interest_wins():
    history = one_user([0, 0, 1], [0, 10, 100_000])

    scores = blend().scores(history, np.array([100_000]))[0]

    assert scores[3] > scores[2]
    assert scores[[0, 1]].tolist() == [-np.inf, -np.inf]


def test_asked_much_later_what_was_met_more_often_wins():
    history = one_user([0, 0, 1], [0, 10, 100_000])

    scores = blend().scores(history, np.array([10**9]))[0]

    assert scores[2] > scores[3]


def test_a_stranger_is_offered_what_is_popular():
    nobody = one_user([], [])

    assert blend().scores(nobody, np.array([0]))[0].tolist() == [-1, -1, 0, 2]


@pytest.mark.parametrize("repeat", [1.0, 8.0])
def test_items_met_before_are_favoured_by_the_weight_of_habit(repeat):
    history, asked = one_user([0, 1, 0], [0, 10, 20]), np.array([20])

    gain = blend(repeat).scores(history, asked) - blend(0.0).scores(history, asked)

    assert gain[0, 0] == pytest.approx(repeat, rel=1e-5)
    assert 0 < gain[0, 1] < repeat
    assert gain[0, 2:].tolist() == [0, 0]


def test_habit_is_learnt_where_there_is_one():
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(40, dtype=np.int32), 30)
    favourite = rng.integers(0, 100, (40, 3))
    habitual = favourite[user, rng.integers(0, 3, 1200)].astype(np.int32)
    novel = np.concatenate([rng.permutation(100)[:30] for _ in range(40)]).astype(np.int32)
    time = np.arange(1200) * 3600

    assert learn(Events(40, 100, user, habitual, time), None).repeat > 0
    assert learn(Events(40, 100, user, novel, time), None).repeat is None
