"""The kinds of resource, as Personalize's API names them.

The API is regular: a kind called `batchSegmentJob` is created by CreateBatchSegmentJob, answers
with `batchSegmentJobArn`, is described by DescribeBatchSegmentJob as `batchSegmentJob`, and so on.
Source: botocore, personalize 2018-05-22.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from botocore import xform_name

from personalization.shapes import service_model


@dataclass(frozen=True)
class Kind:
    """One kind of resource.

    arn_path  what stands before the name in its ARN; empty where the service chooses the name
    parent    the parameter of List… that narrows the list to one parent
    listed    nobody can know which one is meant from the parameter file alone: it is found among
              its parent's children
    """

    name: str
    arn_path: str
    parent: str = ""
    listed: bool = False

    @property
    def title(self) -> str:
        """Its name for people and for EventBridge: `Batch Segment Job`."""
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", self.name)
        return words[0].upper() + words[1:]

    @property
    def arn_member(self) -> str:
        """The member that holds its ARN in requests and answers."""
        return f"{self.name}Arn"

    def method(self, verb: str) -> str:
        """Return boto3's method: `method("create")` is `create_batch_segment_job`."""
        return f"{verb}_{xform_name(self.name)}"

    @property
    def paginator(self) -> str:
        """boto3's paginator that lists it."""
        return f"list_{xform_name(self.name)}s"

    @property
    def listed_under(self) -> str:
        """The member of the List… answer that holds the summaries (`Filters` is the odd one)."""
        operation = f"List{self.name[0].upper()}{self.name[1:]}s"
        members = service_model("personalize").operation_model(operation).output_shape.members
        return str(next(name for name, shape in members.items() if shape.type_name == "list"))


DATASET_GROUP: Final = Kind("datasetGroup", "dataset-group")
SCHEMA: Final = Kind("schema", "schema")
DATASET: Final = Kind("dataset", "dataset", "datasetGroupArn")
DATASET_IMPORT_JOB: Final = Kind("datasetImportJob", "dataset-import-job", "datasetArn", True)
SOLUTION: Final = Kind("solution", "solution", "datasetGroupArn")
SOLUTION_VERSION: Final = Kind("solutionVersion", "", "solutionArn", True)
BATCH_INFERENCE_JOB: Final = Kind(
    "batchInferenceJob", "batch-inference-job", "solutionVersionArn", True
)
BATCH_SEGMENT_JOB: Final = Kind("batchSegmentJob", "batch-segment-job", "solutionVersionArn", True)
EVENT_TRACKER: Final = Kind("eventTracker", "", "datasetGroupArn", True)
FILTER: Final = Kind("filter", "filter", "datasetGroupArn")
CAMPAIGN: Final = Kind("campaign", "campaign", "solutionArn")
RECOMMENDER: Final = Kind("recommender", "recommender", "datasetGroupArn")

# Made anew for each piece of work, and charged for each time.
PAID: Final = frozenset(
    {DATASET_IMPORT_JOB, SOLUTION_VERSION, BATCH_INFERENCE_JOB, BATCH_SEGMENT_JOB}
)

# Declared in the parameter file, shown in the plan, not brought into being yet.
NOT_MANAGED: Final = frozenset({EVENT_TRACKER, FILTER, CAMPAIGN, RECOMMENDER})

# Statuses on the way, and those that end badly.
# Source: botocore, personalize 2018-05-22, documentation of `status` in each Describe… shape.
ON_THE_WAY: Final = frozenset({"CREATE PENDING", "CREATE IN_PROGRESS"})
GOING: Final = frozenset({"DELETE PENDING", "DELETE IN_PROGRESS", "CREATE STOPPING"})
BROKEN: Final = frozenset({"CREATE FAILED", "CREATE STOPPED"})
