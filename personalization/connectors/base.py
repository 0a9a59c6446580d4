"""What a destination is: its settings, what it takes, and how attributes of users get there.

A connector states facts (kind, settings, what it takes, limits) and makes single calls.  Waiting,
retries, pacing, thresholds, accounting and logging of progress are the business of its callers and
the same for every destination.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from personalization.aws import Clients
from personalization.errors import FatalError

Takes = Literal["audience", "attributes"]
Style = Literal["parallel", "objects"]


class ConnectorConfig(BaseModel):
    """Settings of one destination.  A subclass fixes `kind` to the name it is registered under."""

    model_config = ConfigDict(extra="forbid", frozen=True)


C = TypeVar("C", bound=ConnectorConfig)


@dataclass(frozen=True)
class Limits:
    """What a destination accepts at once; None where it states no limit.

    max_bytes  of one file (audiences) or one request body (attributes)
    """

    max_bytes: int | None = None


class Connector(ABC, Generic[C]):
    """A place that audiences or attributes are delivered to.

    What it takes, it says in `takes` and by its other bases: `TakesAudiences` for "audience",
    `TakesAttributes` for "attributes".
    """

    kind: ClassVar[str]
    config_class: ClassVar[type[ConnectorConfig]]
    takes: ClassVar[frozenset[Takes]]
    limits: ClassVar[Limits]

    def __init__(self, config: C, clients: Clients) -> None:
        self.config = config
        self.clients = clients

    @abstractmethod
    def check(self) -> None:
        """Prove that the settings work, without changing anything.

        Raises FatalError that says what refused, RetryableError if it may pass.
        """


@dataclass(frozen=True)
class RequestLimits:
    """What one request may carry, and how many there may be.

    max_rows        users
    max_bytes       of the lines, each with a comma; what goes around them is taken off already
    max_line_bytes  of one line, where a destination limits that by itself
    per_second      requests begun
    in_flight       requests not yet answered
    """

    max_rows: int
    max_bytes: int
    per_second: float
    in_flight: int
    max_line_bytes: int | None = None


@dataclass(frozen=True)
class Rendering:
    """How one user becomes one line: the JSON text that a request carries for them.

    user_key   name of the user's id in the object; no other attribute may be called so
    prefix     of the attribute name of every field: prefix + field
    style      "parallel": an array a field, padded with null where an item lacks it;
               "objects": one array of objects, in the attribute `list_name`; an object is
               without the fields that its item lacks
    constants  the same attributes for everybody: the job's and the destination's own
    wrap       the whole line as JSON text in which `$user` stands for the id (a JSON string) and,
               after it, `$attributes` for the inside of an object (`"a":[1],"b":[2]`, never
               empty); None is flat: `{"<user_key>":$user,$attributes}`
    cleared    JSON text of a value that removes an attribute
    sets       the destination keeps an element of an array once, so that parallel arrays whose
               values repeat do not line up there
    """

    user_key: str
    prefix: str = ""
    style: Style = "parallel"
    list_name: str = "recommendations"
    constants: Mapping[str, Any] = field(default_factory=dict)
    wrap: str | None = None
    cleared: str = "null"
    sets: bool = False

    @property
    def pieces(self) -> tuple[str, str, str]:
        """What stands before the user's id, between it and the attributes, and after those."""
        whole = self.wrap or f"{{{json.dumps(self.user_key)}:$user,$attributes}}"
        before, _, rest = whole.partition("$user")
        between, _, after = rest.partition("$attributes")
        return before, between, after


@dataclass(frozen=True)
class Membership:
    """What stands for `$attributes` in the line of a user who joined, or left, an audience."""

    joined: str
    left: str


@dataclass(frozen=True)
class Rejected:
    """A line of a batch that was not taken.

    index   of the line in the batch, from 0
    reason  what the destination said, shortened; never the line itself
    later   the destination says that this one may be taken when it is sent again
    """

    index: int
    reason: str
    later: bool = False


@dataclass(frozen=True)
class Delivered:
    """What became of a batch that was answered: each line is accepted or in `rejected`."""

    accepted: int
    rejected: tuple[Rejected, ...] = ()


class BatchRefused(FatalError):
    """This batch was refused as a whole for what is in it; others, or parts of it, may be taken."""


class TakesAttributes(ABC):
    """The half of a connector that sets attributes of users by requests.

    Callers `open` it, `deliver` batches, several at a time, and `close` it, in one event loop.
    """

    # What two runs deliver stands side by side, so that neither replaces the other's.
    keeps_runs_apart: ClassVar[bool] = False

    @property
    def whole(self) -> str | None:
        """Where a line replaces all that is held of a user, not only its attributes: that place."""
        return None

    @property
    @abstractmethod
    def attribute_limits(self) -> RequestLimits:
        """What a batch may hold, and how fast they may follow one another."""

    @abstractmethod
    def rendering(
        self, *, prefix: str | None = None, constants: Mapping[str, Any] | None = None
    ) -> Rendering:
        """Return how a user's line is written.

        prefix     of attribute names; None takes the destination's own default
        constants  the job's other attributes; one that is named as the user's id is left out
        """

    @abstractmethod
    def membership(self, audience: str) -> Membership:
        """Return what is set for the people in an audience, and for those who left it.

        Raises ConfigError if that cannot be without touching what else is held of them.
        """

    def payload(self, lines: Sequence[bytes]) -> bytes:
        """Return the body of the request that carries the lines."""
        return b"[" + b",".join(lines) + b"]"

    @abstractmethod
    async def deliver(self, lines: Sequence[bytes], *, key: str) -> Delivered:
        """Send the lines as one batch, as they are.

        key  the same whenever the same lines are sent again, and never for others
        Safe to repeat.  Raises RetryableError, BatchRefused, or FatalError: then no batch will be
        taken.
        """

    async def open(self, run: str) -> None:  # noqa: B027 (most have something to open, not all)
        """Get ready to deliver; `run` names the run: the same one when it goes on after a kill."""

    async def close(self, *, complete: bool) -> None:  # noqa: B027
        """Finish; `complete`: every batch of the run was answered, in this process or before."""
