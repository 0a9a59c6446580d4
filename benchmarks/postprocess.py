"""What `postprocess` costs beside the work nobody can avoid, and beside idiomatic polars.

    python -m benchmarks.postprocess [--check] [--size S|M|L] [--rounds 5]

Input is generated, seeded, in a temporary folder that goes with the run (1.1 GB at L).

The unavoidable: every line parsed by orjson, and nothing done with it, plus every column of the
endpoint table counted by polars.  Idiomatic polars is what one would write for any `.out`: the ids
exploded beside their query, joined to the endpoints, and a file a query, all of it streaming.  It
proves, counts and lists less than ours.  The bars hold at L; `--check` exits with 1 if one is
missed.
At any size it fails if ours and idiomatic polars disagree about a single id.  The bars of time are
for user ids, the default; endpoint ids are shown beside them.  Not measured: Spark.
"""

# ruff: noqa: PLC0415  # each contestant pays for its own imports, and for no others

from __future__ import annotations

import argparse
import datetime as dt
import json
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.pairs import Bar, Costs, measure, measured_rounds, print_bars, print_costs

MODULE = "benchmarks.postprocess"
SIZES = {"S": 100_000, "M": 1_000_000, "L": 5_000_000}  # users of the one long line
SEED = 7


def _unavoidable(costs: Costs, line: str) -> float:
    return costs[f"orjson {line}"].cpu_s + costs["scan"].cpu_s


BARS = (
    Bar(
        "one line, index, CPU / unavoidable",
        lambda c: c["user one index"].cpu_s / _unavoidable(c, "one"),
        1.2,
    ),
    Bar(
        "20 lines, index, CPU / unavoidable",
        lambda c: c["user many index"].cpu_s / _unavoidable(c, "many"),
        2.8,
    ),
    Bar(
        "one line, no index, CPU / unavoidable",
        lambda c: c["user one"].cpu_s / _unavoidable(c, "one"),
        2.3,
    ),
    Bar(
        "one line, index, wall / idiomatic polars",
        lambda c: c["user one index"].wall_s / c["idiomatic user one"].wall_s,
        0.6,
    ),
    Bar(
        "highest peak memory of ours",
        lambda c: max(
            c[name].peak_gb for name in CONTESTANTS if name.startswith(("user", "endpoint"))
        ),
        1.1,
        " GB",
    ),
)
CONTESTANTS: tuple[str, ...] = (
    "orjson one",
    "scan",
    "user one index",
    "idiomatic user one",
    "user one",
    "orjson many",
    "user many index",
    "endpoint one index",
    "idiomatic endpoint one",
    "endpoint many index",
)


