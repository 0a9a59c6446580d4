"""Schemas, datasets and the jobs that fill them."""

from __future__ import annotations

import datetime as dt
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from personalization import schemas
from personalization.aws import Clients
from personalization.errors import ConfigError
from personalization.local.pace import Pace
from personalization.local.personalize import objects, tables
from personalization.local.personalize.contents import Warehouse
from personalization.local.personalize.kinds import KINDS
from personalization.local.personalize.operations import Behaviour, Call
from personalization.local.personalize.progress import ACTIVE, Progress
from personalization.local.personalize.records import Record, Records, in_use, invalid
from personalization.local.wire import Context, Handler

_TYPES = {name.lower(): kind for kind, name in schemas.NAMES.items()}  # by a schema's name
_BAD_PATH = "Invalid S3 input path"


class Datasets:
    """The behaviours of dataset groups, schemas, datasets and import jobs."""

    def __init__(
        self, records: Records, warehouse: Warehouse, clients: Clients, pace: Pace
    ) -> None:
        self._records = records
        self._warehouse = warehouse
        self._clients = clients
        self._pace = pace

    def behaviours(self) -> dict[str, Behaviour]:
        """Return them by kind."""
        return {
            "DatasetGroup": Behaviour(keeps=self._keeps_group),
            "Schema": Behaviour(self._new_schema, keeps=self._keeps_schema),
            "Dataset": Behaviour(
                self._new_dataset,
                resource=lambda call, made: f"{_group_name(call)}/{made['datasetType']}",
                keeps=self._keeps_dataset,
                more=self._schema_in_force,
            ),
            "DatasetImportJob": Behaviour(self._new_import, work=self._importing),
        }

    def handlers(self) -> Iterator[tuple[str, Handler]]:
        """Yield what is more than Create, Describe, List and Delete."""
        yield "UpdateDataset", self._update

    def _new_schema(self, call: Call) -> dict[str, Any]:
        params = call.params
        try:
            name = schemas.parse(params["schema"]).name
        except ConfigError as error:
            raise invalid(f"Invalid schema: {_on_one_line(error)}") from error
        dataset_type = _TYPES.get(name.lower())
        if dataset_type is None:
            known = ", ".join(schemas.NAMES.values())
            raise invalid(f"Invalid schema: its name is {name}, not one of {known}")
        document = json.loads(params["schema"])
        found = schemas.findings(document, dataset_type, params.get("domain"), "schema")
        if faults := [str(each) for each in found if each.severity == "error"]:
            raise invalid(f"Invalid schema: {'; '.join(faults)}")
        return dict(params)

    def _new_dataset(self, call: Call) -> dict[str, Any]:
        dataset_type = call.params["datasetType"].upper()
        if dataset_type.lower() not in schemas.NAMES:
            known = ", ".join(kind.title() for kind in schemas.NAMES)
            raise invalid(f"{call.params['datasetType']} is not a dataset type; there are {known}")
        group = call.parents["datasetGroupArn"]
        _check_schema(call.parents["schemaArn"], dataset_type, group)
        return {**call.params, "datasetType": dataset_type}

    def _new_import(self, call: Call) -> dict[str, Any]:
        params = {"importMode": "FULL", **call.params}
        uri = params["dataSource"].get("dataLocation")
        if uri is None:
            raise invalid("dataSource has no dataLocation")
        _checked(uri)
        earlier = self._records.all(
            KINDS["DatasetImportJob"], datasetArn=params["datasetArn"], importMode="FULL"
        )
        if params["importMode"] == "INCREMENTAL" and not any(e.status == ACTIVE for e in earlier):
            raise invalid(
                f"{params['datasetArn']} has no bulk data to add to; its first import must be FULL"
            )
        return params

    def _importing(self, call: Call, job: Record) -> Callable[[], int]:
        """Return the work of an import job: read, check, then replace or add; all or nothing."""
        dataset = call.parents["datasetArn"]
        schema_arn = self._schema_in_force(dataset)["schemaArn"]
        found = self._records.find(KINDS["Schema"], schema_arn, call.context.region)
        schema = schemas.parse(found.attributes["schema"])

        def work() -> int:
            s3 = self._clients("s3")
            place = _checked(job.attributes["dataSource"]["dataLocation"])
            frames = []
            with tempfile.TemporaryDirectory(prefix="personalize-import-") as folder:
                local = Path(folder) / "part.csv"
                for part in objects.files(s3, place):
                    objects.download(s3, part.path, local)
                    frames.append(tables.read(local, schema, str(part.path)))
            frame = pl.concat(frames)
            contents = self._warehouse.of(dataset)
            if job.attributes["importMode"] == "FULL":
                contents.replace(frame)
            else:
                contents.add(frame)
            return frame.height

        return work

    def _update(self, context: Context) -> Mapping[str, Any]:
        """Replace a dataset's schema; what it holds stays, new columns are null until imported."""
        with self._records.lock:
            arn = context.params["datasetArn"]
            dataset = self._records.find(KINDS["Dataset"], arn, context.region)
            schema = self._records.find(
                KINDS["Schema"], context.params["schemaArn"], context.region
            )
            if dataset.status != ACTIVE:
                raise in_use(f"Resource Arn {arn} is not ACTIVE but {dataset.status}.")
            group = self._records.peek(dataset.attributes["datasetGroupArn"])
            _check_schema(schema, dataset.attributes["datasetType"], group)
            self._schema_in_force(dataset)  # an earlier update may be done and not yet noticed
            begun = {"schemaArn": schema.arn, "creationDateTime": dt.datetime.now(dt.UTC)}
            dataset.updates["latestDatasetUpdate"] = (Progress(self._pace), begun)
        return {"datasetArn": arn}

    def _schema_in_force(self, dataset: Record) -> dict[str, Any]:
        """Return the schema's ARN: that of the last update that is ACTIVE, or the first."""
        progress, update = dataset.updates.get("latestDatasetUpdate", (None, {}))
        if progress is not None and progress.state == ACTIVE:
            dataset.attributes["schemaArn"] = update["schemaArn"]
        return {"schemaArn": dataset.attributes["schemaArn"]}

    def _keeps_group(self, group: Record) -> str | None:
        for name in ("Dataset", "Solution", "EventTracker", "Recommender", "Filter"):
            for child in self._records.all(KINDS[name], datasetGroupArn=group.arn):
                return f"Resource Arn {group.arn} still has {child.arn}."
        return None

    def _keeps_schema(self, schema: Record) -> str | None:
        for dataset in self._records.all(KINDS["Dataset"]):
            used = self._schema_in_force(dataset)["schemaArn"]
            if used == schema.arn:
                return f"Resource Arn {schema.arn} is used by {dataset.arn}."
        return None

    def _keeps_dataset(self, dataset: Record) -> str | None:
        jobs = self._records.all(KINDS["DatasetImportJob"], datasetArn=dataset.arn)
        group = dataset.attributes["datasetGroupArn"]
        versions = self._records.all(KINDS["SolutionVersion"], datasetGroupArn=group)
        for busy in (*jobs, *versions):
            if not busy.settled:
                return f"Resource Arn {dataset.arn} is used by {busy.arn}, which is {busy.status}."
        return None


def _check_schema(schema: Record, dataset_type: str, group: Record | None) -> None:
    name = schemas.parse(schema.attributes["schema"]).name
    if _TYPES[name.lower()] != dataset_type.lower():
        raise invalid(f"{schema.arn} is a schema of {name}, not of {dataset_type}")
    domain = group.attributes.get("domain") if group else None
    if schema.attributes.get("domain") != domain:
        raise invalid(
            f"{schema.arn} is of the domain {schema.attributes.get('domain')}, "
            f"the dataset group of {domain}"
        )


def _checked(uri: str) -> Any:
    try:
        return objects.location(uri, _BAD_PATH)
    except ConfigError as error:
        raise invalid(str(error)) from error


def _group_name(call: Call) -> str:
    return str(call.parents["datasetGroupArn"].attributes["name"])


def _on_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
