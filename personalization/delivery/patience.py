"""How often, and after how long, a batch is tried again."""

from __future__ import annotations

import random

from pydantic import BaseModel, ConfigDict, Field


class Patience(BaseModel):
    """When to try again, and when to leave it to a later run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempts: int = Field(
        8, ge=1, le=1000, description="Tries of a batch that was not answered, or answered 5xx."
    )
    first_s: float = Field(0.5, gt=0, description="Seconds before the second try, about.")
    slowest_s: float = Field(60, gt=0, description="Seconds between two tries, at most.")
    give_up_after_s: float = Field(
        1800,
        gt=0,
        description="Seconds after which a batch is not tried again, whoever is asked "
        "to wait by the destination.",
    )

    def pause(self, tried: int, asked_s: float | None, rng: random.Random) -> float:
        """Return the seconds until the next try.

        tried    tries so far
        asked_s  what the destination asked for; it is kept, and spread a little so that not all
                 come back in the same moment
        Otherwise they double and are spread over their whole length ("full jitter").
        """
        if asked_s is not None:
            return asked_s + rng.uniform(0, min(self.first_s, 1.0))
        longest = min(self.slowest_s, self.first_s * 2.0 ** min(tried - 1, 30))
        return rng.uniform(longest / 10, longest)
