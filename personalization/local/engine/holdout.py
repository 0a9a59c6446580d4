"""What is hidden from training, so that the rest can be measured on it.

Source: Personalize developer guide, "Evaluating a solution version with metrics": segments hide
20 % of every user's events; all else trains on 90 % of users, shows the oldest 90 % of the other
users' events and asks for the newest 10 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from personalization.local.engine.events import Events, Ints

HIDDEN_SHARE = 0.1
HIDDEN_SHARE_SEGMENTS = 0.2


@dataclass(frozen=True)
class Holdout:
    """Users to test, row by row: what is shown of them, when they are asked, what they did.

    history  Events of the tested users only, as users 0, 1, …
    asked    i64, Unix seconds: the time of each one's first hidden event
    hidden   tested users × items, not zero where a hidden event is
    """

    train: Events
    history: Events
    asked: Ints
    hidden: sparse.csr_array


def user_folds(events: Events, seed: int, n_folds: int = 10) -> list[Ints]:
    """Return users with at least two events in `n_folds` random parts, each in rising order."""
    eligible = np.flatnonzero(events.per_user >= 2)
    shuffled = np.random.default_rng(seed).permutation(len(eligible))
    return [eligible[np.sort(shuffled[fold::n_folds])] for fold in range(n_folds)]


def hide_users(events: Events, tested: Ints) -> Holdout:
    """Train on everybody but `tested`, show their older events, ask for their newest."""
    is_tested = np.zeros(events.n_users, bool)
    is_tested[tested] = True
    return _asked(events.where(~is_tested[events.user]), events.of(tested))


def hide_tails(events: Events) -> Holdout:
    """Train on everybody's older events, ask for the newest of those who have two or more."""
    users = np.flatnonzero(events.per_user >= 2)
    tested = events.of(users)
    return _asked(events.where(~events.in_newest_share(HIDDEN_SHARE, at_least=1)), tested)


def _asked(train: Events, tested: Events) -> Holdout:
    is_hidden = tested.in_newest_share(HIDDEN_SHARE, at_least=1)
    hidden = tested.where(is_hidden)
    return Holdout(
        train, tested.where(~is_hidden), hidden.time[hidden.starts[:-1]], hidden.matrix()
    )


def hide_newest_events(events: Events) -> tuple[Events, Events]:
    """Return everybody's older events and his newest fifth, rounded down."""
    is_hidden = events.in_newest_share(HIDDEN_SHARE_SEGMENTS, at_least=0)
    return events.where(~is_hidden), events.where(is_hidden)
