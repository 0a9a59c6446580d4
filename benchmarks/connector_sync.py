"""What turning recommendations into lines costs beside the work nobody can avoid.

    python -m benchmarks.connector_sync [--check] [--size S|M|L] [--rounds 3]

Input is generated (`benchmarks.recommended`) in a temporary folder that goes with the run (2.7 GB
at L).

Beside ours stand orjson parsing every line and doing nothing with it, naive polars (scan_ndjson,
explode, join, group_by, sink_ndjson; first run only, no delta) and a loop over orjson's dicts.  Two
bars are rates within one process, of the step itself: rendering lines, and putting them into
requests.  The bars hold at L, which measures half of it (M) as well; `--check` exits with 1 if one
is missed.  At any size it fails if ours and the loop disagree about one attribute of one user, or
if the delta is not exactly who must be told.  Not measured: Spark, for which the bar of the first
run is 10 times the time.
"""

# ruff: noqa: PLC0415  # each contestant pays for its own imports, and for no others

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.pairs import (
    RATE_FILE,
    Bar,
    Costs,
    measure,
    measured_rounds,
    print_bars,
    print_costs,
)
from benchmarks.recommended import SMALL

MODULE = "benchmarks.connector_sync"
SIZES = {"S": 100_000, "M": 1_000_000, "L": 2_000_000}
FIELDS = ("name", "price", "category")
PER_REQUEST = 75
# What Braze takes: 3,000 requests in 3 s, 75 objects each.
# Source: Braze documentation, "API rate limits" (/users/track).
BRAZE_PER_S = 75_000


def _slope(costs: Costs, kind: str) -> float:
    # From M to L, twice the users.
    return costs[f"{kind} whole"].cpu_s / (2 * costs[f"{kind} half"].cpu_s)


BARS = (
    *(
        Bar(
            f"{kind}, {size}, {unit} / orjson parsing",
            lambda c, k=kind, s=size, u=unit: (  # type: ignore[misc]
                getattr(c[f"{k} {s}"], f"{u}_s") / getattr(c[f"orjson {s}"], f"{u}_s")
            ),
            limit,
        )
        for size in ("half", "whole")
        for kind, unit, limit in (("delta", "wall", 2.5), ("delta", "cpu", 4), ("full", "wall", 4))
    ),
    Bar("full, whole, peak memory", lambda c: c["full whole"].peak_gb, 1.0, " GB"),
    Bar("delta, whole, peak memory", lambda c: c["delta whole"].peak_gb, 1.0, " GB"),
    Bar("full, CPU a user, whole / half", lambda c: _slope(c, "full"), 1.1),
    Bar("delta, CPU a user, whole / half", lambda c: _slope(c, "delta"), 1.1),
    Bar(
        "naive polars / full, half, CPU",
        lambda c: c["naive half"].cpu_s / c["full half"].cpu_s,
        3,
        at_least=True,
    ),
    Bar(
        "naive polars / full, half, peak memory",
        lambda c: c["naive half"].peak_gb / c["full half"].peak_gb,
        3,
        at_least=True,
    ),
    Bar(
        "lines rendered a CPU second / what Braze takes",
        lambda c: c["render small"].rate / BRAZE_PER_S,
        2,
        at_least=True,
    ),
    Bar(
        "lines put into requests a CPU second / what Braze takes",
        lambda c: c["requests small"].rate / BRAZE_PER_S,
        10,
        at_least=True,
    ),
)
CONTESTANTS = (
    "orjson half",
    "delta half",
    "full half",
    "naive half",
    "orjson whole",
    "delta whole",
    "full whole",
    "render small",
    "requests small",
    "loop small",
)


def run(contestant: str, folder: Path) -> None:
    """Do one contestant's work; this process is what is measured."""
    kind, size = contestant.split()
    match kind:
        case "generate":
            from benchmarks.recommended import generate

            generate(folder, int(size))
        case "orjson":
            import orjson

            with (folder / f"{size}-later.out").open("rb") as lines:
                for line in lines:
                    orjson.loads(line)
        case "naive":
            _naive(folder, size)
        case "loop":
            for _ in _loop(folder, size):
                pass
        case "state":
            outbox = _ours(folder, size, later=False, delta=False)
            _promote(folder, size, outbox)
        case "full" | "delta":
            _ours(folder, size, later=True, delta=kind == "delta")
        case "render":
            _render(folder, size)
        case "requests":
            _requests(folder, size)
        case "compare":
            compare(folder, size)


