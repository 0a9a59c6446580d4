"""Worlds whose truth is known: who likes which genre, exactly, and what they then did.

An event takes its item from all items, from a hidden community of the user's or from a genre of his
taste; within those, popular items come more often.  Where events are drawn one by one, and items
may come again, the share of a user's events that falls to a genre has a closed form: the truth.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from personalization.columns import ITEM_ID, TIMESTAMP, USER_ID
from personalization.local.engine import TrainingData

Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]

# Share of films that carry the genre, and of events on such films, in MovieLens latest-small.
GENRES = {
    "Drama": (0.447, 0.416),
    "Comedy": (0.386, 0.387),
    "Thriller": (0.194, 0.262),
    "Action": (0.188, 0.304),
    "Romance": (0.164, 0.180),
    "Adventure": (0.130, 0.240),
    "Crime": (0.123, 0.165),
    "Sci-Fi": (0.101, 0.171),
    "Horror": (0.100, 0.072),
    "Fantasy": (0.080, 0.117),
    "Children": (0.068, 0.091),
    "Animation": (0.063, 0.069),
    "Mystery": (0.059, 0.076),
    "Documentary": (0.045, 0.012),
    "War": (0.038, 0.048),
    "Musical": (0.034, 0.041),
    "Western": (0.017, 0.019),
    "IMAX": (0.016, 0.041),
    "Film-Noir": (0.009, 0.009),
}
GENRES_PER_ITEM = (0.29, 0.34, 0.25, 0.09, 0.03)
COMMUNITIES = 25
COMMUNITIES_PER_USER = 2
COMMUNITY_CONCENTRATION = 0.6
POPULARITY_SIGMA = 2.4
POPULARITY_TILT = 0.8
FEWEST_EVENTS, TYPICAL_EVENTS, EVENTS_SIGMA, MOST_EVENTS = 20, 50, 1.5, 2700
# Short enough that the plain smoothed share of a user's events scores as in the worlds the bars of
# `benchmarks.quality` come from (rank correlation 0.58, lift 77 % of the oracle's).
SESSION_EVENTS = 15
GAP_S, GAP_SIGMA = 12, 1.0
BETWEEN_SESSIONS_S = 6 * 86400
STEP = 0.01


@dataclass(frozen=True)
class Plan:
    """What a world is made of.

    kappa   how alike tastes are: Dirichlet concentration over the genres' base rates
    mix     share of events from all items, from a community, from a genre
    stick   probability that an event is a small step from the one before
    focus   probability that a fresh draw comes back to what its session began with
    repeat  whether users come back to items
    """

    users: int = 5000
    items: int = 4000
    kappa: float = 1.0
    mix: tuple[float, float, float] = (0.05, 0.45, 0.50)
    stick: float = 0.0
    focus: float = 0.0
    repeat: bool = True


IID = Plan()
SESSIONS = Plan(stick=0.6, focus=0.6)
NULL = Plan(users=1000, items=2000, kappa=1e5, mix=(1.0, 0.0, 0.0))


@dataclass(frozen=True)
class World:
    """What happened, and why.

    data      user ids u00000…, item ids i00000…, GENRES with `|`
    truth     users × genres: the expected share of a user's events on items of the genre
    carries   items × genres, whether the item has the genre
    """

    data: TrainingData
    truth: Doubles
    carries: NDArray[np.bool_]
    events_per_user: Whole


def planted(plan: Plan, seed: int = 0) -> World:
    """Return the world of `plan`."""
    rng = np.random.default_rng(seed)
    carries = _genres_of_items(rng, plan.items)
    cells = _cells(rng, carries)
    tastes = _tastes(rng, plan)
    n_events = FEWEST_EVENTS + rng.lognormal(np.log(TYPICAL_EVENTS), EVENTS_SIGMA, plan.users)
    per_user = np.minimum(n_events, MOST_EVENTS).astype(np.int64)
    user = np.repeat(np.arange(plan.users), per_user)
    begins = _session_begins(rng, user)
    item = _walk(rng, plan, cells, tastes, user, begins)
    interactions = pl.DataFrame(
        {
            USER_ID: _named("u", user),
            ITEM_ID: _named("i", item),
            TIMESTAMP: _times(rng, user, begins),
        }
    )
    if not plan.repeat:
        interactions = interactions.unique([USER_ID, ITEM_ID], keep="first", maintain_order=True)
    names = np.array(list(GENRES))
    items = pl.DataFrame(
        {
            ITEM_ID: _named("i", np.arange(plan.items)),
            "GENRES": ["|".join(names[row]) for row in carries],
        }
    )
    truth = tastes @ (cells @ carries)
    return World(TrainingData(interactions, items), truth, carries, per_user)


def _genres_of_items(rng: np.random.Generator, n: int) -> NDArray[np.bool_]:
    weights = np.log([share for share, _ in GENRES.values()])
    order = np.argsort(-(weights + rng.gumbel(size=(n, len(GENRES)))), axis=1)
    n_genres = 1 + rng.choice(len(GENRES_PER_ITEM), n, p=GENRES_PER_ITEM)
    carries = np.zeros((n, len(GENRES)), bool)
    np.put_along_axis(carries, order, np.arange(len(GENRES)) < n_genres[:, None], axis=1)
    return carries


def _cells(rng: np.random.Generator, carries: NDArray[np.bool_]) -> Doubles:
    """Return cells × items, rows summing to 1: all items, each community, each genre."""
    n_items, n_genres = carries.shape
    tilt = np.array([np.log(events / items) for items, events in GENRES.values()])
    lift = (carries @ tilt) / carries.sum(axis=1)
    popularity = np.exp(rng.normal(0, POPULARITY_SIGMA, n_items) + POPULARITY_TILT * lift)
    profiles = rng.dirichlet(np.full(n_genres, COMMUNITY_CONCENTRATION), COMMUNITIES)
    belongs = (carries @ profiles.T).cumsum(axis=1)
    drawn = rng.random((n_items, 1)) * belongs[:, -1:]
    community = (belongs < drawn).sum(axis=1)
    member = np.vstack([np.ones(n_items), community == np.arange(COMMUNITIES)[:, None], carries.T])
    weights = member * popularity
    return np.asarray(weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-300))


def _tastes(rng: np.random.Generator, plan: Plan) -> Doubles:
    """Return users × cells, rows summing to 1: where each user's events come from."""
    base = np.array([events for _, events in GENRES.values()])
    genres = rng.dirichlet(plan.kappa * base, plan.users)
    chosen = rng.random((plan.users, COMMUNITIES)).argsort(axis=1)[:, :COMMUNITIES_PER_USER]
    share = rng.dirichlet(np.full(COMMUNITIES_PER_USER, COMMUNITY_CONCENTRATION), plan.users)
    communities = np.zeros((plan.users, COMMUNITIES))
    np.put_along_axis(communities, chosen, share, axis=1)
    of_all, of_community, of_genre = plan.mix
    return np.hstack(
        [np.full((plan.users, 1), of_all), of_community * communities, of_genre * genres]
    )


