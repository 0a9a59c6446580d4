"""How long a resource stays in each of its states."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """The least a state lasts: a time on the clock, or a number of looks.

    seconds  per state; work that takes longer keeps its state until it is done
    looks    when given (1 or more), the clock does not count: every state is shown by this many
             Describe calls, nothing else moves it on, and the call after them waits for the work
             if it must, so that tests are deterministic
    """

    seconds: float = 0.2
    looks: int | None = None
