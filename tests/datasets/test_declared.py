"""What the sample's parameter file says about its data."""

from __future__ import annotations

import json
from pathlib import Path

from personalization.config import load
from personalization.datasets import Wanted, avro_schemas, wanted_of

CONFIG = Path(__file__).parents[2] / "data/bingewatch/train/bingewatch/config.json"


def test_schemas_are_given_by_data_set() -> None:
    file = load(CONFIG.read_text(), str(CONFIG))

    schemas = avro_schemas(file)

    assert list(schemas) == ["interactions", "items", "users"]
    assert [schema["name"] for schema in schemas.values()] == ["Interactions", "Items", "Users"]


def test_what_is_wanted_comes_from_the_group_the_solutions_and_the_import() -> None:
    document = json.loads(CONFIG.read_text())
    document["solutions"][0]["serviceConfig"]["eventType"] = "Watch"
    document["datasets"]["serviceConfig"] = {"importMode": "INCREMENTAL"}

    file = load(json.dumps(document), "config.json")

    assert wanted_of(file) == Wanted(
        domain="VIDEO_ON_DEMAND",
        event_types={"bw_aws-item-attribute-affinity": "Watch"},
        import_mode="INCREMENTAL",
    )
