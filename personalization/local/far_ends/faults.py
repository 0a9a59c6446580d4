"""What goes wrong at a far end, how often: by configuration, and the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from typing import Any, Literal

Fault = Literal["delay", "throttle", "error", "unavailable", "reset", "lost", "half"]


@dataclass(frozen=True)
class Faults:
    """Shares of all requests, 0 to 1, that go wrong in one way; together at most 1.

    delay        answered `delay_s` late, and only then processed
    throttle     429, with the headers of the destination, asking for `throttle_s`
    error        500, not processed
    unavailable  503, not processed
    reset        the connection is reset before anything is processed
    lost         processed, then the connection is reset: nobody hears of it
    half         processed, and the answer breaks off in the middle
    """

    delay: float = 0.0
    throttle: float = 0.0
    error: float = 0.0
    unavailable: float = 0.0
    reset: float = 0.0
    lost: float = 0.0
    half: float = 0.0
    delay_s: float = 2.0
    throttle_s: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        total = sum(self.shares().values())
        if total > 1 or min(self.shares().values()) < 0:
            raise ValueError(f"shares of faults are 0 to 1 together, not {total:g}")

    @classmethod
    def of(cls, settings: dict[str, Any]) -> Faults:
        """Return the faults that a JSON object describes.  Raises ValueError."""
        known = {each.name for each in fields(cls)}
        if strange := sorted(set(settings) - known):
            raise ValueError(f"no such fault: {', '.join(strange)}; there are: {sorted(known)}")
        if not all(isinstance(value, (int, float)) for value in settings.values()):
            raise ValueError("faults are numbers")
        return cls(**settings)

    def shares(self) -> dict[Fault, float]:
        """Return the share of each kind."""
        return {
            "delay": self.delay,
            "throttle": self.throttle,
            "error": self.error,
            "unavailable": self.unavailable,
            "reset": self.reset,
            "lost": self.lost,
            "half": self.half,
        }


class Dice:
    """Says for each request what goes wrong with it, if anything."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._rng = random.Random(faults.seed)
        self._shares = [(kind, share) for kind, share in faults.shares().items() if share]

    def throw(self) -> Fault | None:
        """Return what goes wrong with the next request."""
        if not self._shares:
            return None
        at = self._rng.random()
        for kind, share in self._shares:
            at -= share
            if at < 0:
                return kind
        return None
