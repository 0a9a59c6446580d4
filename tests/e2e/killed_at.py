"""Run connector-sync, and be killed at one line: `python -m tests.e2e.killed_at POINT JOB`."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, NoReturn

from flows.connector_sync import connector_sync
from personalization.parameters import SyncParameters
from personalization.sync import keeping, shards, state_store, work
from tasks import deliver

# Where the process dies: right after that function returned for the n-th time.
POINTS: dict[str, tuple[Any, str, int]] = {
    "state fetched": (work, "fetch_state", 1),
    "shards merged": (shards, "_counts", 1),
    "outbox on disk": (work, "_to_disk", 1),
    "work half written": (work, "_to_disk", 7),
    "work written": (work, "_to_disk", 8),
    "delivered": (deliver, "deliver", 1),
    "state promoted": (keeping, "promote", 1),
    "state uploaded in part": (state_store, "upload", 1),
    "state stored": (keeping, "store_state", 1),
    "output written": (deliver, "write_output", 1),
}


def kill_after(module: Any, name: str, times: int) -> None:
    """Let the process be killed once the function has returned so often."""
    real, left = getattr(module, name), [times]

    def mortal(*given: Any, **more: Any) -> Any:
        result = real(*given, **more)
        left[0] -= 1
        if left[0] == 0:
            die()
        return result

    setattr(module, name, mortal)


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("killed")


if __name__ == "__main__":
    kill_after(*POINTS[sys.argv[1]])
    connector_sync(SyncParameters(job=sys.argv[2], shards=2))
