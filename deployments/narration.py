"""What Prefect says on the terminal while a flow runs: what a person wants to know, and no more.

Prefect logs the stack of every error, then that the run failed with it, task by task, and then the
flow's; and it tells of servers it starts and stops.  Our errors are told once, in one line, by the
command; what tasks and the library log is passed on, and so is everything about a bug.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import prefect
from prefect.logging.handlers import PrefectConsoleHandler

from personalization.errors import PersonalizeFlowsError

_PREFECT: Final = str(Path(prefect.__file__).parent)


def keep_quiet() -> None:
    """Make Prefect's console log pass on only what is `worth_telling`, for the process's life.

    Not for a block of code: Prefect's last words come when the process ends.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, PrefectConsoleHandler):
            handler.addFilter(worth_telling)


def worth_telling(record: logging.LogRecord) -> bool:
    """Whether a person who waits for a flow wants to read it."""
    if not record.pathname.startswith(_PREFECT):
        return True
    message = record.getMessage()
    if " - Retry " in message:  # why nothing seems to happen
        return True
    if "Still processing items" in message:  # of its own events, when the process ends
        return False
    error = record.exc_info[1] if record.exc_info else None
    ours = isinstance(error, PersonalizeFlowsError)
    return record.levelno >= logging.WARNING and not ours and "Finished in state" not in message
