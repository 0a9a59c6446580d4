"""What each automation waits for, and what it does then."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, ChangeFlowRunState, ResumeFlowRun, RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture

from deployments.automations.recipients import Message, Recipient
from personalization.errors import ConfigError
from tasks.suspending import RESUME_EVERY_S, TAG, TIMER

# Triggers in prefect.yaml have other names: they go with their deployment, and are not ours.
PREFIX: Final = "personalize/"
FAILED_RUNS: Final = f"{PREFIX}tell-of-failed-runs"
FAILED_ACTIONS: Final = f"{PREFIX}tell-of-failed-automations"
LONG_RUNS: Final = f"{PREFIX}tell-of-long-runs"
ZOMBIES: Final = f"{PREFIX}end-runs-without-heartbeat"
QUIET_DATA: Final = f"{PREFIX}train-when-data-is-quiet"

# Prefect fires on the absence of events after 10 seconds at the earliest.
# Source: prefect 3.8, events/schemas/automations.py, `EventTrigger`.
SHORTEST_S: Final = 10.0

# Every name of a state that a run of ours may end in; events are named for the state.
ENDS: Final = (
    *("Completed", "Duplicate", "Gone", "Ignored", "NotYet", "Skipped", "Missed", "Removed"),
    *("Failed", "TimedOut", "Crashed", "Cancelled"),
)
# What may become of a suspended run.  A second suspension starts its own wait.
_AFTER_SUSPENSION: Final = (*("Suspended", "Resuming", "Running", "Cancelling"), *ENDS)

_RUNS: Final = {"prefect.resource.id": "prefect.flow-run.*"}
_OURS: Final = {
    "prefect.resource.role": "tag",
    "prefect.resource.id": f"prefect.tag.{TAG}",
}
# Not the state's message: it may be any library's error, with what was sent to whom and as whom.
_OF_RUN: Final = {
    "flow": "flow.name",
    "run": "flow_run.name",
    "state": "flow_run.state.name",
    "url": "flow_run | ui_url",
}
# Nor why somebody could not be told, which may show the block, whose address is a secret.
_REASON: Final = (
    "'see the automation in Prefect' "
    "if event.payload.action_type in ['call-webhook', 'send-notification'] "
    "else event.payload.reason"
)


@dataclass(frozen=True)
class Quiet:
    """How training on data follows its upload.

    seconds  until data that nobody adds to is trained on
    bucket   where it is uploaded to
    train    id of the deployment that trains
    """

    seconds: float
    bucket: str
    train: UUID


@dataclass(frozen=True)
class Wanted:
    """What is asked of the automations; times in seconds.

    notify        whom to tell; without anybody, nothing is told
    resume_every  until a suspended run is resumed
    zombie_after  without a heartbeat until a run counts as crashed; Prefect's default is one every
                  180 s, and two may be lost
    too_long      flow → how long a run may take; `others` stands for all that are not named
    quiet         how training on data follows its upload, if that is wanted
    """

    notify: Sequence[Recipient] = ()
    resume_every: float = RESUME_EVERY_S
    zombie_after: float = 540.0
    too_long: Mapping[str, float] = field(
        default_factory=lambda: {"train": 12 * 3600.0, "others": 2 * 3600.0}
    )
    quiet: Quiet | None = None

    def __post_init__(self) -> None:
        times = {"resume": self.resume_every, "zombie": self.zombie_after, **self.too_long}
        times |= {} if self.quiet is None else {"quiet": self.quiet.seconds}
        for name, seconds in times.items():
            if seconds < SHORTEST_S:
                raise ConfigError(
                    f"{name}={seconds:g}: an automation waits {SHORTEST_S:g} s at least; raise it"
                )
        if self.zombie_after <= self.resume_every:
            raise ConfigError(
                f"runs would count as crashed after {self.zombie_after:g} s without a heartbeat, "
                f"before a suspended run, which has none, is resumed after {self.resume_every:g} "
                "s; raise the first or lower the second"
            )


def automations(wanted: Wanted) -> Iterator[AutomationCore]:
    """Yield all automations that are wanted."""
    yield _timer(wanted.resume_every)
    yield _zombies(wanted.zombie_after)
    if wanted.notify:
        yield _failed_runs(wanted.notify)
        yield _failed_actions(wanted.notify)
        for flow, budget_s in wanted.too_long.items():
            yield _too_long(flow, budget_s, wanted)
    if wanted.quiet is not None:
        yield _quiet_data(wanted.quiet)


def _timer(every_s: float) -> AutomationCore:
    return AutomationCore(
        name=TIMER,
        description=f"A run that was suspended while AWS works looks again after {every_s:g} s.",
        trigger=_absence(
            every_s,
            after={"prefect.flow-run.Suspended"},
            expect=_events(_AFTER_SUSPENSION),
            match_related=_OURS,
        ),
        actions=[ResumeFlowRun()],
    )


def _zombies(after_s: float) -> AutomationCore:
    return AutomationCore(
        name=ZOMBIES,
        description=f"A run whose process gave no sign of life for {after_s:g} s has crashed.",
        # Whatever happens to a run after its last heartbeat, its suspension too, is a sign of life.
        # A process may die before its first one, so its beginning counts, too.
        # Should the server learn of the heartbeat after the suspension, then being resumed is the
        # next sign, which is why the timer must be quicker.
        trigger=_absence(
            after_s,
            after={"prefect.flow-run.heartbeat", "prefect.flow-run.Running"},
            expect={"prefect.flow-run.*"},
            match_related=_OURS,
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"no sign of life for {after_s:g} s: the process, or its machine, is gone",
            )
        ],
    )


def _failed_runs(notify: Sequence[Recipient]) -> AutomationCore:
    message = Message(
        subject="{{ flow.name }} {{ flow_run.state.name }}: {{ flow_run.name }}",
        body="Its log says why.\n\n{{ flow_run | ui_url }}",
        facts=_OF_RUN,
    )
    return AutomationCore(
        name=FAILED_RUNS,
        description="Somebody is told of every run that failed, crashed or took too long.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            match=_RUNS,
            match_related=_OURS,
            expect=_events(("Failed", "Crashed", "TimedOut")),
            threshold=1,
            within=dt.timedelta(0),
        ),
        actions=_tell(notify, message),
    )


def _failed_actions(notify: Sequence[Recipient]) -> AutomationCore:
    message = Message(
        subject="automation failed: {{ event.resource.name }}",
        body=f"{{{{ event.payload.action_type }}}}: {{{{ {_REASON} }}}}",
        facts={
            "automation": "event.resource.name",
            "action": "event.payload.action_type",
            "reason": _REASON,
        },
    )
    return AutomationCore(
        name=FAILED_ACTIONS,
        description="Somebody is told when an automation, or a trigger, could not do its work.",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            # Not of its own failures, or it would never end.
            match={
                "prefect.resource.id": "prefect.automation.*",
                "prefect.resource.name": f"!{FAILED_ACTIONS}",
            },
            expect={"prefect.automation.action.failed"},
            threshold=1,
            within=dt.timedelta(0),
        ),
        actions=_tell(notify, message),
    )


def _too_long(flow: str, budget_s: float, wanted: Wanted) -> AutomationCore:
    message = Message(
        subject="{{ flow.name }} takes too long: {{ flow_run.name }}",
        body=f"It has not ended within {budget_s:g} s.\n\n{{{{ flow_run | ui_url }}}}",
        facts={**_OF_RUN, "budget_s": f"{budget_s:g}"},
    )
    named = [it for it in wanted.too_long if it != "others"]
    flows = [f"!{it}" for it in named] if flow == "others" else [flow]
    return AutomationCore(
        name=f"{LONG_RUNS}-{flow}",
        description=f"Somebody is told when a run has not ended {budget_s:g} s after it started.",
        trigger=_absence(
            budget_s,
            after={"prefect.flow-run.Running"},
            expect=_events(ENDS),
            match_related=[
                _OURS,
                *({"prefect.resource.role": "flow", "prefect.resource.name": it} for it in flows),
            ],
        ),
        actions=_tell(wanted.notify, message),
    )


# The parameter file, which must have this name: an automation cannot look into the bucket.  Its
# folder is that of the data, but a dataset in parts lies one folder deeper.
_PARTS: Final = "event.payload.key.split('/')[:-1]"
_UNIT: Final = (
    f"{{% set folder = {_PARTS} %}}"
    "s3://{{ event.payload.bucket }}/"
    "{{ (folder[:-1] if folder[-1] in ['interactions', 'items', 'users'] else folder)"
    " | join('/') }}/config.json"
)


def _quiet_data(quiet: Quiet) -> AutomationCore:
    uploaded = {"aws.s3.object.created"}
    return AutomationCore(
        name=QUIET_DATA,
        description=f"CSVs under train/ that nobody has added to for {quiet.seconds:g} s are "
        "trained on, with the config.json beside them.",
        trigger=_absence(
            quiet.seconds,
            after=uploaded,
            expect=uploaded,
            match={
                "prefect.resource.id": f"aws.s3.object.{quiet.bucket}/train/*",
                "aws.s3.folder": ["train", "train/*"],
                "aws.s3.suffix": ".csv",
            },
            for_each={"aws.s3.bucket", "aws.s3.folder"},
        ),
        actions=[
            RunDeployment(
                source="selected",
                deployment_id=quiet.train,
                parameters={"parameters": {"file": _UNIT}},
            )
        ],
    )


def _absence(
    within_s: float,
    *,
    after: set[str],
    expect: set[str],
    match: Mapping[str, Any] = _RUNS,
    match_related: Any = None,
    for_each: set[str] | None = None,
) -> EventTrigger:
    return EventTrigger(
        posture=Posture.Proactive,
        match=dict(match),
        match_related=match_related or {},
        for_each=for_each or {"prefect.resource.id"},
        after=after,
        expect=expect,
        threshold=1,
        within=dt.timedelta(seconds=within_s),
    )


def _events(states: Sequence[str]) -> set[str]:
    return {f"prefect.flow-run.{it}" for it in states}


def _tell(notify: Sequence[Recipient], message: Message) -> list[ActionTypes]:
    return [it.action(message) for it in notify]
