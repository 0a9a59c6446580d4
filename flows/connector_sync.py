"""Tell every destination of a connector job what has changed."""

from __future__ import annotations

from prefect import flow

from personalization.parameters import SyncParameters
from personalization.sync.report import SyncReport
from tasks.deliver import deliver_work, show_preview, show_receipts
from tasks.occupying import one_delivery, one_run
from tasks.once import once
from tasks.reading import check_connectors, read_job
from tasks.runners import shard_runner
from tasks.running import sync_run_name
from tasks.sync import fetch, prepare, take_up, target_of
from tasks.telling import TOLD


@flow(name="connector-sync", flow_run_name=sync_run_name, **TOLD)
@once
def connector_sync(parameters: SyncParameters) -> SyncReport:
    """Return the receipts of all connectors.

    Reads the job's folder and the batch job's output; writes to the destinations, and to the job's
    output/ and errors/.  A second run sends nothing that has not changed.  Safe to be killed: the
    next run on this machine goes on where the destination's last answer was.  Raises ConfigError
    for what is wrong in the job, and FatalError, after all other connectors, for those that failed.
    Never suspended: while it waits it holds a destination, or what it is about to send.
    """
    credentials, report = parameters.credentials, SyncReport()
    read = read_job(parameters)
    names = check_connectors(read, parameters, report)
    with one_run(read.path, parameters), shard_runner(parameters.dask, parameters.shards) as runner:
        inputs = fetch(read, credentials)
        for name in names:
            with report.outcome(name):
                target = target_of(read, name, inputs, parameters)
                if parameters.dry_run:
                    with target.left_clean():
                        work = prepare(read, target, inputs, parameters, runner)
                        show_preview(read, target, work, parameters)
                    continue
                with one_delivery(target.desk.destination, parameters) as lost:
                    work = take_up(target, credentials) or prepare(
                        read, target, inputs, parameters, runner
                    )
                    deliver_work(read, target, work, parameters, report, lost)
    if not parameters.dry_run:
        show_receipts(read.path.name, report)
    report.close(str(read.path.folder))
    return report
