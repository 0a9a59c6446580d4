"""Bring everything that a parameter file declares into being, and keep it current."""

from __future__ import annotations

from prefect import flow

from blocks.settings import known_role, role_for
from personalization.parameters import TrainParameters
from personalization.resources import Ledger, TrainReport
from personalization.resources.repeating import policy_of, wanted_part
from tasks.batch import find_outputs
from tasks.by_calendar import by_calendar
from tasks.checks import check_uploads
from tasks.declare import declare, locate_data, read_parameter_file
from tasks.once import once
from tasks.reconcile import all_ended, ensure_resource, make_plan, show_metrics
from tasks.running import threads, train_run_name
from tasks.schedules import keep_schedules
from tasks.suspending import this_run
from tasks.telling import TOLD


# Four calls at a time: Personalize's control plane is throttled, and nothing here is in a hurry.
@flow(name="train", flow_run_name=train_run_name, task_runner=threads(4), **TOLD)
@once
@by_calendar
def train(parameters: TrainParameters) -> TrainReport:
    """Return what was planned and done.

    Reads the parameter file and the CSVs beside it; writes to Personalize, which writes batch
    output to the bucket.  Leaves the plan, the data findings and the metrics as tables.  A second
    run with nothing to do changes nothing.  Raises ConfigError for what is wrong in the uploads,
    and FatalError, after all the rest has been done, for what could not be brought into being.
    A deployed run is suspended while Personalize works, and takes up its own work again.
    In the end Prefect has the schedules that the file has.  A run that one of them has started does
    that one thing again, and nothing else.
    """
    run, credentials = this_run(), parameters.credentials
    file = read_parameter_file(parameters.file, credentials)
    group = file.dataset_group.service_config["name"]
    data = locate_data(parameters.file, credentials)
    part, role_arn = wanted_part(file, parameters), known_role(parameters.role_arn)
    resources = declare(parameters.file, part, data, role_arn, run.began, credentials)
    policy = policy_of(parameters, run.began, run.tried if run.resumed else None)
    plan = make_plan(group, resources, policy, credentials)
    if parameters.plan_only:
        return TrainReport(plan)
    if plan.importing or plan.batching:
        role_for(parameters.role_arn)
    if not run.resumed:
        check_uploads(file, data, plan, parameters)

    ledger = Ledger(plan)
    for number, wave in enumerate(plan.waves(), 1):
        ready = ledger.ready(wave)
        calls = [ensure_resource.submit(it, ledger.arns, policy, credentials) for it in ready]
        pending = ledger.asked(ready, [it.result(raise_on_failure=False) for it in calls])
        if pending:
            label = f"{group}-{number}"
            ledger.ended(all_ended(label, pending, parameters.waiting, run, credentials))

    metrics = show_metrics.submit(group, ledger.new_versions, credentials)
    new, kept = (ledger.batch_jobs(new=it) for it in (True, False))
    outputs = find_outputs.submit(new, kept, credentials)
    report = TrainReport(
        plan,
        ledger.arns,
        ledger.told("outputs", outputs.result(raise_on_failure=False), ()),
        ledger.told("metrics", metrics.result(raise_on_failure=False), ()),
    )
    keep_schedules(parameters, file, resources, ledger)
    ledger.close(group)
    return report
