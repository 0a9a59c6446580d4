"""Telling people of what came to a halt: runs have no process left that could."""

from __future__ import annotations

import hashlib

from prefect import task
from prefect.events import emit_event
from prefect.runtime import flow_run

from blocks.aws import clients
from blocks.settings import settings
from personalization import claims
from personalization.aws import S3Path
from personalization.parameters import SweepParameters
from personalization.sweeping import GIVEN_UP, Healed
from personalization.telling import Ended, counted, publish
from tasks.once import is_over
from tasks.retrying import NETWORK
from tasks.telling import harmless, tell_counts

# Beside the claims to uploads: who has told what.
_TOLD = f"{claims.FOLDER}told/"


@task(task_run_name="tell-{parameters.bucket}", **NETWORK)
def tell_halts(healed: tuple[Healed, ...], parameters: SweepParameters) -> None:
    """Tell of each upload and run that is given up, and of each run that died, once.

    Told as an event, `personalize.upload.given-up`, `personalize.run.crashed` and so on, to the SNS
    topic and as a count.  An upload that is put again, or another run that dies, is told anew.
    """
    s3 = clients(parameters.credentials)("s3")
    for it in healed:
        if not (it.crashed or it.run == GIVEN_UP):
            continue
        mine = claims.claim(s3, _told(parameters.bucket, it), str(flow_run.id), is_over)
        if mine.holder == str(flow_run.id) and not mine.completed:
            _tell(it, parameters.credentials)
            claims.complete(s3, mine)


def _told(bucket: str, it: Healed) -> S3Path:
    said = "\n".join((it.what, it.why, it.since.isoformat(), it.run))
    return S3Path(bucket, f"{_TOLD}{hashlib.sha256(said.encode()).hexdigest()[:32]}.json")


def _tell(it: Healed, credentials: str | None) -> None:
    kind = "upload" if it.what.startswith("s3://") else "run"
    given_up = it.run == GIVEN_UP
    emit_event(
        event=f"personalize.{kind}.{'given-up' if given_up else 'crashed'}",
        resource={"prefect.resource.id": f"personalize.{kind}.{it.what}"},
        payload={"flow": it.flow, "why": it.why, "run": None if given_up else it.run},
    )
    if topic := settings().sns_topic:
        goes_on = "it is given up: look at its runs, then begin it again"
        reason = f"{it.why}; {goes_on if given_up else f'run {it.run} goes on with it'}"
        ended = Ended(it.flow, it.what, name=it.what, reason=reason)
        with harmless(topic):
            publish(clients(credentials)("sns"), topic, ended, settings().sender)
    names = [name for name, told in (("RunsCrashed", it.crashed), ("GivenUp", given_up)) if told]
    tell_counts([counted(name, service="sweep") for name in names], credentials)
