"""Telling people and programs outside of Prefect.  Whatever comes of it, the run goes on."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from prefect import get_run_logger
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import MissingContextError
from prefect.flows import Flow
from prefect.logging.loggers import LoggingAdapter, flow_run_logger
from prefect.runtime import flow_run as running
from prefect.utilities.urls import url_for

from blocks.aws import clients
from blocks.settings import settings
from personalization.aws import Clients
from personalization.errors import ConfigError, Finding, PersonalizeFlowsError, shortened
from personalization.resources import Account
from personalization.telling import Ended, counted, facts_of, publish, put_metrics, what_for
from personalization.telling.message import WORKFLOWS
from personalization.telling.metrics import SCHEDULER, WORKFLOW, Datum

logger = logging.getLogger("personalization.telling")

# Ends of a run that did nothing, of which nobody is told: another run has the upload, or nobody has
# it any more, a schedule's run came while the one before was under way, too late, or for what is
# gone, or there is nothing to do yet.
UNTOLD: Final = frozenset({"Duplicate", "Gone", "Skipped", "Missed", "Removed", "NotYet"})

# What is known of runs of this process until they end: the dataset group that a parameter file
# names, which is not among a run's parameters, and how often something could not be told.
_groups: dict[str, str] = {}
_misses: Counter[str] = Counter()


@contextmanager
def harmless(what: str, run: str = "") -> Iterator[None]:
    """Log one of our errors as a warning, count it for the run, and go on."""
    try:
        yield
    except PersonalizeFlowsError as error:
        _logger().warning("could not tell %s: %s", what, error)
        _misses[run or str(running.id)] += 1


def _logger() -> logging.Logger | LoggingAdapter:
    try:
        return get_run_logger()
    except MissingContextError:  # a hook that a worker runs for a process that is gone
        return logger


def note_group(name: str) -> None:
    """Note which dataset group this run is about, for the message at its end."""
    _groups[str(running.id)] = name


def tell_counts(data: Sequence[Datum], credentials: str | None, run: str = "") -> None:
    """Put the data into the metrics namespace, if one is set."""
    if (namespace := settings().metrics_namespace) and data:
        with harmless("CloudWatch", run):
            put_metrics(clients(credentials)("cloudwatch"), namespace, data)


def tell_schedules(created: int, deleted: int, credentials: str | None) -> None:
    """Count schedules that were made and removed."""
    counts = {"JobsCreated": created, "JobsDeleted": deleted}
    data = [counted(name, it, service=SCHEDULER) for name, it in counts.items() if it]
    tell_counts(data, credentials)


def tell_end(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Tell that a run has ended and why: a hook of every flow.

    A plan and a dry run have done nothing, so there is nothing to tell.
    """
    run = str(flow_run.id)
    group, misses = _groups.pop(run, ""), _misses.pop(run, 0)
    given = _parameters(flow_run)
    if state.name in UNTOLD or given.get("plan_only") or given.get("dry_run"):
        return
    error = _error(state)
    refused = error.upload if isinstance(error, ConfigError) else ""
    credentials = given.get("credentials")
    if topic := settings().sns_topic:
        name, said = what_for(given)
        with harmless(topic, run):
            client = clients(credentials)
            ended = Ended(
                flow.name,
                flow_run.name,
                name=group or name,
                dataset_group=group or said,
                reason=_reason(error, state),
                upload=refused,
                findings=_errors(error),
                facts=() if error else facts_of(state.result(raise_on_failure=False)),
                link=url_for("flow-run", flow_run.id) or "",
                console=_console(client, group or said, run),
            )
            publish(client("sns"), topic, ended, settings().sender)
        misses += _misses.pop(run, 0)
    reads = flow.name == "train" and not given.get("scheduled")
    data = _counts(flow.name, reads=reads, failed=error is not None, refused=bool(refused))
    tell_counts([*data, *_missed(misses)], credentials, run)
    if misses := misses + _misses.pop(run, 0):
        flow_run_logger(flow_run, flow).warning("%d thing(s) could not be told", misses)


# What every flow takes: `@flow(name=…, **TOLD)`.
TOLD: dict[str, Any] = {
    "on_completion": [tell_end],
    "on_failure": [tell_end],
    "on_crashed": [tell_end],
}


def _counts(flow: str, *, reads: bool, failed: bool, refused: bool) -> list[Datum]:
    """Return the counters of a run's end, under the names of AWS's solution.

    reads  whether it was a parameter file that was processed, which is no job if it is refused
    Flows that AWS's solution has not got count for themselves, so that its dashboards go on saying
    what they said.
    """
    names = ["JobFailure" if failed else "JobSuccess"]
    if reads:
        processed = f"ConfigurationsProcessed{'Failures' if refused else 'Successes'}"
        names = ["ConfigurationsProcessed", processed, *([] if refused else names)]
    service = WORKFLOW if flow in WORKFLOWS else flow
    return [counted(name, service=service) for name in names]


def _missed(count: int) -> list[Datum]:
    return [counted("TellingFailures", count)] if count else []


def _parameters(flow_run: FlowRun) -> Mapping[str, Any]:
    given = (flow_run.parameters or {}).get("parameters") or {}
    # A deployment's run has its parameters as they were sent, one of this process has a model.
    return given if isinstance(given, dict) else given.model_dump(mode="json")


def _error(state: State[Any]) -> BaseException | None:
    if state.is_completed():
        return None
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else RuntimeError(str(error))


def _errors(error: BaseException | None) -> tuple[Finding, ...]:
    found = error.findings if isinstance(error, ConfigError) else ()
    return tuple(it for it in found if it.severity == "error")


def _reason(error: BaseException | None, state: State[Any]) -> str:
    """Return why a run failed; only our own errors are known to hold no secrets."""
    if error is None:
        return ""
    if isinstance(error, PersonalizeFlowsError):
        return str(error)
    if state.is_crashed():
        return f"the run crashed: {shortened(state.message or 'nobody knows why')}"
    return f"ended by an unexpected {type(error).__name__}; the run's log says more"


def _console(client: Clients, group: str, run: str) -> str:
    """Return where AWS's console shows the dataset group; empty if that cannot be told."""
    link = ""
    with harmless("where the console is", run):
        if group:
            it = Account.of(client)
            path = f"personalize:{it.region}:{it.account_id}:dataset-group${group}/setup"
            home = f"https://console.aws.amazon.com/personalize/home?region={it.region}"
            link = f"{home}#arn:{it.partition}:{path}"
    return link
