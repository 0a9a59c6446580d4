"""Starting runs of deployments, once for each reason."""

from __future__ import annotations

from typing import Any

import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound, PrefectException

from personalization.errors import ConfigError, RetryableError, shortened


def start_run(flow: str, parameters: dict[str, Any], once: str) -> FlowRun:
    """Start a run of a flow's deployment, which has the flow's name; do not wait for it.

    once  the run is started once for all calls that say the same: later ones return that run, as it
          is, even if it has failed
    The run is nobody's subflow: a subflow could not be suspended.
    """
    name = f"{flow}/{flow}"
    try:
        started: Any = run_deployment(
            name,
            parameters={"parameters": parameters},
            timeout=0,
            idempotency_key=f"{flow} {once}",
            as_subflow=False,
        )
    except ObjectNotFound as error:
        raise ConfigError(
            f"there is no deployment {name}; run `prefect deploy --all`, then run this again"
        ) from error
    except (httpx.HTTPError, PrefectException) as error:
        raise RetryableError(f"{name} could not be started: {shortened(error)}") from error
    run: FlowRun = started
    return run
