"""Run a flow and die, as if the power went, when AWS has done an operation and not yet said so.

python -m tests.e2e.killed_run OPERATION[,OPERATION…] train|postprocess PARAMETERS_AS_JSON
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import Any

import blocks.aws
from flows.postprocess import postprocess
from flows.train import train
from personalization.parameters import PostprocessParameters, TrainParameters

FLOWS: dict[str, tuple[Any, Any]] = {
    "train": (train, TrainParameters),
    "postprocess": (postprocess, PostprocessParameters),
}
DIED = 9


def die_after(operations: list[str]) -> None:
    """End this process as soon as the far end has answered one of these operations."""
    make = blocks.aws._client.__wrapped__

    @lru_cache
    def mortal(*given: Any) -> Any:
        client = make(*given)
        for it in operations:
            client.meta.events.register(f"after-call.*.{it}", lambda **_: os._exit(DIED))
        return client

    blocks.aws._client = mortal


if __name__ == "__main__":
    die_after(sys.argv[1].split(","))
    flow, parameters = FLOWS[sys.argv[2]]
    flow(parameters.model_validate_json(sys.argv[3]))
