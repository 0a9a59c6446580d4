"""The planted world: what items are, what users like, and hence what each user will watch.

An event of a user comes from a *cell*: the whole catalogue, a hidden community of items, or a
genre.  The user's taste says how often from which; inside a cell an item is drawn by popularity.
So the probability of an item, and of a genre, given the user is a sum over cells, in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Genre: share of the films that carry it, and share of the events that go to it.
# Source: our counts over MovieLens latest-small, rounded.
GENRES: Final = {
    "Action": (0.19, 0.30),
    "Adventure": (0.13, 0.24),
    "Animation": (0.06, 0.07),
    "Children": (0.07, 0.09),
    "Comedy": (0.39, 0.39),
    "Crime": (0.12, 0.17),
    "Documentary": (0.05, 0.012),
    "Drama": (0.45, 0.42),
    "Fantasy": (0.08, 0.12),
    "Film-Noir": (0.01, 0.009),
    "Horror": (0.10, 0.07),
    "Musical": (0.03, 0.04),
    "Mystery": (0.06, 0.08),
    "Romance": (0.16, 0.18),
    "Sci-Fi": (0.10, 0.17),
    "Thriller": (0.19, 0.26),
    "War": (0.04, 0.05),
    "Western": (0.02, 0.02),
}
GENRE_NAMES: Final = tuple(GENRES)
_ITEM_SHARES: Final = np.array([share for share, _ in GENRES.values()])
_TILTS: Final = np.log([events / items for items, events in GENRES.values()])
# How many genres a film has: 1 to 5, with these probabilities.  Source: as above.
_GENRE_COUNTS: Final = (0.29, 0.34, 0.24, 0.10, 0.03)


@dataclass(frozen=True)
class Catalogue:
    """Items in their hidden order, and the cells they are drawn from.

    genres      bool, items × genres
    ladder      f64: cumulative popularity inside each cell plus the cell's number, cell after cell,
                so that one binary search for `cell + u`, u in [0, 1), finds the item
    members     i64: the item at each step of the ladder
    cell_genres f64, cells × genres: probability that an event from the cell is of the genre
    cells are: 0 the whole catalogue, then the communities, then the genres
    """

    genres: npt.NDArray[np.bool_]
    ladder: Floats
    members: Ints
    cell_genres: Floats
    communities: int

    def items(self, cells: Ints, u: Floats) -> Ints:
        """Return the item that each (cell, u in [0, 1)) leads to."""
        return self.members[np.searchsorted(self.ladder, cells + u, side="right")]


@dataclass(frozen=True)
class Mix:
    """How often an event comes from the whole catalogue, a community, a genre; sums to 1."""

    everything: float
    community: float
    genre: float


PLANTED: Final = Mix(0.05, 0.45, 0.50)
NO_TASTE: Final = Mix(1.0, 0.0, 0.0)


def draw_catalogue(
    items: int, cold: int, popularity_sigma: float, rng: np.random.Generator
) -> Catalogue:
    """Draw items; the last `cold` of them are in no cell, so nobody ever watches them."""
    genres = _draw_genres(items, rng)
    popularity = np.exp(popularity_sigma * rng.standard_normal(items))
    popularity *= np.exp(0.8 * (genres * _TILTS).sum(axis=1) / genres.sum(axis=1))
    popularity[items - cold :] = 0.0

    community = _draw_communities(genres, rng)
    community_count = int(community.max()) + 1
    in_cell = np.zeros((1 + community_count + len(GENRE_NAMES), items), dtype=bool)
    in_cell[0] = True
    in_cell[1 + community, np.arange(items)] = True
    in_cell[1 + community_count :] = genres.T
    return _catalogue(genres, popularity, in_cell, community_count, rng)


def _catalogue(
    genres: npt.NDArray[np.bool_],
    popularity: Floats,
    in_cell: npt.NDArray[np.bool_],
    communities: int,
    rng: np.random.Generator,
) -> Catalogue:
    order = rng.permutation(len(popularity))  # neighbours in this order follow one another
    order = order[popularity[order] > 0]
    ladder, members, cell_genres = [], [], []
    for number, row in enumerate(in_cell):
        inside = order[row[order]]
        # A cell without items is never chosen: `draw_tastes` gives it no weight.
        weight = popularity[inside] / max(popularity[inside].sum(), 1e-300)
        steps = np.cumsum(weight)
        steps[-1:] = 1.0
        ladder.append(number + steps)
        members.append(inside)
        cell_genres.append(weight @ genres[inside])
    return Catalogue(
        genres=genres,
        ladder=np.concatenate(ladder),
        members=np.concatenate(members),
        cell_genres=np.array(cell_genres),
        communities=communities,
    )


def _draw_genres(items: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Gumbel top-k on the genre shares, k drawn for each item."""
    counts = 1 + rng.choice(len(_GENRE_COUNTS), size=items, p=_GENRE_COUNTS)
    keys = np.log(_ITEM_SHARES) + rng.gumbel(size=(items, len(GENRE_NAMES)))
    ranks = (-keys).argsort(axis=1).argsort(axis=1)
    return np.asarray(ranks < counts[:, None])


def _draw_communities(genres: npt.NDArray[np.bool_], rng: np.random.Generator) -> Ints:
    """Give each item one community that leans towards its genres; numbered without gaps."""
    count = max(1, min(25, len(genres) // 12))
    leanings = rng.dirichlet(0.3 * _ITEM_SHARES * len(GENRE_NAMES), size=count)
    pull = np.log(genres @ leanings.T + 1e-3) + rng.gumbel(size=(len(genres), count))
    return np.unique(pull.argmax(axis=1), return_inverse=True)[1].astype(np.int64)


def draw_tastes(
    users: int, catalogue: Catalogue, mix: Mix, concentration: float, rng: np.random.Generator
) -> Floats:
    """Return users × cells: the probability that an event of the user comes from the cell.

    A user has a Dirichlet taste over genres (the lower the concentration, the more pronounced)
    and two communities, chosen by that taste.
    """
    first_genre = 1 + catalogue.communities
    communities = catalogue.cell_genres[1:first_genre]
    reachable = catalogue.cell_genres[first_genre:].sum(axis=1) > 0
    base = np.where(reachable, catalogue.cell_genres[0], 0.0)
    draws = rng.standard_gamma(concentration * base / base.sum(), size=(users, len(base)))
    draws += 1e-9 * base  # all draws may be too small for a float; then the base rates are left
    genre_taste = draws / draws.sum(axis=1, keepdims=True)

    empty = communities.sum(axis=1) == 0
    affinity = np.log(genre_taste @ communities.T + 1e-3)
    keys = affinity + rng.gumbel(size=affinity.shape) - np.where(empty, 1e9, 0.0)
    chosen = np.argsort(-keys, axis=1)[:, : min(2, int((~empty).sum()))]
    weights = rng.dirichlet(np.full(chosen.shape[1], 0.6), size=users)
    community_taste = np.zeros_like(affinity)
    np.put_along_axis(community_taste, chosen, weights, axis=1)

    return np.hstack(
        [
            np.full((users, 1), mix.everything),
            mix.community * community_taste,
            mix.genre * genre_taste,
        ]
    )


def genre_probabilities(tastes: Floats, catalogue: Catalogue) -> Floats:
    """Return users × genres: the probability that an event of the user is of the genre.

    Exact, not estimated.  Rows sum to more than 1: a film has one to five genres.
    """
    return np.asarray(tastes @ catalogue.cell_genres)
