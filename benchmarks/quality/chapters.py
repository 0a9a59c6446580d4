"""The chapters of the check: measure, print the table, return the bars.

The absolute bars were measured on MovieLens latest-small and on worlds like those of
`benchmarks.worlds`; on any other folder only the bars that compare two ways of ranking apply.
"""

from __future__ import annotations

from dataclasses import astuple

import numpy as np
from rich.console import Console

from benchmarks.quality.audiences import attribute_segments, item_segments
from benchmarks.quality.bars import Bar, show_rows
from benchmarks.quality.behaviour import Behaviour, behaviour_of
from benchmarks.quality.planted import against_truth
from benchmarks.quality.recommendations import (
    Outcome,
    in_folds,
    of_related_items,
    of_reranking,
    of_returning_users,
)
from benchmarks.worlds import IID, NULL, SESSIONS, planted

OUTCOME = ("NDCG@10", "± SE", "NDCG@25", "MRR@25", "P@10", "coverage", "× popularity")
ATTRIBUTES = ("P@50", "AUC", "rank correlation", "NDCG@100 of share", "lift@50")
TRUTH = ("rank correlation", "n ≥ 100", "overlap@1 %", "lift@5 %", "of the oracle's")


def recommendations(console: Console, behaviour: Behaviour, *, known: bool) -> list[Bar]:
    """Ten folds of users; `known`: on the data the absolute bars were measured on."""
    outcomes = in_folds(behaviour)
    _show(console, f"Recommendations, 10 folds of users: {behaviour.name}", outcomes)
    ours, popular = outcomes["fading blend"], outcomes["popularity"]
    ratio = ours.ndcg_10.mean() / popular.ndcg_10.mean()
    if not known:
        return [Bar("user-personalization NDCG@10 over popularity", ratio, 2.1)]
    return [
        Bar("user-personalization NDCG@10 over popularity", ratio, 2.0),
        Bar("user-personalization NDCG@10", ours.ndcg_10.mean(), 0.100),
        Bar(
            "user-personalization NDCG@25 over popularity",
            ours.ndcg_25.mean() / popular.ndcg_25.mean(),
            2.1,
        ),
        Bar("user-personalization MRR@25", ours.reciprocal_rank.mean(), 0.185),
        Bar("user-personalization P@10", ours.precision_10.mean(), 0.065),
        Bar("user-personalization coverage a fold", ours.coverage, 0.05),
        *_same_measures(popular),
    ]


def _same_measures(popular: Outcome) -> list[Bar]:
    """Popularity needs no learning: if its numbers move, the measures have."""
    known = {
        "NDCG@10": (popular.ndcg_10, 0.0471),
        "NDCG@25": (popular.ndcg_25, 0.0570),
        "MRR@25": (popular.reciprocal_rank, 0.1065),
        "P@10": (popular.precision_10, 0.0334),
    }
    return [
        Bar(f"popularity-count {name} as always", values.mean(), value - 0.001, value + 0.001)
        for name, (values, value) in known.items()
    ]


def returning_users(console: Console, behaviour: Behaviour) -> list[Bar]:
    """What is asked long after the last event: fading must cost nothing."""
    outcomes = of_returning_users(behaviour)
    _show(console, f"Users who return after the 80 % quantile of time: {behaviour.name}", outcomes)
    gap, error = outcomes["fading blend"].better_than(outcomes["EASE"])
    return [Bar("fading less unfaded NDCG@10 for returning users", gap, -error)]


def related_items(console: Console, behaviour: Behaviour, *, known: bool) -> list[Bar]:
    """What goes with each user's newest item."""
    outcomes = of_related_items(behaviour)
    _show(console, f"Related items, asked for the newest item: {behaviour.name}", outcomes)
    popular = outcomes.pop("popularity").ndcg_10.mean()
    bars = [
        Bar(f"{way} NDCG@10 over popularity", outcome.ndcg_10.mean() / popular, 1.25)
        for way, outcome in outcomes.items()
    ]
    # Three shared users, Personalize's default, leave rare films without neighbours.
    covering = [way for way in outcomes if way != "aws-sims"] if known else []
    return bars + [Bar(f"{way} coverage", outcomes[way].coverage, 0.35) for way in covering]


def reranking(console: Console, behaviour: Behaviour, *, known: bool) -> list[Bar]:
    """A held-out item among 49 that are drawn by popularity."""
    rows = of_reranking(behaviour)
    title = f"Reranking, 1 in 50: {behaviour.name}"
    shown = {way: astuple(row) for way, row in rows.items()}
    show_rows(console, title, ("MRR", "NDCG@10", "AUC"), shown)
    ours, popular = rows["fading blend"], rows["popularity"]
    bars = [Bar("reranking MRR over popularity", ours.mrr / popular.mrr, 1.9)]
    return [*bars, Bar("reranking NDCG@10", ours.ndcg_10, 0.27)] if known else bars


