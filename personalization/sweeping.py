"""Uploads that nobody works on: their event was lost, or their run died."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from personalization import claims
from personalization.aws import S3Path
from personalization.claims import Claim, Identity
from personalization.objects import listing
from personalization.parameters import Upload
from personalization.routes import PREFIXES, Route, route

# Says when a bucket was first swept.
BEGINNING: Final = "claims/sweep.json"
# What was uploaded so shortly before counts, too: who deploys expects a run for what lies there
# since a moment ago.  What was there earlier is left: it may be years of uploads.
_BEFORE: Final = dt.timedelta(hours=1)

# How a run ended whose claim is not completed: nobody knows it any more, or its process died.  A
# run that failed is a person's to repair, and one that was cancelled was a person's wish.
Lost = Literal["crashed", "gone"]


@dataclass(frozen=True)
class Overlooked:
    """An upload that needs a run.

    attempts  how many runs have claimed it
    """

    upload: Upload
    identity: Identity
    route: Route
    attempts: int
    why: str


@dataclass(frozen=True)
class Healed:
    """What a sweep has done about one thing that came to a halt.

    what   an upload's S3 URI, or a run's name
    since  when it was uploaded, or when it crashed, or was suspended
    run    name of the run that goes on with it, or "given up"
    id     of that run, "" if there is none
    """

    what: str
    since: dt.datetime
    why: str
    flow: str
    run: str
    id: str

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

    is_lost  how the run of a given id came to nothing without anybody's doing, if it did
    """
    for prefix in PREFIXES:
        for it in listing(s3, S3Path(bucket, prefix)):
            found = route(it.path.key)
            if found is None or not since <= it.modified <= until:
                continue
            upload = Upload(bucket=bucket, key=it.path.key)
            identity = claims.identify(s3, upload)
            # It may have been deleted, or written again, since it was listed.
            if identity is None or identity.modified > until:
                continue
            standing = claims.read(s3, identity.claim_path(found.flow))
            if why := _why(standing, is_lost):
                attempts = standing.attempt if standing else 0
                yield Overlooked(upload, identity, found, attempts, why)


def _why(standing: Claim | None, is_lost: Callable[[str], Lost | None]) -> str:
    if standing is None:
        return "no run has claimed it"
    lost = None if standing.completed else is_lost(standing.holder)
    said = {"crashed": "crashed", "gone": "is not known to Prefect any more"}
    return f"run {standing.holder} {said[lost]}" if lost else ""
