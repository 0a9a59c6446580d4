from __future__ import annotations

import numpy as np
import pytest

from personalization.local.engine.events import Events
from personalization.local.engine.holdout import (
    hide_newest_events,
    hide_tails,
    hide_users,
    user_folds,
)


@pytest.fixture
def events() -> Events:
    """User 0 met items 0 to 19 in this order, user 1 items 5 and 7, user 2 item 3."""
    user = np.array([0] * 20 + [1, 1, 2], np.int32)
    item = np.array([*range(20), 5, 7, 3], np.int32)
    return Events(3, 20, user, item, np.arange(23) * 10)


def test_segments_hide_the_newest_fifth_of_every_user(events):
    train, hidden = hide_newest_events(events)

    assert hidden.item.tolist() == [16, 17, 18, 19]
    assert len(train) + len(hidden) == len(events)


def test_a_tested_user_is_unseen_in_training_and_asked_at_his_first_hidden_event(events):
    held = hide_users(events, np.array([0, 1]))

    assert held.train.user.tolist() == [2]
    assert held.history.per_user.tolist() == [18, 1]
    assert held.asked.tolist() == [180, 210]
    assert held.hidden.toarray().nonzero()[1].tolist() == [18, 19, 7]


def test_when_tails_are_hidden_everybody_trains(events):
    held = hide_tails(events)

    assert held.train.per_user.tolist() == [18, 1, 0]
    assert held.history.per_user.tolist() == [18, 1]


def test_folds_hold_everybody_with_two_events_once(events):
    folds = user_folds(events, seed=0, n_folds=2)

    assert sorted(np.concatenate(folds).tolist()) == [0, 1]