def segments(console: Console, behaviour: Behaviour, *, known: bool) -> list[Bar]:
    """Who will act on an attribute, and whose attention is on it."""
    rows = attribute_segments(behaviour)
    title = f"Attribute segments, oldest 80 % against newest 20 %: {behaviour.name}"
    show_rows(console, title, ATTRIBUTES, {way: astuple(row) for way, row in rows.items()})
    ours = rows["recommended, activity_weight 0"]
    told = rows["history share"].rank_correlation
    bars = [
        Bar("attribute segments: rank correlation over history share", ours.rank_correlation, told)
    ]
    if not known:
        return [*bars, Bar("attribute segments: lift@50", ours.lift, 1.5)]
    weighted = rows["recommended, activity_weight 0.25"]
    return [
        *bars,
        Bar("attribute segments: lift@50", ours.lift, 2.1),
        Bar("attribute segments: rank correlation", ours.rank_correlation, 0.34),
        Bar("attribute segments: NDCG@100 of share", ours.gained, 0.53),
        Bar("attribute segments, activity_weight 0.25: AUC", weighted.auc, 0.805),
    ]


def item_audiences(console: Console, behaviour: Behaviour, *, known: bool) -> list[Bar]:
    """Who will come to an item next, of those who have not."""
    rows = item_segments(behaviour)
    columns = ("hits@1 %", "recall@1 %", "recall@5 %", "AUC")
    title = f"Item segments, new users only: {behaviour.name}"
    show_rows(console, title, columns, {way: astuple(row) for way, row in rows.items()})
    ours, activity = rows["TF-IDF neighbours"], rows["activity"]
    ratio = ours.recall_5 / activity.recall_5
    bars = [Bar("item segments: recall@5 % over activity", ratio, 1.12)]
    return [*bars, Bar("item segments: AUC", ours.auc, 0.86)] if known else bars


def nothing_to_learn(console: Console, behaviour: Behaviour) -> list[Bar]:
    """Where users act at random: who beats popularity here has seen what was hidden."""
    outcomes = in_folds(behaviour)
    _show(console, f"Recommendations, nothing to learn: {behaviour.name}", outcomes)
    gap, error = outcomes["fading blend"].better_than(outcomes["popularity"])
    rows = attribute_segments(behaviour)
    title = f"Attribute segments, nothing to learn: {behaviour.name}"
    show_rows(console, title, ATTRIBUTES, {way: astuple(row) for way, row in rows.items()})
    ours = rows["recommended, activity_weight 0"]
    return [
        Bar(f"{behaviour.name}: NDCG@10 above popularity", gap, at_most=2 * error),
        Bar(f"{behaviour.name}: segment lift@50", ours.lift, at_most=1.05),
        Bar(f"{behaviour.name}: segment rank correlation", ours.rank_correlation, at_most=0.05),
    ]


def no_tastes(console: Console) -> list[Bar]:
    """A planted world in which everybody draws from the same popularity."""
    data = planted(NULL).data
    assert data.items is not None
    return nothing_to_learn(console, behaviour_of("no tastes", data.interactions, data.items))


def truth(console: Console) -> list[Bar]:
    """Two planted worlds: draws one by one, and sessions that drift."""
    bars = []
    for name, plan, correlation, busy, of_oracle in (
        ("independent draws", IID, 0.75, 0.84, 0.88),
        ("sessions", SESSIONS, 0.58, 0.72, 0.74),
    ):
        rows = against_truth(planted(plan))
        title = f"Attribute segments against planted truth: {name}"
        show_rows(console, title, TRUTH, {way: astuple(row) for way, row in rows.items()})
        ours = rows["recommended"]
        bars += [
            Bar(f"{name}: rank correlation", ours.rank_correlation, correlation),
            Bar(f"{name}: rank correlation, n ≥ 100", ours.busy, busy),
            Bar(f"{name}: lift, of the oracle's", ours.of_oracle, of_oracle),
            Bar(f"{name}: lift of activity", rows["activity"].lift, 0.95, 1.05),
        ]
    return bars


def _show(console: Console, title: str, outcomes: dict[str, Outcome]) -> None:
    popular = outcomes["popularity"].ndcg_10.mean()
    rows = {
        way: (
            float(o.ndcg_10.mean()),
            float(o.ndcg_10.std() / np.sqrt(len(o.ndcg_10))),
            float(o.ndcg_25.mean()),
            float(o.reciprocal_rank.mean()),
            float(o.precision_10.mean()),
            o.coverage,
            float(o.ndcg_10.mean() / popular),
        )
        for way, o in outcomes.items()
    }
    show_rows(console, title, OUTCOME, rows)
