"""Connector jobs, from the outbox on: shown, delivered, remembered, accounted for."""

from __future__ import annotations

from dataclasses import asdict

import orjson
from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact

from blocks.aws import clients
from personalization.aws import S3Path
from personalization.delivery import Outbox, Receipt, deliver, first_reason, preview
from personalization.parameters import SyncParameters
from personalization.sync.keeping import keep
from personalization.sync.replays import Origin
from personalization.sync.report import PartReceipt, SyncReport
from personalization.sync.work import Work, write_output
from personalization.transforms.outbox import WrittenOutbox
from tasks.artifacts import artifact_key, show_table
from tasks.occupying import Lost, stopped_for_good
from tasks.progress import shown_progress
from tasks.reading import ReadJob, connector_for, full_connector_for
from tasks.retrying import NETWORK
from tasks.sync import Target

_SHOWN_BYTES = 4_000


@task(task_run_name="preview-{target.name}", **NETWORK)
def show_preview(read: ReadJob, target: Target, work: Work, parameters: SyncParameters) -> None:
    """Leave an artifact a part: what would be sent, and the beginning of the first request."""
    connector = connector_for(read, target.name, parameters)
    for part in work.parts:
        it = preview(connector, Outbox(target.desk.outbox(part)))
        counts = WrittenOutbox.read(target.desk.outbox(part)).counts
        rows = {
            "users in the outbox": it.users,
            "of them cleared": it.removals,
            "unchanged, skipped": counts["unchanged"],
            "requests": it.requests,
            "bytes": it.size,
            "too long for any request": it.too_long,
        }
        table = "\n".join(f"| {name} | {value:,} |" for name, value in rows.items())
        body = b"\n".join(it.payloads)[:_SHOWN_BYTES].decode(errors="replace")
        create_markdown_artifact(
            f"| {target.name}: {part} | |\n|---|---|\n{table}\n\n```json\n{body}\n```\n",
            key=artifact_key("dry-run", read.path.name, target.name, part),
            description=f"What {read.path.folder} would send to {target.desk.destination}.",
        )
        get_run_logger().info("%s: %d user(s) would be sent", part, it.users)


def deliver_work(
    read: ReadJob,
    target: Target,
    work: Work,
    parameters: SyncParameters,
    report: SyncReport,
    lost: Lost,
) -> None:
    """Deliver each part, remember what was acknowledged, and write the run's output.

    lost  says once that the destination may be somebody else's by now
    Parts follow one another: a user may be in several.
    """
    receipts = []
    for part in work.parts:
        try:
            receipts.append(deliver_part(read, target, work, part, parameters, lost))
        except BaseException:
            remember(target, work, part, parameters.credentials, complete=False)
            raise
        report.receipts.append(receipts[-1])
        remember(target, work, part, parameters.credentials, complete=True)
    report.outputs[target.name] = finish(target, work, receipts, parameters.credentials)


@task(task_run_name="deliver-{target.name}-{part}", **NETWORK)
def deliver_part(
    read: ReadJob, target: Target, work: Work, part: str, parameters: SyncParameters, lost: Lost
) -> PartReceipt:
    """Send an outbox; return when every line was answered.

    Safe to repeat: what was answered is not sent again.  A progress artifact tells how far it is.
    """
    connector = full_connector_for(read, target.name, parameters)
    outbox = WrittenOutbox.read(target.desk.outbox(part))
    unchanged = outbox.counts["unchanged"]
    if not outbox.files:
        get_run_logger().info("%s: nothing has changed, so nothing is sent", part)
        nothing = Receipt(0, 0, 0, unchanged, 0, 0.0, 0, None)
        return PartReceipt(target.name, part, nothing, outbox.counts)
    what = f"Users of {part} that {target.desk.destination} has answered for, in %."
    shown = shown_progress(what, "delivery", read.path.name, target.name, part)
    with stopped_for_good(target.desk.destination, lost), shown as progress:
        receipt = deliver(
            connector,
            outbox.folder,
            run=work.run_of(part),
            patience=parameters.patience,
            skipped_unchanged=unchanged,
            stop=lost,
            progress=progress,
            origin=asdict(_origin(target, part, outbox)),
        )
    said = first_reason(receipt.dead_letters) if receipt.dead_letters else ""
    return PartReceipt(target.name, part, receipt, outbox.counts, said)


@task(task_run_name="remember-{target.name}-{part}", **NETWORK)
def remember(
    target: Target, work: Work, part: str, credentials: str | None, *, complete: bool
) -> None:
    """Store what the destination holds now, as far as it said so."""
    keep(clients(credentials)("s3"), target.desk, work, part, complete=complete)


@task(task_run_name="finish-{target.name}", **NETWORK)
def finish(
    target: Target, work: Work, receipts: list[PartReceipt], credentials: str | None
) -> S3Path:
    """Write the run's output to S3, and clear the desk; return the output's folder."""
    rows = [
        {"run": work.run_of(it.part), **it.row(), "counts": {**work.faulty, **it.counts}}
        for it in receipts
    ]
    text = orjson.dumps(rows, option=orjson.OPT_INDENT_2)
    output = write_output(clients(credentials)("s3"), target.desk, work, text)
    target.desk.clear()
    get_run_logger().info("%s is done; its output is in %s", work.run, output)
    return output


@task(task_run_name="receipts-{job}", **NETWORK)
def show_receipts(job: str, report: SyncReport) -> None:
    """Leave the receipts as a table."""
    show_table(("sync-receipts", job), report.rows(), f"What became of {job}.")


def _origin(target: Target, part: str, outbox: WrittenOutbox) -> Origin:
    desk, names = target.desk, (*outbox.attributes, *outbox.retired)
    return Origin(str(desk.path.folder), desk.connector, desk.destination, part, names)