def generate(folder: Path, users: int) -> None:
    """Write endpoints.csv (two endpoints a user of the line) and one.out, many.out."""
    import numpy as np
    import polars as pl

    random = np.random.default_rng(SEED)
    endpoints, owners, known = 2 * users, users * 154 // 100, users * 16 // 10
    owner = np.concatenate(
        [random.permutation(owners), random.integers(0, owners, endpoints - owners)]
    )
    random.shuffle(owner)
    pl.LazyFrame(
        {
            "user": owner,
            "channel": random.choice(
                ["EMAIL", "SMS", "APNS", "GCM"], endpoints, p=[0.6, 0.2, 0.1, 0.1]
            ),
            "out": random.random(endpoints) < 0.03,
            "off": random.random(endpoints) < 0.05,
        }
    ).with_row_index("number").select(
        pl.format("e-{}-{}", pl.col("number").cast(pl.String).str.zfill(9), "user").alias("Id"),
        pl.col("channel").alias("ChannelType"),
        pl.format("user{}@mail.example.org", "user").alias("Address"),
        pl.format("u{}", "user").alias("User.UserId"),
        pl.when("out").then(pl.lit("ALL")).otherwise(pl.lit("NONE")).alias("OptOut"),
        pl.when("off").then(pl.lit("INACTIVE")).otherwise(pl.lit("ACTIVE")).alias("EndpointStatus"),
    ).sink_csv(folder / "endpoints.csv")

    def line(value: str, count: int) -> bytes:
        chosen = pl.Series(random.permutation(known)[:count])
        listed = pl.select(pl.format('"u{}"', chosen).str.join(",")).item()
        query = json.dumps({"itemAttributes": f'ITEMS.genres = "{value}"'})
        return f'{{"input":{query},"output":{{"usersList":[{listed}]}},"error":null}}\n'.encode()

    (folder / "one.out").write_bytes(line("Action", users))
    with (folder / "many.out").open("wb") as out:
        for number in range(20):
            out.write(line(f"G{number}", users // 5))


def run(contestant: str, folder: Path) -> None:
    """Do one contestant's work; this process is what is measured."""
    kind, *rest = contestant.split()
    match kind:
        case "orjson":
            import orjson

            with (folder / f"{rest[0]}.out").open("rb") as lines:
                for line in lines:
                    orjson.loads(line)
        case "scan":
            import polars as pl

            table = pl.scan_csv(folder / "endpoints.csv", infer_schema=False)
            table.select(pl.all().count()).collect(engine="streaming")
        case "generate":
            generate(folder, int(rest[0]))
        case "compare":
            compare(folder)
        case "idiomatic":
            _idiomatic(rest[0], folder / f"{rest[1]}.out", folder)
        case _:
            _ours(kind, rest[0], folder, keep_index="index" in rest)


def _ours(by: str, line: str, folder: Path, *, keep_index: bool) -> None:
    from personalization.transforms.audience_options import AudienceOptions
    from personalization.transforms.audiences import write_audiences

    report = write_audiences(
        [folder / f"{line}.out"],
        folder / f"ours-{by}-{line}",
        endpoints=folder / "endpoints.csv",
        options=AudienceOptions.model_validate({"address_by": by}),
        stamp=dt.datetime(2022, 5, 12, 16, 10, 47, tzinfo=dt.UTC),
        index=folder / "index" if keep_index else None,
    )
    report.refuse_above(0)


def _idiomatic(by: str, out: Path, folder: Path) -> None:
    import polars as pl

    schema = {
        "input": pl.Struct({"itemAttributes": pl.String}),
        "output": pl.Struct({"usersList": pl.List(pl.String)}),
    }
    listed = pl.scan_ndjson(out, schema=schema).select(
        query=pl.col("input").struct.field("itemAttributes"),
        user=pl.col("output").struct.field("usersList"),
    )
    endpoints = (
        pl.scan_csv(folder / "endpoints.csv", infer_schema=False)
        .filter(pl.col("EndpointStatus") == "ACTIVE", pl.col("OptOut") != "ALL")
        .select("Id", user="User.UserId")
    )
    users = listed.explode("user")
    if by == "user":
        found = users.join(endpoints, on="user", how="semi").select("query", Id="user")
    else:
        found = users.join(endpoints, on="user").select("query", "Id")
    files = pl.PartitionBy(
        folder / f"idiomatic-{by}", key="query", include_key=False, approximate_bytes_per_file=None
    )
    found.sink_csv(files, mkdir=True)


def compare(folder: Path) -> None:
    """Raise SystemExit unless ours and idiomatic polars found the same ids in the long line."""
    import polars as pl

    for by in ("user", "endpoint"):
        (ours,) = (folder / f"ours-{by}-one").glob("*.csv")
        (idiomatic,) = (folder / f"idiomatic-{by}").rglob("*.csv")
        ids, others = (
            pl.read_csv(path, infer_schema=False)["Id"].sort() for path in (ours, idiomatic)
        )
        if not ids.equals(others):
            raise SystemExit(f"ours and idiomatic polars disagree on the {by} ids")


def main() -> int:
    """Generate, measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, prog=MODULE)
    parser.add_argument("--check", action="store_true", help="exit with 1 under a bar")
    parser.add_argument("--size", choices=SIZES, default="L")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.contestant:
        run(asked.contestant, asked.folder)
        return 0

    users = SIZES[asked.size]
    folder = Path(tempfile.mkdtemp(prefix="benchmark-postprocess-"))
    try:
        measure(MODULE, f"generate {users}", folder)
        building = measure(MODULE, "user one index", folder)
        rounds = measured_rounds(MODULE, CONTESTANTS, folder, asked.rounds)
        measure(MODULE, "compare", folder)
    finally:
        shutil.rmtree(folder)
    title = f"{users:,} users in one line, 20 × {users // 5:,}, {2 * users:,} endpoints"
    print_costs(title, rounds, {"the same, building its index": building})
    kept = print_bars(BARS, rounds, judged=asked.size == "L")
    return 0 if kept or not asked.check else 1


if __name__ == "__main__":
    sys.exit(main())
