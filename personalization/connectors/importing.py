"""How an audience gets to a destination: as a file, imported by a job of the destination's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

from personalization.aws import S3Path

Addresses = Literal["user", "endpoint"]
State = Literal["running", "succeeded", "partly", "failed"]

# As many single failures as a progress carries; destinations report no more either.
# Source: botocore, pinpoint 2016-12-01, shape `ImportJobResponse` ("the first 100 entries").
MAX_FAILURES: Final = 100


@dataclass(frozen=True)
class Audience:
    """Who is to be reached, as a file.

    name      the logical audience, the same at every run; the destination's segment is named for it
    location  a CSV object: header `Id`, one id a row, of the kind the connector `addresses`
    count     rows below the header
    lineage   where it came from: job and solution version ARNs, expression, counts
    """

    name: str
    location: S3Path
    count: int
    lineage: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportTicket:
    """An import that was started, or found started.  All that `look` needs, in any process.

    job      the destination's id of the import
    segment  name of the one segment of this logical audience; empty if none is defined
    version  which file it was: a digest of the location and its version or ETag
    found    the same file had been started before, so nothing was started now
    """

    destination: str
    job: str
    segment: str
    version: str
    audience: Audience
    found: bool = False


@dataclass(frozen=True)
class ImportProgress:
    """How far an import is.

    state     "partly": finished, but some rows were rejected; "failed": finished with nothing
    accepted  rows the destination took; 0 until it says
    rejected  rows it did not take
    failures  what it said about them, at most MAX_FAILURES
    segment   what the destination's own calls take: a name (Customer Profiles) or id (Pinpoint)
    status    the destination's word for the state
    """

    state: State
    accepted: int
    rejected: int
    failures: tuple[str, ...]
    segment: str
    status: str

    @property
    def done(self) -> bool:
        """No later look will say something else."""
        return self.state != "running"


class TakesAudiences(ABC):
    """The half of a connector that imports audience files by a job of the destination."""

    addresses: ClassVar[Addresses]

    @abstractmethod
    def start_import(self, audience: Audience) -> ImportTicket:
        """Start importing the audience's file, or find the import of this very file.

        Safe to repeat: the same file (location and version or ETag) is paid for once, unless its
        import failed.  Another file of the same logical audience replaces who is in the segment.
        An old file is not imported again; to go back to it, write it to a new location.
        A file with nobody in it takes everybody out of the segment.  Where the destination cannot
        do that, raises FatalError that says who is still in it.
        """

    @abstractmethod
    def look(self, ticket: ImportTicket) -> ImportProgress:
        """Return how far the import is.  Safe to repeat, and from another process."""


class RegistersEndpoints(ABC):
    """What a connector can do besides, if its destination has to be told who can be reached."""

    @abstractmethod
    def register_endpoints(self, endpoints: Audience) -> ImportTicket:
        """Start importing a CSV of endpoint definitions; defines no segment.

        As safe to repeat, and followed by `look`, as an audience's import.
        """

    @abstractmethod
    def look(self, ticket: ImportTicket) -> ImportProgress:
        """Return how far the import is, as `TakesAudiences.look` does."""


def outcome(accepted: int, rejected: int) -> State:
    """Return the state of an import that ran to its end."""
    if not rejected:
        return "succeeded"
    return "partly" if accepted else "failed"
