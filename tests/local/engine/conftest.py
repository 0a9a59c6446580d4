from __future__ import annotations

import polars as pl
import pytest

from personalization.local.engine import TrainingData

BOARD = 64


@pytest.fixture(scope="session")
def checkerboard() -> TrainingData:
    """Everybody met the items of his own colour but one: the one right answer is the withheld one.

    User u07 met i01, i03, i05, i09, …, but not i07.
    """
    met = [(u, i) for u in range(BOARD) for i in range(BOARD) if u != i and u % 2 == i % 2]
    interactions = pl.DataFrame(
        {
            "user_id": [f"u{u:02d}" for u, _ in met],
            "item_id": [f"i{i:02d}" for _, i in met],
            "timestamp": [1_700_000_000 + 7919 * (u + 31 * i) % 100_000 for u, i in met],
        }
    )
    items = pl.DataFrame(
        {
            "item_id": [f"i{i:02d}" for i in range(BOARD)],
            "COLOUR": ["odd" if i % 2 else "even" for i in range(BOARD)],
            "NUMBER": list(range(BOARD)),
        }
    )
    return TrainingData(interactions, items)
