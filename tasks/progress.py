"""A progress artifact that is told from inside an event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

from personalization.delivery import Progress
from tasks.artifacts import artifact_key


@contextmanager
def shown_progress(description: str, *key: str) -> Iterator[Callable[[Progress], None]]:
    """Yield what takes progress and keeps an artifact up to date, without making anyone wait."""
    artifact = cast("UUID", create_progress_artifact(0.0, artifact_key(*key), description))
    # Prefect's own call would have to be awaited where a loop runs, and on a thread it need not.
    with ThreadPoolExecutor(1) as teller:
        last: list[Any] = []

        def tell(progress: Progress) -> None:
            if last and not last[0].done():
                return  # the next one will say more
            done = progress.accepted + progress.rejected
            share = 100.0 * done / progress.total if progress.total else 100.0
            last[:] = [teller.submit(copy_context().run, update_progress_artifact, artifact, share)]

        yield tell
        if last:
            last[0].result()
    update_progress_artifact(artifact, 100.0)
