"""How good an audience is, where the world was generated and so the right answer is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import polars as pl

from personalization.columns import USER_ID
from personalization.errors import ConfigError

# A user likes a genre whose share of their events is, in truth, at least this multiple of the
# average user's.  A multiple rather than "the top tenth", so that nobody likes anything where no
# taste was planted; half again as often, so that it is a difference one would notice.
LIKES: Final = 1.5


@dataclass(frozen=True)
class AudienceQuality:
    """An audience for a genre against the planted truth.

    size              users of the audience that the truth knows, each counted once
    unknown           ids that the truth does not know
    base_rate         mean over all users of the true share of the genre among a user's events
    share             the same, mean over the audience
    lift              share / base_rate: 1 is what an audience drawn by lot gets
    oracle_lift       the lift of the best audience of the same size: no method can have more
    precision         fraction of the audience that likes the genre (see LIKES)
    chance_precision  fraction of all users that do: what an audience drawn by lot gets
    oracle_precision  of the best audience of the same size; below 1 if too few like the genre
    """

    genre: str
    size: int
    unknown: int
    base_rate: float
    share: float
    lift: float
    oracle_lift: float
    precision: float
    chance_precision: float
    oracle_precision: float


def audience_quality(
    user_ids: Iterable[str], genre: str, truth: pl.DataFrame | pl.LazyFrame
) -> AudienceQuality:
    """Return how well the audience fits the genre.

    truth   as `generate` writes it: user_id str, one f64 column for each genre

    Raises ConfigError for a genre that the truth has no column for, for one that nobody ever
    watches, and for an audience without any known user.
    """
    frame = truth.lazy()
    genres = [name for name in frame.collect_schema().names() if name != USER_ID]
    if genre not in genres:
        raise ConfigError(f"the truth knows no genre {genre!r}; it knows {', '.join(genres)}")
    everyone = frame.select(USER_ID, pl.col(genre).alias("share")).collect()
    wanted = pl.DataFrame({USER_ID: list(user_ids)}, schema={USER_ID: pl.String}).unique()
    audience = everyone.join(wanted, on=USER_ID, how="semi")["share"]
    shares = everyone["share"]
    size = len(audience)
    if not size:
        raise ConfigError(
            f"none of the audience's {wanted.height} users is in the truth; "
            "take the truth that was generated together with the data"
        )
    base = _mean(shares)
    if not base:
        raise ConfigError(f"nobody in this world ever watches {genre!r}; choose another genre")
    oracle = shares.sort(descending=True).head(size)
    likes = LIKES * base
    return AudienceQuality(
        genre=genre,
        size=size,
        unknown=wanted.height - size,
        base_rate=base,
        share=_mean(audience),
        lift=_mean(audience) / base,
        oracle_lift=_mean(oracle) / base,
        precision=_mean(audience >= likes),
        chance_precision=_mean(shares >= likes),
        oracle_precision=_mean(oracle >= likes),
    )


def _mean(values: pl.Series) -> float:
    return float(values.cast(pl.Float64).to_numpy().mean())
