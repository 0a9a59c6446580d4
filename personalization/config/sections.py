"""The resources that a parameter file declares, wherever they stand in it.

Works on the JSON value as it was read, so that one part can be judged while another is malformed:
what is not of the right type is passed over here, and reported by the models.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from personalization.config.document import step

DATASETS: Final = ("interactions", "items", "users")
SERVICE_CONFIG: Final = "serviceConfig"
SOLUTION_VERSION_KEY: Final = "solutionVersion"


@dataclass(frozen=True)
class Kind:
    """A kind of resource.

    operation  that makes it, and whose parameters its serviceConfig holds
    supplied   parameters that the workflow fills in; the AWS solution overwrote them silently
    defaults   parameters that are always sent
    optional   may be left out of the section around it, and is there all the same
    """

    title: str
    operation: str
    supplied: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    taggable: bool = True
    optional: bool = False


_BATCH: Final = ("jobName", "solutionVersionArn", "jobInput", "jobOutput", "roleArn")

DATASET_GROUP: Final = Kind("dataset group", "CreateDatasetGroup")
IMPORT: Final = Kind(
    "dataset import",
    "CreateDatasetImportJob",
    ("jobName", "datasetArn", "dataSource", "roleArn"),
    {"importMode": "FULL", "publishAttributionMetricsToS3": False},
    optional=True,
)
DATASET: Final = Kind("dataset", "CreateDataset", ("datasetGroupArn", "schemaArn", "datasetType"))
SCHEMA: Final = Kind("schema", "CreateSchema", taggable=False)
EVENT_TRACKER: Final = Kind("event tracker", "CreateEventTracker", ("datasetGroupArn",))
FILTER: Final = Kind("filter", "CreateFilter", ("datasetGroupArn",))
RECOMMENDER: Final = Kind("recommender", "CreateRecommender", ("datasetGroupArn",))
SOLUTION: Final = Kind(
    "solution",
    "CreateSolution",
    ("datasetGroupArn",),
    # The service's own default is true: a training every seven days, and a bill for each.
    {"performAutoTraining": False},
)
# A version's name must be its own, and every training makes a version: a fixed one fails the
# second time.
SOLUTION_VERSION: Final = Kind(
    "solution version",
    "CreateSolutionVersion",
    ("solutionArn", "name"),
    {"trainingMode": "FULL"},
    optional=True,
)
CAMPAIGN: Final = Kind("campaign", "CreateCampaign", ("solutionVersionArn",))
BATCH_INFERENCE: Final = Kind(
    "batch inference job", "CreateBatchInferenceJob", _BATCH, optional=True
)
BATCH_SEGMENT: Final = Kind("batch segment job", "CreateBatchSegmentJob", _BATCH, optional=True)

_IN_ROOT: Final = {"filters": FILTER, "recommenders": RECOMMENDER, "solutions": SOLUTION}
_IN_SOLUTION: Final = {
    "campaigns": CAMPAIGN,
    "batchInferenceJobs": BATCH_INFERENCE,
    "batchSegmentJobs": BATCH_SEGMENT,
}


@dataclass(frozen=True)
class Section:
    """One resource in the file.

    path    of the section, such as `solutions[0].campaigns[1]`
    raw     the object there; its parameters are the member `key`
    parent  the solution of a campaign, a batch job or a solution version
    dataset which of DATASETS a dataset or a schema belongs to
    """

    kind: Kind
    path: str
    raw: dict[str, Any]
    key: str = SERVICE_CONFIG
    parent: Section | None = None
    dataset: str = ""

    @property
    def config_path(self) -> str:
        """The path of its parameters."""
        return step(self.path, self.key)

    @property
    def config(self) -> dict[str, Any]:
        """Its parameters; empty if there are none, or if they are no object."""
        return as_object(self.raw.get(self.key))

    @property
    def has_config(self) -> bool:
        """Whether its parameters are there and can be judged."""
        return isinstance(self.raw.get(self.key), dict)

    @property
    def workflow(self) -> dict[str, Any]:
        """Its workflowConfig; empty if there is none, or if it is no object."""
        return as_object(self.raw.get("workflowConfig"))

    @property
    def schedules(self) -> dict[str, Any]:
        """Path inside the section → schedule, as written, of all that it has."""
        if self.kind in (BATCH_INFERENCE, BATCH_SEGMENT):
            there = {k: v for k, v in self.workflow.items() if k == "schedule"}
            return {f"workflowConfig.{key}": value for key, value in there.items()}
        if self.kind in (DATASET_GROUP, SOLUTION):
            there = as_object(self.workflow.get("schedules"))
            return {f"workflowConfig.schedules.{key}": value for key, value in there.items()}
        return {}

    def text(self, parameter: str) -> str:
        """Return a parameter that is text, or "" where it is missing or something else."""
        value = self.config.get(parameter)
        return value if isinstance(value, str) else ""


def walk(document: Any) -> Iterator[Section]:
    """Yield every resource, parents before children.  Sections that say nothing are passed over."""
    root = as_object(document)
    if isinstance(root.get("datasetGroup"), dict):
        yield Section(DATASET_GROUP, "datasetGroup", root["datasetGroup"])
    datasets = as_object(root.get("datasets"))
    if not blank(datasets):
        yield Section(IMPORT, "datasets", datasets)
    for name in DATASETS:
        entry = as_object(datasets.get(name))
        for key, kind in (("dataset", DATASET), ("schema", SCHEMA)):
            if not blank(entry) and isinstance(entry.get(key), dict):
                yield Section(kind, f"datasets.{name}.{key}", entry[key], dataset=name)
    if isinstance(root.get("eventTracker"), dict) and not blank(root["eventTracker"]):
        yield Section(EVENT_TRACKER, "eventTracker", root["eventTracker"])
    for key, kind in _IN_ROOT.items():
        for section in _listed(root, key, kind, "", None):
            yield section
            if kind is SOLUTION:
                yield from _of_solution(section)


def blank(value: Any) -> bool:
    """Whether a value says nothing: an empty container, or one of nothing but such."""
    if isinstance(value, dict):
        return all(blank(member) for member in value.values())
    return isinstance(value, list) and all(blank(member) for member in value)


def as_object(value: Any) -> dict[str, Any]:
    """Return the value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def _of_solution(solution: Section) -> Iterator[Section]:
    yield Section(
        SOLUTION_VERSION,
        solution.config_path,
        solution.config,
        key=SOLUTION_VERSION_KEY,
        parent=solution,
    )
    for key, kind in _IN_SOLUTION.items():
        yield from _listed(solution.raw, key, kind, solution.path, solution)


def _listed(
    around: dict[str, Any], key: str, kind: Kind, path: str, parent: Section | None
) -> Iterator[Section]:
    entries = around.get(key)
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            yield Section(kind, step(step(path, key), index), entry, parent=parent)
