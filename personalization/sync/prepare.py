"""What a job has to tell one destination: its outbox, made from the inputs and the state."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from personalization.connectors.base import Rendering, TakesAttributes
from personalization.errors import ConfigError, FatalError
from personalization.sync.inputs import Inputs
from personalization.sync.job import ConnectorSettings, Job
from personalization.sync.layout import JobPath
from personalization.transforms.audience_names import logical_name
from personalization.transforms.batch_output import RejectedLine, read_lines
from personalization.transforms.fault_keeper import FaultKeeper
from personalization.transforms.item_metadata import Items, no_items, read_items
from personalization.transforms.recommendation_delta import DeltaOptions
from personalization.transforms.recommendation_lines import Fault
from personalization.transforms.recommendation_rendering import (
    AttributeRenderer,
    MembershipRenderer,
)
from personalization.transforms.recommendation_sources import (
    AudienceMembers,
    RecommendedToUsers,
    UserSource,
)
from personalization.transforms.recommendation_state import held_counts
from personalization.transforms.recommendations import (
    RecommendationReport,
    refuse_to_clear,
    write_outbox,
)
from personalization.transforms.related_recommendations import open_related

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """Users whose XXH3-64 modulo `count` is `number`."""

    number: int = 0
    count: int = 1

    @property
    def name(self) -> str:
        """Name of the shard's folder."""
        return f"shard-{self.number:03d}-of-{self.count:03d}"


@dataclass(frozen=True)
class PreparedAudiences:
    """Complete outboxes, one an audience.

    reports  by name, which is the same at every run of the same query
    faulty   lines that gave no audience: "errors", on which Personalize reports one, and "broken"
    """

    reports: Mapping[str, RecommendationReport]
    faulty: Mapping[str, int]


def rendering_of(connector: TakesAttributes, settings: ConnectorSettings) -> Rendering:
    """Return how the destination and the job together want a line."""
    rendering = connector.rendering(
        prefix=settings.attribute_prefix, constants=settings.other_attributes
    )
    return replace(rendering, style=settings.style, list_name=settings.list_name)


def prepare_recommendations(
    path: JobPath,
    job: Job,
    connector: str,
    rendering: Rendering,
    inputs: Inputs,
    *,
    state: Path,
    target: Path,
    faults: Path | None = None,
    shard: Shard | None = None,
    clear_anyway: bool = False,
) -> RecommendationReport:
    """Write to `target` the lines for those users of the shard whose recommendations changed.

    state   folder of what the destination holds, all shards of it; it is only read
    faults  where lines that gave nothing go, if the job saves them; the first shard writes them

    Safe to repeat; what it needs room for meanwhile is beside `target`.  Raises ConfigError for
    inputs that cannot be used, FatalError if more users
    would be cleared than the connector's maxClearedFraction, unless `clear_anyway`.
    """
    settings = job.connectors[connector]
    shard = shard or Shard()
    items = no_items()
    if inputs.metadata:
        items = read_items(
            inputs.metadata, id_column=job.item_id_column, fields=settings.item_metadata_fields
        )
    elif settings.item_metadata_fields:
        raise ConfigError(
            f"connectors.{connector}.itemMetadataFields names fields, and {path.metadata} holds "
            "no .json; put the items' metadata there, or take the fields out"
        )
    if rendering.sets and rendering.style == "parallel" and shard.number == 0:
        _warn_of_repeats(connector, items)
    saved = faults if job.save_batch_inference_errors and shard.number == 0 else None
    with _source(path, job, settings, inputs, target.parent) as source:
        return write_outbox(
            source,
            AttributeRenderer(rendering, items, _given(settings)),
            items,
            state,
            target,
            options=_options(job, connector, shard, clear_anyway=clear_anyway),
            faults=saved,
        )


def refuse_what_cannot_be_meant(
    counts: Mapping[str, int], settings: ConnectorSettings, *, clear_anyway: bool
) -> None:
    """Raise ConfigError or FatalError if an outbox, its shards put together, is not to be sent.

    That is one of an output that recommends nothing to anybody, and one that clears more users than
    the connector's maxClearedFraction, unless `clear_anyway`.
    """
    faulty = counts["errors"] + counts["broken"]
    if faulty and not counts["users"]:
        raise ConfigError(
            f"no line of the output gives recommendations: {counts['errors']} carry an error of "
            f"Personalize's, {counts['broken']} are no answer to this type of job; look whether "
            "batchInferencePath names the output that is meant"
        )
    options = DeltaOptions(most_cleared=settings.max_cleared_fraction, clear_anyway=clear_anyway)
    refuse_to_clear(counts["cleared"], counts["held"], options)


