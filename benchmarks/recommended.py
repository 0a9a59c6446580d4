"""What batch inference jobs might have written, today and a day later, with the items' metadata.

25 items a user out of 100,000, three fields an item.  A day later every tenth user has another
list, one in a hundred is gone and 100 items have other metadata.  Seeded.
"""

# ruff: noqa: PLC0415  # contestants import this module, and pay for none of its imports

from __future__ import annotations

from pathlib import Path

SMALL = 100_000  # users of the files on which everybody is compared
CATALOGUE = 100_000
LISTED = 25
SEED = 7


def generate(folder: Path, users: int) -> None:
    """Write items and items-later.json, and <size>.out and <size>-later.out of three sizes."""
    import numpy as np
    import orjson

    random = np.random.default_rng(SEED)
    touched = set(random.choice(CATALOGUE, 100, replace=False).tolist())
    for file, later in (("items.json", False), ("items-later.json", True)):
        with (folder / file).open("wb") as out:
            for item in range(CATALOGUE):
                if item % 50 == 49:  # nobody knows anything of it
                    continue
                price = item % 977 + (0.75 if later and item in touched else 0.5)
                row = {
                    "id": _item(item),
                    "name": f"The name of item {item}",
                    "price": price,
                    "category": f"category {item % 31}",
                    "stock": item % 13 + later,  # not sent
                }
                out.write(orjson.dumps(row) + b"\n")
    for later in (False, True):
        _generate_output(folder, users, later=later)


def _generate_output(folder: Path, users: int, *, later: bool) -> None:
    import numpy as np
    import polars as pl

    random = np.random.default_rng(SEED)
    suffix = "-later.out" if later else ".out"
    bounds = {"small": min(SMALL, users), "half": users // 2, "whole": users}
    files = {size: (folder / f"{size}{suffix}").open("wb") for size in bounds}
    step = 50_000
    for start in range(0, users, step):
        count = min(step, users - start)
        shape = (count, LISTED)
        # Half of what is recommended is popular.
        popular = np.minimum((random.pareto(0.8, shape) * 50).astype(np.int64), CATALOGUE - 1)
        item = np.where(random.random(shape) < 0.5, popular, random.integers(0, CATALOGUE, shape))
        score = random.integers(10**6, 10**7, shape)
        number = np.arange(start, start + count)
        if later:
            item[number % 10 == 3] = item[number % 10 == 3, ::-1]
        ids = pl.Series(item.ravel()).cast(pl.String).str.zfill(6)
        ids = pl.select(pl.format("B0{}", ids)).to_series().reshape(shape).arr.join('","')
        scores = pl.Series(score.ravel()).cast(pl.String)
        scores = pl.select(pl.format("0.{}", scores)).to_series().reshape(shape).arr.join(",")
        lines = pl.select(
            pl.concat_str(
                pl.lit('{"input":{"userId":"u-'),
                pl.lit(pl.Series(number)).cast(pl.String),
                pl.lit('"},"output":{"recommendedItems":["'),
                pl.lit(ids),
                pl.lit('"],"scores":['),
                pl.lit(scores),
                pl.lit(']},"error":null}'),
            ).alias("line"),
            pl.lit(pl.Series(number)).alias("number"),
        )
        if later:
            lines = lines.filter(pl.col("number") % 100 != 57)
        for size, file in files.items():
            part = lines.filter(pl.col("number") < bounds[size]).select("line")
            part.write_csv(file, include_header=False, quote_style="never")
    for file in files.values():
        file.close()


def _item(number: int) -> str:
    return f"B0{number:06d}"
