"""Bring automations into being by name: what is as wanted stays, the rest is made or changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterTags,
)
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.exceptions import ObjectNotFound

from deployments.automations.definitions import PREFIX
from personalization.errors import ConfigError
from tasks.suspending import TAG, TIMER

# As many as the server returns at once.
_PAGE: Final = 200

Done = Literal["made", "changed", "kept"]


@dataclass(frozen=True)
class Applied:
    """What was done about one automation."""

    name: str
    done: Done
    enabled: bool

    def row(self) -> dict[str, str]:
        """Return it as a row of a table."""
        state = "enabled" if self.enabled else "disabled"
        return {"automation": self.name, "done": self.done, "state": state}


def existing(client: SyncPrefectClient) -> dict[str, Automation]:
    """Return the automations that are ours, by name."""
    found: list[Automation] = []
    while page := client.read_automations(limit=_PAGE, offset=len(found)):
        found += page
    return {it.name: it for it in found if it.name.startswith(PREFIX)}


def apply(
    client: SyncPrefectClient, wanted: Iterable[AutomationCore], *, reset: bool = False
) -> list[Applied]:
    """Make or change what is wanted, and return what was done.

    reset  enable what a person has disabled; without it, that stays disabled
    An automation keeps its id when it is changed.  Those of ours that are not wanted stay.
    """
    there, done = existing(client), []
    for automation in wanted:
        held = there.get(automation.name)
        done.append(_one(client, automation, held, reset))
        if automation.name == TIMER and done[-1].done != "kept":
            _resume_all(client)
    return done


def delete(client: SyncPrefectClient, names: Iterable[str]) -> list[str]:
    """Delete automations of ours by name, with or without the prefix; return their names.

    Raises ConfigError if there is no such one; then nothing has been deleted.
    """
    there = existing(client)
    whole = [it if it.startswith(PREFIX) else f"{PREFIX}{it}" for it in names]
    for name in whole:
        if name not in there:
            known = ", ".join(repr(it) for it in there) or "none"
            raise ConfigError(f"there is no automation {name!r}; there are: {known}")
    for name in whole:
        client.delete_automation(there[name].id)
    return whole


def train_deployment(client: SyncPrefectClient) -> UUID:
    """Return the id of the deployment that trains; ConfigError if there is none."""
    try:
        return client.read_deployment_by_name("train/train").id
    except ObjectNotFound as error:
        raise ConfigError(
            "there is no deployment train/train to run when data is quiet; deploy first "
            "(`prefect deploy --all`), then apply again"
        ) from error


def _one(
    client: SyncPrefectClient, wanted: AutomationCore, held: Automation | None, reset: bool
) -> Applied:
    if held is None:
        client.create_automation(wanted)
        return Applied(wanted.name, "made", True)
    enabled = held.enabled or reset
    wanted = wanted.model_copy(update={"enabled": enabled})
    if _content(wanted) == _content(held):
        return Applied(wanted.name, "kept", enabled)
    client.update_automation(held.id, wanted)
    return Applied(wanted.name, "changed", enabled)


def _content(automation: AutomationCore) -> Any:
    """Return what an automation says, in a form that can be compared."""
    known = AutomationCore.model_validate(automation.model_dump())
    return _sorted(known.model_dump(mode="json", exclude={"owner_resource"}))


def _sorted(value: Any) -> Any:
    """Return the value with its lists in an order: sets come as lists, in any order."""
    if isinstance(value, dict):
        return {key: _sorted(it) for key, it in value.items()}
    if isinstance(value, list):
        return sorted((_sorted(it) for it in value), key=repr)
    return value


def _resume_all(client: SyncPrefectClient) -> None:
    """Resume runs that were suspended under no timer, or under one that has changed.

    Prefect forgets, when an automation is changed, what it was about to do.
    """
    suspended = FlowRunFilter(
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Suspended"])),
        tags=FlowRunFilterTags(all_=[TAG]),
    )
    for run in client.read_flow_runs(flow_run_filter=suspended):
        client.resume_flow_run(run.id)
