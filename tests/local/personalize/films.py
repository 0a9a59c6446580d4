"""A small film service in a local AWS, and the shortest way to each of its resources."""

from __future__ import annotations

import json
import time
from typing import Any

from personalization.local.server import LocalAws

BUCKET = "films"
ROLE = "arn:aws:iam::123456789012:role/personalize"
ATTRIBUTES = "arn:aws:personalize:::recipe/aws-item-attribute-affinity"
POPULAR = "arn:aws:personalize:::recipe/aws-popularity-count"

GENRES = ("Action", "Drama", "Comedy", "Horror")
USERS, FILMS, VIEWS = 48, 40, 24

FIELDS = {
    "Interactions": [
        {"name": "USER_ID", "type": "string"},
        {"name": "ITEM_ID", "type": "string"},
        {"name": "TIMESTAMP", "type": "long"},
    ],
    "Items": [
        {"name": "ITEM_ID", "type": "string"},
        {"name": "GENRES", "type": ["null", "string"], "categorical": True},
    ],
    "Users": [
        {"name": "USER_ID", "type": "string"},
        {"name": "AGE", "type": "int"},
    ],
}


def likes(user: int) -> str:
    """What user `u<user>` watches, six times out of eight."""
    return GENRES[user % 4]


def items_csv() -> str:
    """Forty films, every fourth of a genre."""
    rows = [f"i{film},{GENRES[film % 4]}|Any" for film in range(FILMS)]
    return "\n".join(["ITEM_ID,GENRES", *rows, ""])


def interactions_csv(users: int = USERS, views: int = VIEWS) -> str:
    """Everyone's views, of the liked genre but for every fourth: 1152 of them by default."""
    rows = [
        f"u{user},i{_film(user, view)},{1_700_000_000 + 3600 * view + user}"
        for user in range(users)
        for view in range(views)
    ]
    return "\n".join(["USER_ID,ITEM_ID,TIMESTAMP", *rows, ""])


def _film(user: int, view: int) -> int:
    genre = user % 4 if view % 4 else (user + view // 4) % 4
    return 4 * ((7 * user + 3 * view) % 10) + genre


def schema(name: str, fields: list[dict[str, Any]] | None = None) -> str:
    return json.dumps(
        {
            "type": "record",
            "name": name,
            "namespace": "com.amazonaws.personalize.schema",
            "fields": fields or FIELDS[name],
            "version": "1.0",
        }
    )


class Films:
    """Creates resources, waits for them, and returns their ARNs."""

    def __init__(self, aws: LocalAws) -> None:
        self.aws = aws
        self.personalize = aws.clients("personalize")
        self.s3 = aws.clients("s3")
        self.s3.create_bucket(Bucket=BUCKET)
        self._numbers = iter(range(1000))

    def settled(self, kind: str, arn: str) -> dict[str, Any]:
        """Return the resource (`datasetGroup`, …) once nothing changes about it any more."""
        words = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind)
        describe = getattr(self.personalize, f"describe_{words}")
        deadline = time.monotonic() + 30
        while True:
            found = describe(**{f"{kind}Arn": arn})[kind]
            if found["status"] in ("ACTIVE", "CREATE FAILED", "CREATE STOPPED"):
                return found
            assert time.monotonic() < deadline, f"{arn} stays {found['status']}"
            time.sleep(0.005)

    def active(self, kind: str, arn: str) -> str:
        found = self.settled(kind, arn)
        assert found["status"] == "ACTIVE", found.get("failureReason")
        return arn

    def group(self, name: str = "films", **more: Any) -> str:
        made = self.personalize.create_dataset_group(name=name, **more)
        return self.active("datasetGroup", made["datasetGroupArn"])

    def dataset(
        self, group: str, kind: str = "Interactions", fields: list[dict[str, Any]] | None = None
    ) -> str:
        name = f"{kind.lower()}-{next(self._numbers)}"
        made = self.personalize.create_schema(name=name, schema=schema(kind, fields))
        dataset = self.personalize.create_dataset(
            name=name, schemaArn=made["schemaArn"], datasetGroupArn=group, datasetType=kind
        )
        return self.active("dataset", dataset["datasetArn"])

    def put(self, key: str, body: str | bytes) -> str:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def import_job(self, dataset: str, location: str, **more: Any) -> dict[str, Any]:
        """Return the import job when it has ended, well or not."""
        made = self.personalize.create_dataset_import_job(
            jobName=f"import-{next(self._numbers)}",
            datasetArn=dataset,
            dataSource={"dataLocation": location},
            roleArn=ROLE,
            **more,
        )
        return self.settled("datasetImportJob", made["datasetImportJobArn"])

    def imported(self, dataset: str, csv: str | bytes, **more: Any) -> None:
        location = self.put(f"data/{next(self._numbers)}.csv", csv)
        job = self.import_job(dataset, location, **more)
        assert job["status"] == "ACTIVE", job["failureReason"]

    def filled(self, name: str = "films") -> str:
        """Return a dataset group with interactions and items in it."""
        group = self.group(name)
        self.imported(self.dataset(group), interactions_csv())
        self.imported(self.dataset(group, "Items"), items_csv())
        return group

    def solution(self, group: str, recipe: str = ATTRIBUTES, **more: Any) -> str:
        more = {"name": f"solution-{next(self._numbers)}", "performAutoTraining": False, **more}
        made = self.personalize.create_solution(datasetGroupArn=group, recipeArn=recipe, **more)
        return self.active("solution", made["solutionArn"])

    def version(self, solution: str, **more: Any) -> dict[str, Any]:
        """Return the solution version when its training has ended, well or not."""
        made = self.personalize.create_solution_version(solutionArn=solution, **more)
        return self.settled("solutionVersion", made["solutionVersionArn"])

    def trained(self, solution: str) -> str:
        version = self.version(solution)
        assert version["status"] == "ACTIVE", version["failureReason"]
        return str(version["solutionVersionArn"])

    def job(self, operation: str, version: str, **more: Any) -> dict[str, Any]:
        """Create a batch job and return the answer; all that matters may be given."""
        number = next(self._numbers)
        parameters = {
            "jobName": f"job-{number}",
            "solutionVersionArn": version,
            "jobInput": {"s3DataSource": {"path": f"s3://{BUCKET}/in/"}},
            "jobOutput": {"s3DataDestination": {"path": f"s3://{BUCKET}/out/{number}/"}},
            "roleArn": ROLE,
            **more,
        }
        return getattr(self.personalize, operation)(**parameters)

    def answers(self, kind: str, version: str, lines: list[Any], **more: Any) -> list[Any]:
        """Return the lines that a batch job (`batchSegmentJob`, …) answers for these."""
        number = next(self._numbers)
        text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
        path = self.put(f"questions/{number}.json", text)
        operation = "create_batch_" + ("segment" if "Segment" in kind else "inference") + "_job"
        out = f"answers/{number}/"
        arn = self.job(
            operation,
            version,
            jobInput={"s3DataSource": {"path": path}},
            jobOutput={"s3DataDestination": {"path": f"s3://{BUCKET}/{out}"}},
            **more,
        )[f"{kind}Arn"]
        self.active(kind, arn)
        key = f"{out}{number}.json.out"
        body = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return [json.loads(line) for line in body.splitlines()]
