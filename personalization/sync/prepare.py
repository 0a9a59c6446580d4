"""What a job has to tell one destination: its outbox, made from the inputs and the state."""

from __future__ import annotations

import logging
from collections.abc import Iterator
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
from personalization.transforms.item_metadata import no_items, read_items
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
    DeltaOptions,
    RecommendationReport,
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
class PreparedAudience:
    """An audience's outbox.  name: the same at every run of the same query."""

    name: str
    report: RecommendationReport


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

    Safe to repeat.  Raises ConfigError for inputs that cannot be used, FatalError if more users
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
    saved = faults if job.save_batch_inference_errors and shard.number == 0 else None
    with _source(path, job, settings, inputs) as source:
        return write_outbox(
            source,
            AttributeRenderer(rendering, items),
            items,
            state,
            target,
            options=_options(job, connector, shard, clear_anyway=clear_anyway),
            faults=saved,
        )


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
) -> Iterator[PreparedAudience]:
    """Yield, segment by segment, an outbox for who joined and who left: `target/<audience>`.

    states  folder of a state an audience: `states/<audience>`

    An audience that is held, and no longer in the output, loses all its members: unless some line
    gave nothing, for that could be its own.  A user may be in the outbox of several audiences:
    deliver one after another.  Raises as `prepare_recommendations` does.
    """
    rendering = rendering_of(destination, job.connectors[connector])
    options = _options(job, connector, Shard(), clear_anyway=clear_anyway)
    broken: list[Fault] = []
    there: set[str] = set()

    def reject(line: RejectedLine, text: bytes) -> None:
        broken.append(Fault(line.reason, line.reason.startswith("Personalize says"), bytes(text)))

    def outbox(name: str, users: pl.Series, options: DeltaOptions) -> PreparedAudience:
        report = write_outbox(
            AudienceMembers(users.unique(maintain_order=True)),
            MembershipRenderer(rendering, destination.membership(name)),
            no_items(),
            states / name,
            target / name,
            options=options,
        )
        return PreparedAudience(name, report)

    for output in inputs.outputs:
        for line in read_lines(output, reject):
            name = logical_name(line.query)
            there.add(name)
            yield outbox(name, line.users, options)
    if options.clear_removed:
        for name in _vanished(held_counts(states), there, len(broken), options):
            yield outbox(name, pl.Series([], dtype=pl.String), replace(options, clear_anyway=True))
    if faults and broken and job.save_batch_inference_errors:
        faults.parent.mkdir(parents=True, exist_ok=True)
        faults.write_bytes(b"".join(fault.text + b"\n" for fault in broken))


def _vanished(
    held: dict[str, int], there: set[str], broken: int, options: DeltaOptions
) -> list[str]:
    """Return the audiences whose members are to be cleared: held, and in no line of the output.

    Raises FatalError if they are more than can be meant: too large a part of all who are held.
    """
    gone = sorted(name for name, users in held.items() if users and name not in there)
    if gone and broken:
        log.warning(
            "%d line(s) of the output gave no audience, so %s stay as they are: one of those lines "
            "could be theirs",
            broken,
            ", ".join(gone),
        )
        return []
    members = sum(held[name] for name in gone)
    if members > options.most_cleared * sum(held.values()) and not options.clear_anyway:
        raise FatalError(
            f"the output no longer has {', '.join(gone)}, which hold {members} of "
            f"{sum(held.values())} members: more than the fraction {options.most_cleared:g} that "
            "may be cleared at once, so nothing was written; put the queries back, or raise "
            "maxClearedFraction, or say that it is meant (clear_anyway)"
        )
    return gone


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


@contextmanager
def _source(
    path: JobPath, job: Job, settings: ConnectorSettings, inputs: Inputs
) -> Iterator[UserSource[Any]]:
    outputs = list(inputs.outputs)
    if path.type != "related_items":
        yield RecommendedToUsers(outputs, settings.max_items)
        return
    related = open_related(outputs, inputs.mapping, merge=job.merge_policy, cap=settings.max_items)
    try:
        yield related
    finally:
        related.close()
