"""Starting runs of deployments, once for each reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectException, PrefectHTTPStatusError

from personalization.errors import ConfigError, RetryableError, shortened

_AGAIN: Final = re.compile(r"again (?P<first>[0-9a-f-]{36}) attempt (?P<number>[0-9]+)")
# Parameters that the deployment does not take, or does not take any more.
_REFUSED: Final = frozenset({409, 422})


def start_run(flow: str, parameters: dict[str, Any], once: str) -> FlowRun:
    """Start a run of a flow's deployment, which has the flow's name; do not wait for it.

    once  the run is started once for all calls that say the same: later ones return that run, as it
          is, even if it has failed
    The run is nobody's subflow: a subflow could not be suspended.
    """
    given = {"parameters": parameters}
    return _start(f"{flow}/{flow}", f"{flow}/{flow}", f"{flow} {once}", parameters=given)


@dataclass(frozen=True)
class Attempt:
    """Which of several runs for the same work a run is.

    first   id of the first of them
    number  from 1
    """

    first: UUID
    number: int


def attempt_of(run: FlowRun) -> Attempt:
    """Return which attempt the run is; what `start_again` did not start is a first one."""
    if found := _AGAIN.fullmatch(run.idempotency_key or ""):
        return Attempt(UUID(found["first"]), int(found["number"]))
    return Attempt(run.id, 1)


def start_again(run: FlowRun, parameters: dict[str, Any] | None = None) -> FlowRun:
    """Start the run's next attempt, once; with its tags and its job variables.

    parameters  of the flow, as JSON; left out, the run's own
    """
    given = run.parameters if parameters is None else {"parameters": parameters}
    attempt = attempt_of(run)
    return _start(
        *(run.deployment_id, f"the deployment of {run.name}"),
        f"again {attempt.first} attempt {attempt.number + 1}",
        parameters=given,
        tags=run.tags,
        job_variables=run.job_variables,
    )


def _start(deployment: Any, name: str, key: str, **given: Any) -> FlowRun:
    try:
        started: Any = run_deployment(
            deployment, timeout=0, idempotency_key=key, as_subflow=False, **given
        )
    except ObjectNotFound as error:
        raise ConfigError(
            f"there is no deployment {name}; run `prefect deploy --all`, then run this again"
        ) from error
    except (httpx.HTTPError, PrefectException) as error:
        said = f"{name} could not be started: {shortened(error)}"
        if isinstance(error, PrefectHTTPStatusError) and error.response.status_code in _REFUSED:
            raise ConfigError(f"{said}; start it by hand, with other parameters") from error
        raise RetryableError(said) from error
    run: FlowRun = started
    return run