def _session_begins(rng: np.random.Generator, user: Whole) -> NDArray[np.bool_]:
    begins = rng.random(len(user)) < 1 / SESSION_EVENTS
    begins[0] = True
    begins[1:] |= user[1:] != user[:-1]
    return begins


def _walk(
    rng: np.random.Generator,
    plan: Plan,
    cells: Doubles,
    tastes: Doubles,
    user: Whole,
    begins: NDArray[np.bool_],
) -> Whole:
    """Return the item of each event: a place on the popularity scale of some cell."""
    at = np.arange(len(user))
    cell = _draw(rng, tastes.cumsum(axis=1), user)
    first = np.maximum.accumulate(np.where(begins, at, 0))
    cell = np.where(rng.random(len(user)) < plan.focus, cell[first], cell)
    fresh = begins | (rng.random(len(user)) >= plan.stick)
    start = np.maximum.accumulate(np.where(fresh, at, 0))
    steps = np.where(fresh, 0, rng.normal(0, STEP, len(user))).cumsum()
    place = (rng.random(len(user))[start] + steps - steps[start]) % 1
    cell = cell[start]
    item = np.empty(len(user), np.int64)
    for one in np.unique(cell):
        here = cell == one
        scale = cells[one].cumsum()
        item[here] = np.searchsorted(scale, place[here] * scale[-1], side="right")
    return np.asarray(np.minimum(item, cells.shape[1] - 1))


def _draw(rng: np.random.Generator, cumulative: Doubles, rows: Whole) -> Whole:
    """Return one column a row, by its probability; `cumulative` is scanned in parts."""
    drawn = rng.random(len(rows))
    parts = range(0, len(rows), 100_000)
    return np.concatenate(
        [
            (cumulative[rows[i : i + 100_000], :-1] < drawn[i : i + 100_000, None]).sum(axis=1)
            for i in parts
        ]
    )


def _times(rng: np.random.Generator, user: Whole, begins: NDArray[np.bool_]) -> Whole:
    gaps = rng.lognormal(np.log(GAP_S), GAP_SIGMA, len(user))
    gaps[begins] = rng.exponential(BETWEEN_SESSIONS_S, int(begins.sum()))
    elapsed = gaps.cumsum()
    first = np.searchsorted(user, user)
    joined = 1_500_000_000 + 3e7 * np.sqrt(rng.random(int(user.max()) + 1))
    return np.asarray(joined[user] + elapsed - elapsed[first], np.int64)


def _named(prefix: str, numbers: Whole) -> list[str]:
    return [f"{prefix}{number:05d}" for number in numbers]
