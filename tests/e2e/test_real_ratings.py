"""The whole job on what real people watched (MovieLens), where that data is at hand."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from personalization.aws import S3Path
from personalization.objects import download
from personalization.parameters import PostprocessParameters, TrainParameters
from tests.config.files import films_by_genre
from tests.e2e.conftest import BUCKET, QUICK, ROOT, Place

RATINGS = ROOT.parent / "shared" / "data" / "ml-latest-small"
GROUP, SOLUTION = "movielens", "movielens-genres"
GENRES = ("Documentary", "Horror", "Animation")

pytestmark = [
    pytest.mark.server,
    pytest.mark.e2e,
    pytest.mark.skipif(not RATINGS.is_dir(), reason=f"the ratings are not at {RATINGS}"),
]


CONFIG = films_by_genre(GROUP, SOLUTION, "ratings", "movies", 50)


def upload(place: Place, folder: Path) -> pl.DataFrame:
    """Upload everybody's older four fifths; return the newer fifth with the films' genres."""
    ratings = pl.read_csv(RATINGS / "ratings.csv", schema_overrides={"userId": pl.String}).sort(
        "userId", "timestamp", "movieId"
    )
    rank = pl.int_range(pl.len()).over("userId") / pl.len().over("userId")
    older, newer = ratings.filter(rank < 0.8), ratings.filter(rank >= 0.8)
    movies = pl.read_csv(RATINGS / "movies.csv")
    older.select(USER_ID="userId", ITEM_ID="movieId", TIMESTAMP="timestamp").write_csv(
        folder / "interactions.csv"
    )
    movies.select(ITEM_ID="movieId", GENRES="genres").write_csv(folder / "items.csv")
    for name in ("interactions.csv", "items.csv"):
        place.put(f"train/{GROUP}/{name}", (folder / name).read_bytes())
    place.put(f"train/{GROUP}/config.json", json.dumps(CONFIG))
    lines = (json.dumps({"itemAttributes": f'ITEMS.genres = "{it}"'}) for it in GENRES)
    place.put(f"batch/{GROUP}/{SOLUTION}/job_config.json", "\n".join(lines))
    return newer.join(movies, on="movieId")


def test_real_people_watch_more_of_what_they_were_picked_for(bingewatch, prefect_server, tmp_path):
    from flows.postprocess import postprocess
    from flows.train import train

    later = upload(bingewatch, tmp_path)
    trained = train(TrainParameters(file=f"s3://{BUCKET}/train/{GROUP}/config.json", waiting=QUICK))
    report = postprocess(PostprocessParameters(output=trained.outputs[0], waiting=QUICK))

    lifts = {}
    for genre, audience in zip(GENRES, report.audiences, strict=True):
        file = download(bingewatch.client("s3"), S3Path.parse(audience.file), tmp_path / genre)
        members = pl.read_csv(file, infer_schema=False)["Id"]
        is_genre = pl.col("genres").str.split("|").list.contains(genre)
        shares = later.group_by("userId").agg(is_genre.mean().alias("share"))
        chosen = shares.filter(pl.col("userId").is_in(members.implode()))["share"].mean()
        lifts[genre] = chosen / shares["share"].mean()
    assert [it.members for it in report.audiences] == [50, 50, 50]
    # By lot it would be 1.  The bar for the mean over all genres is 2.1.
    assert min(lifts.values()) > 1.5, lifts
