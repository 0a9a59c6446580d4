"""The parameter file: what one dataset group should look like, checked before anything is called.

The format is that of the AWS solution "Maintaining Personalized Experiences with ML", and more.
"""

from __future__ import annotations

from personalization.config.checking import Checked, check, load
from personalization.config.job_input import check_job_input
from personalization.config.model import (
    BatchJob,
    DatasetEntry,
    Datasets,
    ParameterFile,
    Schedule,
    Solution,
)
from personalization.config.recipes import RECIPES, Recipe, by_arn
from personalization.config.schedules import DELETE, next_after, occurrences
from personalization.config.timetables import Timetable, timetable

__all__ = [
    "check",
    "load",
    "check_job_input",
    "Checked",
    "ParameterFile",
    "Datasets",
    "DatasetEntry",
    "Solution",
    "BatchJob",
    "Schedule",
    "DELETE",
    "next_after",
    "occurrences",
    "Timetable",
    "timetable",
    "RECIPES",
    "Recipe",
    "by_arn",
]
