"""The resources of Personalize, as data: names, ARNs, quotas.

What a Describe or a List shows of a resource is not here: botocore's output shapes say that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Quota:
    """At most `limit` resources of a kind: in these states (any, if none are named), per `within`.

    within  the parameter that names what the limit counts in, such as `datasetGroupArn`; the
            account and region where it is None
    """

    limit: int
    within: str | None = None
    pending: bool = False


@dataclass(frozen=True)
class Kind:
    """One sort of resource.

    name     as in operation names: `CreateDatasetGroup`
    path     as in ARNs: `dataset-group/…`
    parents  the parameters that name resources which must be there and ACTIVE
    quota    beyond it, Create answers LimitExceededException
    """

    name: str
    path: str
    parents: tuple[str, ...] = ()
    quota: Quota | None = None
    has_status: bool = True

    @property
    def member(self) -> str:
        """The key of a Describe's answer: `datasetGroup`."""
        return self.name[0].lower() + self.name[1:]

    @property
    def arn_member(self) -> str:
        """The parameter that names one: `datasetGroupArn`."""
        return f"{self.member}Arn"

    @property
    def name_member(self) -> str:
        """What its name is called: jobs have a `jobName`."""
        return "jobName" if self.name.endswith("Job") else "name"


_GROUP: Final = "datasetGroupArn"
_VERSION: Final = "solutionVersionArn"

# Sources: botocore, personalize 2018-05-22 (operations); IAM service authorization reference,
# "Amazon Personalize" (ARNs); Personalize developer guide, "Service quotas" (2026).
KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("DatasetGroup", "dataset-group", quota=Quota(5)),
        Kind("Schema", "schema", quota=Quota(500), has_status=False),
        Kind("Dataset", "dataset", (_GROUP, "schemaArn")),
        Kind("DatasetImportJob", "dataset-import-job", ("datasetArn",), Quota(5, pending=True)),
        Kind("DatasetExportJob", "dataset-export-job", ("datasetArn",)),
        Kind("DataDeletionJob", "data-deletion-job", (_GROUP,)),
        Kind("EventTracker", "event-tracker", (_GROUP,)),
        Kind("Filter", "filter", (_GROUP,)),
        Kind("MetricAttribution", "metric-attribution", (_GROUP,)),
        Kind("Recommender", "recommender", (_GROUP,)),
        Kind("Solution", "solution", (_GROUP,), Quota(10, within=_GROUP)),
        Kind("SolutionVersion", "solution", ("solutionArn",), Quota(20, pending=True)),
        Kind("Campaign", "campaign", (_VERSION,)),
        Kind("BatchInferenceJob", "batch-inference-job", (_VERSION,), Quota(5, pending=True)),
        Kind("BatchSegmentJob", "batch-segment-job", (_VERSION,), Quota(5, pending=True)),
    )
}