def prepare_audiences(
    job: Job,
    connector: str,
    destination: TakesAttributes,
    inputs: Inputs,
    *,
    states: Path,
    target: Path,
    faults: Path | None = None,
    clear_anyway: bool = False,
) -> PreparedAudiences:
    """Write, segment by segment, an outbox for who joined and who left: `target/<audience>`.

    states  folder of a state an audience: `states/<audience>`

    An audience that is held, and no longer in the output, loses all its members: unless some line
    gave nothing, for that could be its own.  A user may be in the outbox of several audiences:
    deliver one after another.  Raises ConfigError if two lines are of one audience, or no line is
    of any, and FatalError if more members would be lost, of all audiences together, than the
    connector's maxClearedFraction, unless `clear_anyway`; those who are replaced by others are not
    lost, for the best users of a query come and go.
    """
    rendering = rendering_of(destination, job.connectors[connector])
    given = _given(job.connectors[connector])
    # One audience is too few to tell by what can be meant: all are looked at in the end.
    options = _options(job, connector, Shard(), clear_anyway=True)
    made: dict[str, RecommendationReport] = {}

    def outbox(name: str, users: pl.Series) -> RecommendationReport:
        return write_outbox(
            AudienceMembers(users.unique(maintain_order=True)),
            MembershipRenderer(rendering, destination.membership(name), given),
            no_items(),
            states / name,
            target / name,
            options=options,
        )

    with FaultKeeper(faults if job.save_batch_inference_errors else None) as keeper:

        def reject(line: RejectedLine, text: bytes) -> None:
            said = line.reason.startswith("Personalize says")
            keeper.add([Fault(line.reason, said, bytes(text) if keeper.file else b"")])

        for output in inputs.outputs:
            for line in read_lines(output, reject):
                name = logical_name(line.query)
                if name in made:
                    raise ConfigError(
                        f"{output} has two lines for the audience {name}, the second for "
                        f"{line.query}; ask for it once in job_config.json, then run the batch "
                        "job again"
                    )
                made[name] = outbox(name, line.users)
        if not made:
            raise ConfigError(_no_audience(inputs, keeper))
        faulty = {"errors": keeper.errors, "broken": keeper.broken}
    if options.clear_removed:
        nobody = pl.Series([], dtype=pl.String)
        for name in _vanished(held_counts(states), set(made), sum(faulty.values())):
            made[name] = outbox(name, nobody)
        if not clear_anyway:
            _refuse_to_lose(made, options.most_cleared)
    return PreparedAudiences(made, faulty)


def _no_audience(inputs: Inputs, keeper: FaultKeeper) -> str:
    where, lines = inputs.run.folder, keeper.errors + keeper.broken
    if not lines:
        return f"{where} has no line at all; look whether the batch job asked for anything"
    return (
        f"none of the {lines} line(s) of {where} gives an audience (the first: "
        f"{keeper.first[0].reason}); user_segmentation takes the output of a batch segment job"
    )


def _vanished(held: dict[str, int], there: set[str], faulty: int) -> list[str]:
    """Return the audiences whose members are to be cleared: held, and in no line of the output."""
    gone = sorted(name for name, users in held.items() if users and name not in there)
    if gone and faulty:
        log.warning(
            "%d line(s) of the output gave no audience, so %s stay as they are: one of those lines "
            "could be theirs",
            faulty,
            ", ".join(gone),
        )
        return []
    return gone


def _refuse_to_lose(made: Mapping[str, RecommendationReport], most: float) -> None:
    held = sum(it.counts["held"] for it in made.values())
    lost = held - sum(it.counts["users"] for it in made.values())
    if lost > most * held:
        smaller = [name for name, it in made.items() if it.counts["users"] < it.counts["held"]]
        raise FatalError(
            f"the audiences would have {lost} of {held} members less, in {', '.join(smaller)}: "
            f"more than the fraction {most:g} that may be cleared at once, so nothing is sent; "
            "look whether the output is complete, put back queries that are missing, raise "
            "maxClearedFraction, or say that it is meant (clear_anyway)"
        )


def _options(job: Job, connector: str, shard: Shard, *, clear_anyway: bool) -> DeltaOptions:
    settings = job.connectors[connector]
    return DeltaOptions(
        delta=job.sends_changes_only(connector),
        clear_removed=settings.clear_removed,
        most_cleared=settings.max_cleared_fraction,
        clear_anyway=clear_anyway,
        shard=shard.number,
        shards=shard.count,
    )


def _warn_of_repeats(connector: str, items: Items) -> None:
    repeated = [name for name, texts in items.texts.items() if texts.n_unique() < len(texts)]
    if repeated:
        log.warning(
            "connectors.%s: several items have the same %s, and the destination keeps an element "
            'of an array once: parallel arrays may not line up; say "style": "objects"',
            connector,
            ", ".join(repeated),
        )


def _given(settings: ConnectorSettings) -> frozenset[str]:
    """Return the names of the attributes that everybody is given.

    A name that begins with _ is no attribute but a word to the destination about the whole line, as
    Braze's `_update_existing_only`: whoever leaves is spoken of with the same words.
    """
    return frozenset(name for name in settings.other_attributes if not name.startswith("_"))


@contextmanager
def _source(
    path: JobPath, job: Job, settings: ConnectorSettings, inputs: Inputs, scratch: Path
) -> Iterator[UserSource[Any]]:
    outputs = list(inputs.outputs)
    if path.type != "related_items":
        yield RecommendedToUsers(outputs, settings.max_items)
        return
    related = open_related(
        outputs,
        inputs.mapping,
        scratch=scratch,
        merge=job.merge_policy,
        cap=settings.max_items,
    )
    try:
        yield related
    finally:
        related.close()