def _renderer(folder: Path, *, later: bool) -> tuple[Any, Any]:
    from personalization.transforms.item_metadata import read_items
    from personalization.transforms.recommendation_rendering import AttributeRenderer

    file = folder / ("items-later.json" if later else "items.json")
    items = read_items([file], fields=FIELDS)
    # What Braze's `Rendering` says; importing it would start the clients of all destinations.
    rendering: Any = SimpleNamespace(
        user_key="external_id",
        prefix="recs_",
        style="parallel",
        list_name="",
        constants={},
        cleared="null",
        pieces=('{"external_id":', ",", "}"),
    )
    return AttributeRenderer(rendering, items), items


def _ours(folder: Path, size: str, *, later: bool, delta: bool) -> Any:
    from personalization.transforms.recommendation_delta import DeltaOptions
    from personalization.transforms.recommendation_sources import RecommendedToUsers
    from personalization.transforms.recommendations import write_outbox

    renderer, items = _renderer(folder, later=later)
    return write_outbox(
        RecommendedToUsers([folder / f"{size}{'-later' if later else ''}.out"]),
        renderer,
        items,
        folder / f"state-{size}" if delta else folder / "no-state",
        folder / f"outbox-{size}-{'delta' if delta else 'full'}",
        options=DeltaOptions(delta=delta),
    ).outbox


def _promote(folder: Path, size: str, outbox: Any) -> None:
    import polars as pl

    from personalization.transforms.recommendation_state import promote

    taken = {file: ~pl.read_parquet(outbox.users(file))["removed"] for file in outbox.files}
    promote(folder / f"state-{size}", [(outbox, taken)])


def _render(folder: Path, size: str) -> None:
    import polars as pl

    from personalization.transforms.recommendation_sources import RecommendedToUsers

    renderer, _ = _renderer(folder, later=True)
    source = RecommendedToUsers([folder / f"{size}-later.out"])
    parts = [source.read(part).rows for part in source.parts]

    def rendered() -> int:
        lines: list[pl.Series] = [renderer.lines(rows, ()) for rows in parts]
        return sum(map(len, lines))

    _tell_rate(folder, rendered)


def _requests(folder: Path, size: str) -> None:
    from personalization.connectors.base import RequestLimits
    from personalization.delivery.outbox import Outbox

    limits = RequestLimits(PER_REQUEST, 4_000_000, 1000, 64)
    outbox = Outbox(folder / f"outbox-{size}-full")

    def cut() -> int:
        count = 0
        for batch in outbox.batches(limits):
            body = b'{"attributes":[' + b",".join(batch.lines) + b"]}"
            count += len(batch.lines) if body else 0
        return count

    _tell_rate(folder, cut)


def _tell_rate(folder: Path, work: Callable[[], int]) -> None:
    """Say how many lines a CPU second it does, at its best of three; start-up is none of it."""
    rates = []
    for _ in range(3):
        started = time.process_time()
        rates.append(work() / (time.process_time() - started))
    (folder / RATE_FILE).write_text(str(max(rates)))


def _naive(folder: Path, size: str) -> None:
    import polars as pl

    schema: Any = {
        "input": pl.Struct({"userId": pl.String}),
        "output": pl.Struct({"recommendedItems": pl.List(pl.String)}),
        "error": pl.String,
    }
    items = pl.scan_ndjson(folder / "items-later.json").select("id", *FIELDS)
    rows = (
        pl.scan_ndjson(folder / f"{size}-later.out", schema=schema)
        .filter(pl.col("error").is_null())
        .select(
            external_id=pl.col("input").struct.field("userId"),
            recs_itemId=pl.col("output").struct.field("recommendedItems"),
        )
        .with_columns(rank=pl.int_ranges(pl.col("recs_itemId").list.len()))
        .explode("recs_itemId", "rank")
        .join(items, left_on="recs_itemId", right_on="id", how="left")
        .group_by("external_id")
        .agg(
            *(pl.col(name).sort_by("rank").alias(f"recs_{name}") for name in FIELDS),
            pl.col("recs_itemId").sort_by("rank"),
        )
    )
    rows.sink_ndjson(folder / f"naive-{size}.jsonl")


