"""A film service with planted tastes, at any size: data whose right answers are known.

    interactions.csv  USER_ID, ITEM_ID, EVENT_VALUE (stars, 1 to 5), EVENT_TYPE (always Watch),
                      TIMESTAMP (Unix seconds); user by user, ascending in time for each
    items.csv         ITEM_ID, TITLE, RELEASE_YEAR, CREATION_TIMESTAMP (Unix seconds), GENRES (by |)
    users.csv         USER_ID, GENDER, AGE (years); both may be empty
    endpoints.csv     Id, User.UserId, ChannelType, User.UserAttributes.Gender, Address,
                      User.UserAttributes.Age, OptOut, EndpointStatus
    truth.parquet     user_id str, then one f64 column for each genre: the probability that an event
                      of this user is of that genre

users.csv holds no e-mail addresses: a model learns nothing from them, and personal data in a
training set has to be found and deleted again.  Addresses are where messages are sent from, in
endpoints.csv, all of them in Amazon's mailbox simulator.  Gender and age say nothing about taste.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from personalization.columns import (
    AWS_EVENT_TYPE,
    AWS_EVENT_VALUE,
    AWS_ITEM_ID,
    AWS_TIMESTAMP,
    AWS_USER_ID,
    USER_ID,
)
from personalization.datasets.films import START_S, draw_films
from personalization.datasets.histories import DAY_S, Habits, draw_events
from personalization.datasets.people import draw_endpoints, draw_users
from personalization.datasets.tastes import (
    GENRE_NAMES,
    NO_TASTE,
    PLANTED,
    Floats,
    Ints,
    draw_catalogue,
    draw_tastes,
    genre_probabilities,
)
from personalization.datasets.writing import append_csv, parquet_in_parts, replacing
from personalization.errors import ConfigError

_CHUNK_EVENTS: Final = 500_000
_CHUNK_USERS: Final = 50_000
# No user holds more than this share of all events.
_MOST_OF_ALL: Final = 0.02


@dataclass(frozen=True)
class World:
    """What was generated.

    base_rates  for each genre, the mean over users of the true probability that an event is of it:
                what an audience drawn by lot would show
    short       events asked for but not made, because users had seen too much (only repeats=False)
    """

    folder: Path
    users: int
    items: int
    interactions: int
    endpoints: int
    first_s: int
    last_s: int
    base_rates: Mapping[str, float]
    short: int = 0


def generate(
    target: Path,
    *,
    users: int,
    items: int,
    interactions: int,
    seed: int,
    taste: bool = True,
    repeats: bool = True,
    concentration: float = 1.0,
    popularity_sigma: float = 1.5,
    activity_sigma: float = 1.2,
    min_events: int = 10,
    cold_share: float = 0.02,
    days: int = 730,
    habits: Habits = Habits(),  # noqa: B008 - frozen
) -> World:
    """Write the five files into `target` and return what they hold; the same seed, the same files.

    Memory is bounded by the catalogue and by 500,000 events at a time; files appear when complete
    and replace what was there.

    taste           False plants none: all users draw from one distribution, and whoever finds an
                    audience in that found noise
    repeats         True lets users watch a film again; then the truth holds exactly for every
                    event.  False leaves out what a user has already seen; then the truth is the
                    taste before that, and the events of a user who saw much deviate from it
    concentration   Dirichlet concentration of genre tastes: 1 pronounced, 10 weak
    popularity_sigma, activity_sigma  of the lognormal popularity and number of events; 1.5 gives
                    the Gini coefficient .71 of MovieLens
    min_events      a user's fewest (fewer where the total does not allow it)
    cold_share      fraction of the films added after the last event, which nobody has seen
    days            from 2024-01-01 on, within which all events fall

    Raises ConfigError for sizes that no world can have.
    """
    _refuse_impossible(users, items, interactions)
    cold = int(items * cold_share)
    mix = PLANTED if taste else NO_TASTE
    catalogue = draw_catalogue(items, cold, popularity_sigma, _stream(seed, "catalogue"))
    counts = _event_counts(users, interactions, activity_sigma, min_events, seed)
    span_s = days * DAY_S
    quality = _stream(seed, "quality").normal(3.4, 0.5, size=items)

    target.mkdir(parents=True, exist_ok=True)
    made, endpoints, first_s, last_s = 0, 0, START_S + span_s, START_S
    rate_sum = np.zeros(len(GENRE_NAMES))
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(replacing(target / f"{name}.csv"))
            for name in ("items", "users", "endpoints", "interactions")
        }
        truth = stack.enter_context(parquet_in_parts(target / "truth.parquet"))
        append_csv(
            files["items"], draw_films(catalogue.genres, cold, span_s, _stream(seed, "items"))
        )
        for number, (begin, end) in enumerate(_chunks(counts)):
            tastes = draw_tastes(
                end - begin, catalogue, mix, concentration, _stream(seed, "tastes", number)
            )
            probabilities = genre_probabilities(tastes, catalogue)
            rate_sum += probabilities.sum(axis=0)
            truth(_truth(begin, probabilities))

            people = draw_users(begin, end, _stream(seed, "users", number))
            append_csv(files["users"], people)
            reachable = draw_endpoints(people, _stream(seed, "endpoints", number))
            append_csv(files["endpoints"], reachable)
            endpoints += reachable.height

            events = draw_events(
                counts[begin:end],
                tastes,
                catalogue,
                span_s=span_s,
                habits=habits,
                repeats=repeats,
                rng=_stream(seed, "events", number),
            )
            watched = _interactions(begin, events, quality, _stream(seed, "stars", number))
            append_csv(files["interactions"], watched)
            made += watched.height
            seconds = watched[AWS_TIMESTAMP]
            first_s = min(first_s, int(seconds.min()))  # type: ignore[arg-type]
            last_s = max(last_s, int(seconds.max()))  # type: ignore[arg-type]
    return World(
        folder=target,
        users=users,
        items=items,
        interactions=made,
        endpoints=endpoints,
        first_s=first_s,
        last_s=last_s,
        base_rates=dict(zip(GENRE_NAMES, (rate_sum / users).tolist(), strict=True)),
        short=interactions - made,
    )


def _refuse_impossible(users: int, items: int, interactions: int) -> None:
    if users < 1 or items < 50 or interactions < users:
        raise ConfigError(
            f"no world has {users} users, {items} items and {interactions} interactions; "
            "it takes at least 1 user, 50 items and one interaction a user"
        )


def _stream(seed: int, purpose: str, chunk: int = 0) -> np.random.Generator:
    """A stream of its own for each purpose, so that changing one leaves the others."""
    return np.random.default_rng([seed, int.from_bytes(purpose.encode()), chunk])


def _event_counts(users: int, interactions: int, sigma: float, min_events: int, seed: int) -> Ints:
    """Lognormal shares of `interactions`, which they sum to, at least `min_events` each."""
    least = min(min_events, interactions // users)
    share = np.exp(sigma * _stream(seed, "counts").standard_normal(users))
    share /= share.sum()
    share = np.minimum(share, max(_MOST_OF_ALL, 2.0 / users))
    above = np.floor(np.cumsum(share / share.sum()) * (interactions - least * users) + 1e-6)
    above[-1] = interactions - least * users
    return least + np.diff(above, prepend=0.0).astype(np.int64)


def _chunks(counts: Ints) -> Iterator[tuple[int, int]]:
    """Yield [begin, end) of users that together have about 500,000 events."""
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(counts):
        before = int(ends[begin - 1]) if begin else 0
        end = int(np.searchsorted(ends, before + _CHUNK_EVENTS, side="right"))
        end = min(max(end, begin + 1), begin + _CHUNK_USERS)
        yield begin, end
        begin = end


def _interactions(
    begin: int, events: pl.DataFrame, quality: Floats, rng: np.random.Generator
) -> pl.DataFrame:
    """Add the stars: the film's quality, the user's mood, and chance."""
    owners, items = events["owner"].to_numpy(), events["item"].to_numpy()
    mood = rng.normal(0.0, 0.4, size=int(owners[-1]) + 1)
    stars = quality[items] + mood[owners] + rng.normal(0.0, 0.8, size=len(items))
    return pl.DataFrame(
        {
            AWS_USER_ID: owners + begin + 1,
            AWS_ITEM_ID: items + 1,
            AWS_EVENT_VALUE: np.clip(np.rint(stars), 1, 5).astype(np.int64),
            AWS_EVENT_TYPE: "Watch",
            AWS_TIMESTAMP: START_S + events["seconds"].to_numpy(),
        }
    )


def _truth(begin: int, probabilities: Floats) -> pl.DataFrame:
    ids = pl.int_range(begin + 1, begin + 1 + len(probabilities), eager=True).cast(pl.String)
    return pl.DataFrame(
        {USER_ID: ids} | {name: probabilities[:, n] for n, name in enumerate(GENRE_NAMES)}
    )
