"""Which flow an upload calls for.

prefect.yaml says the same as triggers, for uploads that are told by an event; this is for those
that are found.  A test holds the two together, for any key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from personalization.parameters import Upload
from personalization.s3_events import REPORT

Flow = Literal["train", "dispatch", "connector-sync", "import-audience"]
FLOWS: Final[tuple[Flow, ...]] = get_args(Flow)

# Where uploads lie that call for a flow.
PREFIXES: Final = ("train/", "batch/", "etl_jobs/", "import/")


@dataclass(frozen=True)
class Route:
    """A flow, which is also the name of its deployment."""

    flow: Flow

    @property
    def deployment(self) -> str:
        """Its deployment, as Prefect names it."""
        return f"{self.flow}/{self.flow}"

    def parameters(self, upload: Upload) -> dict[str, Any]:
        """Return what its run gets for the upload, as JSON."""
        uri = str(upload.path)
        given: dict[str, str] = {"job": uri} if self.flow == "connector-sync" else {"file": uri}
        if self.flow == "import-audience":
            given["destination"] = upload.key.split("/")[1]
        return {"parameters": {**given, "upload": upload.model_dump()}}


def route(key: str) -> Route | None:
    """Return which flow an object of that key calls for, None if it calls for none.

    train/**.json                        train, except for *.errors.json
    batch/**/job_config.json             dispatch: a batch job of the solution
    batch/**.out                         dispatch: what is made of a batch job's output
    etl_jobs/**/config.json              connector-sync
    import/<destination>/**.csv          import-audience
    """
    folder, _, name = key.rpartition("/")
    if key.startswith("train/") and key.endswith(".json") and not key.endswith(REPORT):
        return Route("train")
    if key.startswith("batch/") and (name == "job_config.json" or name.endswith(".out")):
        return Route("dispatch")
    if key.startswith("etl_jobs/") and name == "config.json":
        return Route("connector-sync")
    if folder.startswith("import/") and name.endswith(".csv"):
        return Route("import-audience")
    return None
