"""What must fit together in a solution: recipe, schedules, campaigns and batch jobs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from personalization import schemas
from personalization.config.document import step
from personalization.config.recipes import SEGMENTING, UPDATABLE, Recipe, by_arn
from personalization.config.schedules import DELETE
from personalization.config.sections import (
    BATCH_INFERENCE,
    BATCH_SEGMENT,
    CAMPAIGN,
    IMPORT,
    SCHEMA,
    SOLUTION,
    SOLUTION_VERSION,
    Section,
    as_object,
)
from personalization.errors import ConfigError, Finding
from personalization.shapes import brief

# A batch job is named `batch_{solution}_{YYYY_mm_dd_HH_MM_SS}`, in at most 63 characters.
LONGEST_NAME_WITH_JOBS: Final = 63 - len("batch__2026_01_01_00_00_00")
# Source: botocore, personalize 2018-05-22, documentation of CreateBatchSegmentJob's `numResults`.
MAX_USERS: Final = 5_000_000
# Source: the same, documentation of AutoTrainingConfig's `schedulingExpression`.
MOST_DAYS: Final = 30
_RATE: Final = re.compile(r"rate\(([0-9]+) days?\)")


def solutions(sections: tuple[Section, ...]) -> Iterator[Finding]:
    """Yield what does not fit, solution by solution."""
    columns = _item_columns(sections)
    imports = next((section for section in sections if section.kind is IMPORT), None)
    children: dict[str, list[Section]] = {}
    for section in sections:
        if section.parent:
            children.setdefault(section.parent.path, []).append(section)
    for solution in (section for section in sections if section.kind is SOLUTION):
        parts = children.get(solution.path, [])
        jobs = [part for part in parts if part.kind in (BATCH_INFERENCE, BATCH_SEGMENT)]
        yield from _name(solution, jobs)
        yield from _jobs(jobs)
        yield from _automatic(solution)
        recipe = None
        try:
            recipe = _recipe(solution)
        except ConfigError as error:
            yield Finding(step(solution.config_path, "recipeArn"), str(error))
        if recipe:
            yield from _updates(solution, parts, recipe)
            yield from _uses(parts, recipe)
            yield from _data(solution, recipe, columns)
            yield from _import(solution, recipe, imports)


def _recipe(solution: Section) -> Recipe | None:
    """Return the recipe, or None where another finding already says that there is none."""
    if not solution.has_config:
        return None
    if solution.config.get("performAutoML") is True:
        return None  # see _automatic
    if "recipeArn" not in solution.config:
        raise ConfigError("is missing; name the recipe: arn:aws:personalize:::recipe/NAME")
    if not (arn := solution.text("recipeArn")):
        return None
    recipe = by_arn(arn)
    if recipe.domain:
        raise ConfigError(f"is {recipe.name}, which is a recommender's; move it to recommenders")
    return recipe


def _name(solution: Section, jobs: list[Section]) -> Iterator[Finding]:
    name = solution.text("name")
    if jobs and len(name) > LONGEST_NAME_WITH_JOBS:
        problem = f"is {brief(name)}, {len(name)} characters"
        allowed = f"at most {LONGEST_NAME_WITH_JOBS}, for its batch jobs are named after it"
        yield Finding(step(solution.config_path, "name"), problem, allowed)


def _automatic(solution: Section) -> Iterator[Finding]:
    """Yield trainings that Personalize starts by itself and that may not be meant."""
    config, path = solution.config, solution.config_path
    if config.get("performAutoML") is True:
        allowed = "Personalize no longer chooses recipes; take it out and name one in recipeArn"
        yield Finding(step(path, "performAutoML"), "is true", allowed)
    automatic = config.get("performAutoTraining") is True
    solution_config = as_object(config.get("solutionConfig"))
    rate = as_object(solution_config.get("autoTrainingConfig")).get("schedulingExpression")
    days = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    if days and not 1 <= int(days[1]) <= MOST_DAYS:
        where = step(path, "solutionConfig.autoTrainingConfig.schedulingExpression")
        yield Finding(where, f"is {rate}", f"rate(1 day) to rate({MOST_DAYS} days) is allowed")
    if "autoTrainingConfig" in solution_config and not automatic:
        problem = "is given, but performAutoTraining is not true"
        allowed = "set it to true; it is false here unless you say so, because trainings cost money"
        where = step(path, "solutionConfig.autoTrainingConfig")
        yield Finding(where, problem, allowed, "warning")
    if automatic and _is_scheduled(solution, "full"):
        allowed = "workflowConfig.schedules.full trains it too; keep one, or pay for both"
        yield Finding(step(path, "performAutoTraining"), "is true", allowed, "warning")


def _updates(solution: Section, parts: list[Section], recipe: Recipe) -> Iterator[Finding]:
    hint = ""
    if recipe.name == "aws-user-personalization-v2":
        hint = " (v2 follows new items by itself and takes no trainingMode UPDATE)"
    allowed = f"only {' and '.join(UPDATABLE)} can be updated; use FULL{hint}"
    if not recipe.updatable and _is_scheduled(solution, "update"):
        path = f"{solution.path}.workflowConfig.schedules.update"
        yield Finding(path, f"is there, but {recipe.name} cannot be updated", allowed)
    for version in (part for part in parts if part.kind is SOLUTION_VERSION):
        if version.config.get("trainingMode") == "UPDATE" and not recipe.updatable:
            path = step(version.config_path, "trainingMode")
            yield Finding(path, f"is UPDATE, but {recipe.name} cannot be updated", allowed)
    incremental = solution.config.get("performIncrementalUpdate") is True
    if incremental and recipe.name != "aws-semantic-similarity":
        path = step(solution.config_path, "performIncrementalUpdate")
        yield Finding(path, f"is true for {recipe.name}", "only aws-semantic-similarity takes it")


def _is_scheduled(solution: Section, mode: str) -> bool:
    schedule = solution.schedules.get(f"workflowConfig.schedules.{mode}")
    return isinstance(schedule, str) and schedule != DELETE


def _uses(parts: list[Section], recipe: Recipe) -> Iterator[Finding]:
    """Yield campaigns and batch jobs that the recipe has no use for."""
    for part in parts:
        problem = f"belongs to a solution of {recipe.name}"
        if part.kind is CAMPAIGN and recipe.batch == "segment":
            allowed = "that recipe makes segments only; take it out, or use batchSegmentJobs"
            yield Finding(part.path, problem, allowed)
        elif part.kind is BATCH_SEGMENT and recipe.batch != "segment":
            yield Finding(part.path, problem, f"only {' and '.join(SEGMENTING)} make segments")
        elif part.kind is BATCH_INFERENCE and recipe.batch == "segment":
            yield Finding(
                part.path, problem, "that recipe makes segments only; use batchSegmentJobs"
            )
        elif part.kind is BATCH_INFERENCE and recipe.batch == "none":
            yield Finding(part.path, problem, "that recipe has no batch jobs; use a campaign")
        themes = part.config.get("batchInferenceJobMode") == "THEME_GENERATION"
        if themes and recipe.name != "aws-similar-items":
            path = step(part.config_path, "batchInferenceJobMode")
            problem = f"is THEME_GENERATION, but the recipe is {recipe.name}"
            yield Finding(path, problem, "only aws-similar-items has themes")


def _jobs(jobs: list[Section]) -> Iterator[Finding]:
    for job in jobs:
        path, wanted = step(job.config_path, "numResults"), job.config.get("numResults")
        if isinstance(wanted, int) and not isinstance(wanted, bool):
            if wanted < 1:
                yield Finding(path, f"is {wanted}", "must be at least 1")
            elif job.kind is BATCH_SEGMENT and wanted > MAX_USERS:
                yield Finding(path, f"is {wanted}", f"a segment has at most {MAX_USERS} users")
        themes = job.config.get("batchInferenceJobMode") == "THEME_GENERATION"
        if themes and "themeGenerationConfig" not in job.config:
            problem = "is THEME_GENERATION without themeGenerationConfig"
            allowed = "name the column of item names in themeGenerationConfig"
            yield Finding(step(job.config_path, "batchInferenceJobMode"), problem, allowed)
    for kind in (BATCH_INFERENCE, BATCH_SEGMENT):
        same = [job for job in jobs if job.kind is kind]
        for job in same[1:]:
            allowed = "their filters and settings differ at most; different inputs need solutions"
            problem = f"reads the same job_config.json as {same[0].path}"
            yield Finding(job.path, problem, allowed, "warning")


def _data(
    solution: Section, recipe: Recipe, columns: tuple[schemas.Field, ...] | None
) -> Iterator[Finding]:
    """Yield what the recipe needs of the items' schema; `columns` is None if that is unknown."""
    path = step(solution.config_path, "recipeArn")
    if recipe.name == "aws-next-best-action":
        allowed = "a parameter file declares none; make it yourself before this is trained"
        yield Finding(path, f"{recipe.name} needs an Actions dataset", allowed, "warning")
    if columns is None:
        return
    own = [field for field in columns if field.name not in _RESERVED and not field.textual]
    if recipe.name == "aws-item-attribute-affinity" and not own:
        allowed = "declare datasets.items with a column that is neither reserved nor textual"
        yield Finding(path, f"{recipe.name} has no attribute to make segments of", allowed)
    named = any(field.item_name for field in columns)
    described = any(field.textual for field in columns)
    if recipe.name == "aws-semantic-similarity" and not (named and described):
        allowed = "declare datasets.items with an itemName column and a textual one"
        yield Finding(path, f"{recipe.name} has no text to compare items by", allowed)


def _import(solution: Section, recipe: Recipe, imports: Section | None) -> Iterator[Finding]:
    """Yield an import mode whose data the recipe does not see.

    Source: Personalize developer guide, "Getting batch user segments with custom resources".
    """
    incremental = imports and imports.config.get("importMode") == "INCREMENTAL"
    if imports and incremental and recipe.batch == "segment":
        path = step(imports.config_path, "importMode")
        problem = f"is INCREMENTAL, but {solution.path} makes segments"
        yield Finding(path, problem, "they are made of data imported FULL only", "warning")


_RESERVED: Final = frozenset(schemas.rules("items"))


def _item_columns(sections: tuple[Section, ...]) -> tuple[schemas.Field, ...] | None:
    """Return the items' columns: none if there is no such dataset, None if that cannot be known."""
    known = [section for section in sections if section.kind is SCHEMA]
    if not known:
        return None  # no datasets are declared: they are there already
    for section in known:
        if section.dataset == "items":
            try:
                return schemas.parse(as_object(section.config.get("schema"))).fields
            except ConfigError:  # reported with the schema
                return None
    return ()
