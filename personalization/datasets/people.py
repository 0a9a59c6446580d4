"""The people of the generated world, and where they can be reached."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from personalization.columns import (
    AWS_USER_ID,
    PINPOINT_ADDRESS,
    PINPOINT_CHANNEL,
    PINPOINT_ENDPOINT_ID,
    PINPOINT_OPT_OUT,
    PINPOINT_STATUS,
    PINPOINT_USER_ID,
)

GENDER: Final = "GENDER"
AGE: Final = "AGE"

_GENDERS: Final = ("Female", "Male", "Nonbinary", None)
_GENDER_SHARES: Final = (0.47, 0.45, 0.05, 0.03)

# How many endpoints a user has: none, one, two, three.
_ENDPOINT_COUNTS: Final = (0.06, 0.64, 0.24, 0.06)
# Everybody's first endpoint is an e-mail address; the others are one of these.
_FURTHER_CHANNELS: Final = ("APNS", "GCM", "EMAIL")
_OPTED_OUT: Final = 0.05
_INACTIVE: Final = 0.04


def draw_users(begin: int, end: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return the users numbered from `begin` + 1 to `end`: USER_ID i64, GENDER str, AGE i64."""
    count = end - begin
    ages = np.clip(rng.normal(38, 14, size=count), 16, 85).astype(np.int64)
    genders = rng.choice(len(_GENDERS), size=count, p=_GENDER_SHARES)
    return pl.DataFrame(
        {
            AWS_USER_ID: np.arange(begin + 1, end + 1),
            GENDER: pl.Series(_GENDERS, dtype=pl.String).gather(genders),
            AGE: pl.Series(ages).set(
                pl.Series(rng.random(count) < 0.02), None
            ),  # not everyone says
        }
    )


def draw_endpoints(people: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return the endpoints of `people`, in their order, under Pinpoint's column names.

    Ids are `e<user>-<n>`.  Addresses are success+<label>@simulator.amazonses.com or device tokens.
    Some users have several endpoints, some have none, some opted out, some went inactive.
    """
    counts = rng.choice(len(_ENDPOINT_COUNTS), size=people.height, p=_ENDPOINT_COUNTS)
    rows = np.repeat(np.arange(people.height), counts)
    firsts = np.cumsum(counts) - counts
    place = np.arange(len(rows)) - np.repeat(firsts, counts)
    further = rng.integers(len(_FURTHER_CHANNELS), size=len(rows))
    channels = pl.Series(_FURTHER_CHANNELS).gather(further)
    tokens = rng.integers(0, 2**63, size=(len(rows), 4))

    user, number = pl.col(AWS_USER_ID).cast(pl.String), pl.col("place").cast(pl.String)
    label = pl.when(pl.col("place") == 1).then(user).otherwise(pl.format("{}.{}", user, number))
    token = pl.concat_str(
        pl.col(f"token_{part}").map_batches(_hexadecimal, return_dtype=pl.String)
        for part in range(4)
    )
    return (
        people[rows]
        .with_columns(
            pl.Series("place", place + 1),
            pl.Series("channel", channels),
            pl.Series("opted_out", rng.random(len(rows)) < _OPTED_OUT),
            pl.Series("inactive", rng.random(len(rows)) < _INACTIVE),
            *(pl.Series(f"token_{part}", tokens[:, part]) for part in range(4)),
        )
        .with_columns(
            pl.when(pl.col("place") == 1)
            .then(pl.lit("EMAIL"))
            .otherwise(pl.col("channel"))
            .alias(PINPOINT_CHANNEL)
        )
        .select(
            pl.format("e{}-{}", user, number).alias(PINPOINT_ENDPOINT_ID),
            user.alias(PINPOINT_USER_ID),
            PINPOINT_CHANNEL,
            pl.col(GENDER).alias("User.UserAttributes.Gender"),
            pl.when(pl.col(PINPOINT_CHANNEL) == "EMAIL")
            .then(pl.format("success+{}@simulator.amazonses.com", label))
            .otherwise(token)
            .alias(PINPOINT_ADDRESS),
            pl.col(AGE).alias("User.UserAttributes.Age"),
            pl.when("opted_out")
            .then(pl.lit("ALL"))
            .otherwise(pl.lit("NONE"))
            .alias(PINPOINT_OPT_OUT),
            pl.when("inactive")
            .then(pl.lit("INACTIVE"))
            .otherwise(pl.lit("ACTIVE"))
            .alias(PINPOINT_STATUS),
        )
    )


def _hexadecimal(numbers: pl.Series) -> pl.Series:
    """16 hexadecimal digits for each; four together are the length of a real device token."""
    digits = numbers.to_numpy().astype(">u8").tobytes().hex()
    starts = range(0, len(digits), 16)
    return pl.Series([digits[start : start + 16] for start in starts], dtype=pl.String)
