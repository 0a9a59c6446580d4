from __future__ import annotations

import numpy as np
import pytest

from personalization.local.engine.events import Events
from personalization.local.engine.sequence import followers


def test_what_follows_sooner_counts_more_and_users_do_not_mix():
    # User 0: a b c a; user 1: c b.
    user, item = np.array([0, 0, 0, 0, 1, 1], np.int32), np.array([0, 1, 2, 0, 2, 1], np.int32)

    after = followers(Events(2, 3, user, item, np.arange(6))).toarray()

    # a was met twice: b came 1 later once, c 2 later once; a after a does not count.
    assert after[0].tolist() == [0, 1 / 2, pytest.approx(1 / 2 / 2)]
    assert after[1].tolist() == [pytest.approx(1 / 2 / 2), 0, 1 / 2]
    assert after[2].tolist() == [1 / 2, 1 / 2, 0]
