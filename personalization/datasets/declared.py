"""What a parameter file says about its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from personalization.config import ParameterFile
from personalization.datasets.locate import DATASETS
from personalization.datasets.requirements import Wanted


def avro_schemas(file: ParameterFile) -> dict[str, Mapping[str, Any]]:
    """Return the Avro schema of each dataset that the file declares."""
    return {
        dataset: entry.schema_.service_config["schema"]
        for dataset in DATASETS
        if (entry := getattr(file.datasets, dataset, None))
    }


def wanted_of(file: ParameterFile) -> Wanted:
    """Return what the file's solutions and dataset group need of the data."""
    settings = file.datasets.service_config if file.datasets else {}
    configs = [solution.service_config for solution in file.solutions]
    return Wanted(
        domain=file.dataset_group.service_config.get("domain"),
        event_types={it["name"]: it["eventType"] for it in configs if it.get("eventType")},
        import_mode=settings.get("importMode", "FULL"),
    )
