"""Connectors may be anybody's, and so may be their faults."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from personalization.connectors.base import TakesAttributes
from personalization.errors import FatalError, PersonalizeFlowsError


@contextmanager
def translated(connector: TakesAttributes) -> Iterator[None]:
    """Let none but our errors out of a connector.

    What the error says is left out, for it may quote who was sent; its place is enough to find it.
    """
    try:
        yield
    except PersonalizeFlowsError:
        raise
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        name = type(connector).__name__
        raise FatalError(
            f"{name} broke with {type(error).__name__} at {Path(place.filename).name}:"
            f"{place.lineno}, on something it did not expect; mend it, or tell who made it"
        ) from error
