"""Uploads that nobody works on: their event was lost, or their run died."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal

from personalization import claims
from personalization.aws import S3Path
from personalization.claims import Claim, Identity
from personalization.errors import ConfigError
from personalization.objects import listing
from personalization.parameters import Upload
from personalization.routes import PREFIXES, Route, route

# Says when a bucket was first swept.
BEGINNING: Final = "claims/sweep.json"
# What was uploaded so shortly before counts, too: who deploys expects a run for what lies there
# since a moment ago.  What was there earlier is left: it may be years of uploads.
_BEFORE: Final = dt.timedelta(hours=1)

# How a run ended whose claim is not completed: nobody knows it any more, its process died, a person
# cancelled it, or it came too early.  A run that failed is a person's to repair.
Lost = Literal["crashed", "gone", "cancelled", "early"]
# What a table says instead of a run's name where there will be none.
GIVEN_UP: Final = "given up"
# Requests at a time: as many connections as a client of boto3 keeps.
_AT_ONCE: Final = 10


@dataclass(frozen=True)
class Overlooked:
    """An upload that needs a run.

    attempts  how many runs have claimed it
    hopeless  no run could claim it: what lies where its claim belongs is none
    early     its run could do nothing, because the solution was not trained
    """

    upload: Upload
    identity: Identity
    route: Route
    attempts: int
    why: str
    hopeless: bool = False
    early: bool = False


@dataclass(frozen=True)
class Healed:
    """What a sweep has done about one thing that came to a halt.

    what   an upload's S3 URI, or a run's name
    since  when it was uploaded, or when it crashed, or was suspended
    run    name of the run that goes on with it, or "given up", or that a run was cancelled
    id     of that run, "" if there is none
    """

    what: str
    since: dt.datetime
    why: str
    flow: str
    run: str
    id: str

    @property
    def crashed(self) -> bool:
        """Whether it came to a halt because a run died."""
        return self.why.endswith(" crashed")

    def row(self) -> dict[str, str]:
        """Return it as a row of a table."""
        return {**vars(self), "since": f"{self.since:%Y-%m-%d %H:%M:%S}Z"}


def beginning(s3: Any, bucket: str, now: dt.datetime) -> dt.datetime:
    """Return since when the bucket's uploads are looked after: one hour before the first call."""
    path = S3Path(bucket, BEGINNING)
    about = {"uploads since": (now - _BEFORE).isoformat()}
    standing = claims.claim(s3, path, "sweep", lambda _: "going", about=about)
    return standing.since.replace(microsecond=0) - _BEFORE  # S3 tells whole seconds


def overlooked(
    s3: Any,
    bucket: str,
    since: dt.datetime,
    until: dt.datetime,
    is_lost: Callable[[str], Lost | None],
) -> Iterator[Overlooked]:
    """Yield the uploads that were written from `since` to `until` and that nobody works on.

    is_lost  how the run of a given id came to nothing, if it did
    """
    found = [
        (Upload(bucket=bucket, key=it.path.key), called)
        for prefix in PREFIXES
        for it in listing(s3, S3Path(bucket, prefix))
        if (called := route(it.path.key)) and since <= it.modified <= until
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for seen in pool.map(lambda it: _seen(s3, *it), found):
            # It may have been deleted, or written again, since it was listed.
            if seen and seen.identity.modified <= until and (it := _overlooked(s3, seen, is_lost)):
                yield it


@dataclass(frozen=True)
class _Seen:
    """An upload and its claim; the error if what lies there is none."""

    upload: Upload
    identity: Identity
    route: Route
    claim: Claim | ConfigError | None


def _seen(s3: Any, upload: Upload, called: Route) -> _Seen | None:
    identity = claims.identify(s3, upload)
    if identity is None:
        return None
    try:
        return _Seen(upload, identity, called, claims.read(s3, identity.claim_path(called.flow)))
    except ConfigError as error:
        return _Seen(upload, identity, called, error)


def _overlooked(s3: Any, it: _Seen, is_lost: Callable[[str], Lost | None]) -> Overlooked | None:
    what = (it.upload, it.identity, it.route)
    if it.claim is None:
        return Overlooked(*what, 0, "no run has claimed it")
    if isinstance(it.claim, ConfigError):
        return Overlooked(*what, 0, str(it.claim), hopeless=True)
    if it.claim.completed or it.claim.cancelled:
        return None
    match lost := is_lost(it.claim.holder):
        case "crashed":
            why = "crashed"
        case "gone":
            why = "is not known to Prefect any more"
        case "early":
            why = "came before its solution was trained"
        case "cancelled":
            claims.cancel(s3, it.claim)
            return None
        case None:
            return None
    why = f"run {it.claim.holder} {why}"
    return Overlooked(*what, it.claim.attempt, why, early=lost == "early")