def _loop(folder: Path, size: str) -> Iterable[bytes]:
    """Yield every user's line, made of dicts."""
    import orjson

    with (folder / "items-later.json").open("rb") as lines:
        known = {item["id"]: item for item in map(orjson.loads, lines)}
    with (folder / f"{size}-later.out").open("rb") as lines:
        for line in map(orjson.loads, lines):
            ids = line["output"]["recommendedItems"]
            found = [known.get(item, {}) for item in ids]
            user = {"external_id": line["input"]["userId"]}
            fields = {f"recs_{name}": [it.get(name) for it in found] for name in FIELDS}
            yield orjson.dumps({**user, **fields, "recs_itemId": ids})


def compare(folder: Path, size: str) -> None:
    """Raise SystemExit unless ours and the loop write the same lines, and the delta is exact."""
    import orjson
    import polars as pl

    full, delta = (folder / f"outbox-{size}-{kind}" for kind in ("full", "delta"))
    ours = sorted(line for file in full.glob("[0-9]*.jsonl") for line in file.open("rb"))
    theirs = sorted(line + b"\n" for line in _loop(folder, size))
    if ours != theirs:
        raise SystemExit("ours and a loop over dicts disagree")
    with (folder / "items.json").open("rb") as lines:
        before = {it["id"]: it["price"] for it in map(orjson.loads, lines)}
    with (folder / "items-later.json").open("rb") as lines:
        changed = {it["id"] for it in map(orjson.loads, lines) if it["price"] != before[it["id"]]}
    held, now = _lists(folder / f"{size}.out"), _lists(folder / f"{size}-later.out")
    told = {user for user in held if user not in now} | {
        user for user, ids in now.items() if ids != held.get(user) or changed.intersection(ids)
    }
    sent = pl.concat([pl.read_parquet(it) for it in sorted(delta.glob("[0-9]*.parquet"))])
    if set(sent["user_id"]) != told or len(sent) != len(told):
        raise SystemExit("the delta is not who must be told")
    gone = set(sent.filter("removed")["user_id"])
    if gone != held.keys() - now.keys():
        raise SystemExit("those who are cleared are not those who left")
    print(
        f"compared {len(ours):,} lines; the delta of {len(told):,}, {len(gone):,} cleared, is exact"
    )


def _lists(file: Path) -> dict[str, list[str]]:
    import orjson

    with file.open("rb") as lines:
        return {
            line["input"]["userId"]: line["output"]["recommendedItems"]
            for line in map(orjson.loads, lines)
        }


def main() -> int:
    """Generate, measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, prog=MODULE)
    parser.add_argument("--check", action="store_true", help="exit with 1 under a bar")
    parser.add_argument("--size", choices=SIZES, default="L")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        run(asked.contestant, asked.folder)
        return 0

    users = SIZES[asked.size]
    folder = Path(tempfile.mkdtemp(prefix="benchmark-connector-sync-"))
    try:
        sizes = [f"state {size}" for size in ("small", "half", "whole")]
        for step in (f"generate {users}", *sizes, "full small", "delta small", "compare small"):
            measure(MODULE, step, folder)
        rounds = measured_rounds(MODULE, CONTESTANTS, folder, asked.rounds)
    finally:
        shutil.rmtree(folder)
    print_costs(f"whole: {users:,} users, half: {users // 2:,}, small: {SMALL:,}", rounds)
    kept = print_bars(BARS, rounds, judged=asked.size == "L")
    return 0 if kept or not asked.check else 1


if __name__ == "__main__":
    sys.exit(main())
