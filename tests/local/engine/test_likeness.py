from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import sparse

from personalization.local.engine import TrainingData
from personalization.local.engine.events import Events, encode
from personalization.local.engine.likeness import similar, sims
from personalization.local.engine.ranking import best

A, B, C = 0, 1, 2


@pytest.fixture
def events() -> Events:
    """Of a's fans 4 also met b, which 16 met; 3 also met c, which nobody else met."""
    met = {f"a+b {n}": "ab" for n in range(4)} | {f"a+c {n}": "ac" for n in range(3)}
    met |= {f"b {n}": "b" for n in range(12)}
    rows = [(user, item, n) for n, (user, items) in enumerate(met.items()) for item in items]
    frame = pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")
    return encode(TrainingData(frame), seed=0).events


@pytest.mark.parametrize(
    ("discount", "likeness"),
    [
        pytest.param(0.0, [4, 3], id="as-often-as-together"),
        pytest.param(0.5, [4 / 4, 3 / 3**0.5], id="cosine"),
        pytest.param(1.0, [4 / 16, 3 / 3], id="as-often-as-they-could"),
    ],
)
def test_popularity_is_discounted(events, discount, likeness):
    scores = sims(events, discount, 0).scores(np.array([A]))[0]

    assert scores[[B, C]].tolist() == pytest.approx(likeness)
    assert scores[A] == -np.inf


def test_rare_pairs_are_no_pairs_and_come_with_the_popular(events):
    scores = sims(events, 0.5, fewest_shared=4).scores(np.array([A]))[0]

    assert best(scores, 2).tolist() == [B, C]
    assert scores[B] > 0 > scores[C]


def test_an_unknown_item_is_like_the_popular_ones(events):
    scores = sims(events).scores(np.array([-1]))[0]

    assert best(scores, 3).tolist() == [B, A, C]


def test_metadata_joins_in(events):
    features = sparse.csr_array(np.array([[1, 0], [1, 0], [0, 1]], np.float32))

    plain = similar(events, None).scores(np.array([A]))[0]
    described = similar(events, features).scores(np.array([A]))[0]

    assert described[B] > plain[B]
    assert described[C] == plain[C]
