"""The one retry rule: what may pass is tried again, all else is not."""

from __future__ import annotations

from typing import Any

from prefect.cache_policies import NO_CACHE

from personalization.errors import RetryableError


def if_retryable(_task: Any, _run: Any, state: Any) -> bool:
    """Use as `retry_condition_fn`: retry RetryableError, nothing else."""
    return isinstance(state.result(raise_on_failure=False), RetryableError)


# For every task that talks to something that may be busy: five tries within ten minutes.
NETWORK: dict[str, Any] = {
    "retries": 4,
    "retry_delay_seconds": [2, 15, 60, 300],
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": if_retryable,
    "cache_policy": NO_CACHE,
}
