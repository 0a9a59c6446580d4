"""Pictures of results, as files that anything can open."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure

from personalization.columns import ATTRIBUTE_VALUE, AUDIENCE_SHARE, EVERYONE_SHARE, LIFT

_AUDIENCE, _EVERYONE = "#c2410c", "#94a3b8"


def draw_profile(profile: pl.DataFrame, title: str, target: Path) -> Path:
    """Draw what an audience watches beside what everyone does, as an SVG or PNG at `target`.

    profile  attribute_value str, audience_share f64, everyone_share f64 (fractions of events),
             lift f64 (their ratio); drawn in the order of the lift, highest on top
    """
    rows = profile.sort(LIFT, ATTRIBUTE_VALUE)
    places = range(rows.height)
    figure = Figure(figsize=(8, 0.36 * rows.height + 1.4), layout="constrained")
    axes = figure.subplots()
    axes.barh([it + 0.2 for it in places], rows[AUDIENCE_SHARE] * 100, 0.4, color=_AUDIENCE)
    axes.barh([it - 0.2 for it in places], rows[EVERYONE_SHARE] * 100, 0.4, color=_EVERYONE)
    for place, share, lift in zip(places, rows[AUDIENCE_SHARE], rows[LIFT], strict=True):
        axes.text(share * 100, place + 0.2, f" ×{lift:.2f}", va="center", fontsize=8)
    axes.set_yticks(list(places), rows[ATTRIBUTE_VALUE].to_list())
    axes.set_xlabel("share of events, %")
    axes.set_title(title, loc="left")
    axes.legend(["the audience", "everyone"], frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    target.parent.mkdir(parents=True, exist_ok=True)
    # The same data give the same file: no date, no random ids.
    with rc_context({"svg.hashsalt": title}):
        figure.savefig(target, metadata={"Date": None} if target.suffix == ".svg" else None)
    return target
