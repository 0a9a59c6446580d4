"""Which of a query's users become its audience, and under which ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from personalization.columns import (
    ACTIVE,
    CHANNEL,
    ENDPOINT_ID,
    OPTED_OUT,
    PINPOINT_CHANNEL,
    PINPOINT_ENDPOINT_ID,
)
from personalization.errors import ConfigError, Finding

# Source: botocore, pinpoint 2016-12-01, shape `ChannelType`.
Channel = Literal[
    "PUSH",
    "GCM",
    "APNS",
    "APNS_SANDBOX",
    "APNS_VOIP",
    "APNS_VOIP_SANDBOX",
    "ADM",
    "SMS",
    "VOICE",
    "EMAIL",
    "BAIDU",
    "CUSTOM",
    "IN_APP",
]


class AudienceOptions(BaseModel):
    """How users become audiences.  All but `top` speak of the endpoint table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address_by: Literal["user", "endpoint"] = Field(
        "user",
        description="What the column `Id` holds: a row a user with an eligible endpoint "
        "(every user without an endpoint table), or a row an eligible endpoint.",
    )
    channels: tuple[Channel, ...] | None = Field(
        None, min_length=1, description="Only endpoints on these channels; all if left out."
    )
    one_per_channel: bool = Field(
        False,
        description="One audience a channel: those of `channels`, else those in the table.",
    )
    only_active: bool = Field(
        True, description="Leave out endpoints whose EndpointStatus is not ACTIVE."
    )
    respect_opt_out: bool = Field(True, description="Leave out endpoints whose OptOut is ALL.")
    top: int | None = Field(
        None,
        gt=0,
        description="Only the first so many users of each query; "
        "those without an eligible endpoint among them are not replaced.",
    )

    def variant(self) -> str:
        """Return what sets these options apart from the default ones, in words; empty for those.

        Channels with an audience each are not told: the names of those audiences tell them.
        """
        told = {
            "endpoints": self.address_by == "endpoint",
            "-".join(sorted({*(self.channels or ())})): not self.one_per_channel,
            "inactive-too": not self.only_active,
            "opted-out-too": not self.respect_opt_out,
            f"top{self.top}": self.top is not None,
        }
        return "-".join(words for words, apart in told.items() if words and apart)

    def needed_columns(self) -> Iterator[str]:
        """Yield the columns, besides the user's id, that the endpoint table must have."""
        if self.address_by == "endpoint":
            yield PINPOINT_ENDPOINT_ID
        if self.channels or self.one_per_channel:
            yield PINPOINT_CHANNEL

    def refuse_without_endpoints(self) -> None:
        """Raise ConfigError for what only an endpoint table can answer."""
        asked = {
            "address_by": self.address_by == "endpoint",
            "channels": self.channels is not None,
            "one_per_channel": self.one_per_channel,
        }
        findings = [
            Finding(name, "needs an endpoint table", "name one, or leave this out")
            for name, given in asked.items()
            if given
        ]
        if findings:
            raise ConfigError("audiences without an endpoint table hold user ids only", findings)

    def eligible(self) -> pl.Expr:
        """Return the condition on the endpoint table's rows (see `EndpointTable.scan`)."""
        conditions = [pl.lit(True)]
        if self.address_by == "endpoint":
            conditions.append(pl.col(ENDPOINT_ID).is_not_null())
        if self.only_active:
            conditions.append(pl.col(ACTIVE))
        if self.respect_opt_out:
            conditions.append(~pl.col(OPTED_OUT))
        if self.channels:
            conditions.append(pl.col(CHANNEL).is_in(self.channels))
        elif self.one_per_channel:
            conditions.append(pl.col(CHANNEL).is_not_null())
        return pl.all_horizontal(conditions)
