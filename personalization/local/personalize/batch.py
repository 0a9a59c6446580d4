"""Batch segment and batch inference jobs: questions from S3, answers to S3."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from personalization.aws import Clients
from personalization.errors import ConfigError, FatalError
from personalization.local.engine import Model
from personalization.local.personalize import answers, objects, recipes
from personalization.local.personalize.operations import Behaviour, Call
from personalization.local.personalize.records import Record, invalid
from personalization.local.personalize.solutions import trained
from personalization.local.wire import ServiceError

# Source: Personalize developer guide, "Service quotas" and "Getting batch user segments".
MOST_FILES: Final = 1000
MOST_BYTES: Final = 1_000_000_000
MOST_USERS: Final = 5_000_000
DEFAULT_RESULTS: Final = 25
_SEGMENTS: Final = "USER_SEGMENTATION"


class BatchJobs:
    """The behaviours of the two kinds of batch jobs."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def behaviours(self) -> dict[str, Behaviour]:
        """Return them by kind."""
        return {
            "BatchSegmentJob": Behaviour(self._new_segments, work=self._answering),
            "BatchInferenceJob": Behaviour(self._new_inference, work=self._answering),
        }

    def _new_segments(self, call: Call) -> dict[str, Any]:
        if call.params.get("numResults", 0) > MOST_USERS:
            raise invalid(f"numResults must be at most {MOST_USERS} users per segment")
        return _prepared(call, segments=True)

    def _new_inference(self, call: Call) -> dict[str, Any]:
        mode = call.params.get("batchInferenceJobMode", "BATCH_INFERENCE")
        if mode != "BATCH_INFERENCE":
            said = f"the local AWS does not do the batch inference mode {mode}"
            raise ServiceError("NotImplementedException", said, 501)
        if call.params.get("batchInferenceJobConfig", {}).get("itemExplorationConfig"):
            said = "the local AWS does not explore: leave out itemExplorationConfig"
            raise ServiceError("NotImplementedException", said, 501)
        return {"batchInferenceJobMode": mode, **_prepared(call, segments=False)}

    def _answering(self, call: Call, job: Record) -> Callable[[], None]:
        """Return the work of a job: one `.out` per input file, then the empty `_CHECK`."""
        model = trained(call.parents["solutionVersionArn"]).model
        return lambda: self._answer_files(job, model)

    def _answer_files(self, job: Record, model: Model) -> None:
        s3 = self._clients("s3")
        source = objects.location(job.attributes["jobInput"]["s3DataSource"]["path"], _BAD_INPUT)
        target = objects.location(
            job.attributes["jobOutput"]["s3DataDestination"]["path"], _BAD_OUTPUT
        )
        files = objects.files(s3, source)
        if len(files) > MOST_FILES or sum(each.size for each in files) > MOST_BYTES:
            raise FatalError(
                f"{source} holds {len(files)} files of {sum(each.size for each in files)} bytes; "
                f"at most {MOST_FILES} files and {MOST_BYTES} bytes are allowed"
            )
        with tempfile.TemporaryDirectory(prefix="personalize-batch-") as folder:
            local = Path(folder) / "answers.out"
            for found in files:
                lines = objects.lines(s3, found.path)
                with local.open("wb") as out:
                    for piece in answers.answered(
                        lines, model, job.attributes["numResults"], str(found.path)
                    ):
                        out.write(piece)
                with objects.reading(target):
                    s3.upload_file(str(local), target.bucket, f"{target.key}{found.name}.out")
        with objects.reading(target):
            s3.put_object(Bucket=target.bucket, Key=f"{target.key}_CHECK", Body=b"")


def _prepared(call: Call, *, segments: bool) -> dict[str, Any]:
    """Return a job's attributes; raises for paths and recipes that do not fit."""
    version = call.parents["solutionVersionArn"]
    if arn := call.params.get("filterArn"):
        raise ServiceError("ResourceNotFoundException", f"Resource Arn {arn} does not exist.")
    learner = recipes.learner(version.attributes["recipeArn"])
    if (learner.recipe_type == _SEGMENTS) is not segments:
        job = "batch inference" if segments else "batch segment"
        raise invalid(f"{learner.name} is of type {learner.recipe_type}: create a {job} job")
    source = call.params["jobInput"]["s3DataSource"]["path"]
    target = call.params["jobOutput"]["s3DataDestination"]["path"]
    try:
        objects.location(source, _BAD_INPUT)
        objects.location(target, _BAD_OUTPUT)
    except ConfigError as error:
        raise invalid(str(error)) from error
    if not target.endswith("/"):
        raise invalid(f"{_BAD_OUTPUT}: {target} is not a folder; it must end in /")
    if target == source:
        raise invalid(f"{_BAD_OUTPUT}: it is where the input lies, {source}")
    return {"numResults": DEFAULT_RESULTS, **call.params}


# Source: Personalize developer guide, "Troubleshooting" (Recommendations).
_BAD_INPUT: Final = "Invalid S3 input path"
_BAD_OUTPUT: Final = "Invalid S3 output path"
