"""A batch segment job's output in S3, made into audiences in S3."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from personalization.aws import S3Path
from personalization.connectors import Audience, ImportProgress
from personalization.errors import ConfigError, FatalError
from personalization.lineage import Lineage, write_lineage
from personalization.objects import as_folder, download, kept_copies, listing, remove, upload
from personalization.parameters import PostprocessParameters
from personalization.resources import Account, look
from personalization.resources.account import NAME
from personalization.resources.batch import outputs
from personalization.resources.kinds import BATCH_SEGMENT_JOB
from personalization.transforms.audience_names import stamped_name, variant_name
from personalization.transforms.audience_report import AudienceFile
from personalization.transforms.audiences import write_audiences

REJECTED, REASONS = "rejected.out", "rejected.csv"


@dataclass(frozen=True)
class SegmentOutput:
    """What a job wrote, and which job it was.

    written_at  when the newest file was written: it stamps the audiences' names, so that the same
                output always gives the same names
    job         its ARN, and of the version that answered; both empty for output of an unknown job
    """

    files: tuple[S3Path, ...]
    written_at: dt.datetime
    job: str = ""
    solution_version: str = ""


@dataclass(frozen=True)
class PostprocessReport:
    """Which audiences were made, and what became of them.

    lines, rejected  lines of the output that were not blank, and those that gave no audience
    rejects          S3 URI of the rejected lines, empty without any
    imports          audience → how its import ended; empty without a destination
    """

    audiences: tuple[Lineage, ...]
    lines: int
    rejected: int
    rejects: str = ""
    imports: Mapping[str, ImportProgress] = field(default_factory=dict)

    @property
    def importable(self) -> tuple[Audience, ...]:
        """The audiences, as destinations take them.

        Those that nobody is in are among them: an earlier run may have put people into them.
        """
        return tuple(as_audience(it) for it in self.audiences)

    def imported(self, ended: Mapping[str, ImportProgress]) -> PostprocessReport:
        """Return the report with how the imports ended."""
        return replace(self, imports=dict(ended))

    def rows(self) -> list[dict[str, Any]]:
        """Return one row an audience: query, users, members, who is missing and where it is."""
        return [
            {
                "audience": it.audience,
                "query": next(iter(it.query.values())),
                "channel": it.channel,
                "users": it.users,
                "members": it.members,
                "unmapped": it.unmapped,
                "without id": it.no_ids,
                "file": it.file,
            }
            for it in self.audiences
        ]


def as_audience(lineage: Lineage) -> Audience:
    """Return the audience as destinations take it."""
    return Audience(
        name=lineage.audience,
        location=S3Path.parse(lineage.file),
        count=lineage.members,
        lineage=lineage.labels(),
    )


def find_output(s3: Any, personalize: Any, account: Account, uri: str) -> SegmentOutput:
    """Return the output at `uri`: the folder of a job, or one of its `.out` files.

    Raises FatalError if the job has not finished, or its output or `_CHECK` is missing.
    """
    path = S3Path.parse(uri)
    single = path.key.endswith(".out")
    folder = path.parent if single else as_folder(path)
    # The folder may be of any name, if the output was moved; a job may not.
    named = NAME.fullmatch(folder.name)
    arn = account.arn(BATCH_SEGMENT_JOB, folder.name)
    job = look(personalize, BATCH_SEGMENT_JOB, arn) if named else None
    if job and job.status != "ACTIVE":
        why = f": {job.why}" if job.broken else "; run again when it is ACTIVE"
        raise FatalError(f"{job.arn} is {job.status}{why}")
    modified = {it.path: it.modified for it in listing(s3, folder, deep=False)}
    if not modified and job is None:
        raise FatalError(
            f"nothing is in {folder}, and no batch segment job is called {folder.name!r}; "
            "is the path right?"
        )
    written = outputs(s3, folder)
    if single and path not in written:
        raise FatalError(
            f"there is no {path}; in its folder there are: {', '.join(map(str, written))}"
        )
    files = (path,) if single else written
    return SegmentOutput(
        files,
        max(modified[it] for it in files),
        job.arn if job else "",
        str(job.description["solutionVersionArn"]) if job else "",
    )


def make_audiences(
    s3: Any, output: SegmentOutput, parameters: PostprocessParameters, work_dir: Path
) -> PostprocessReport:
    """Write the audiences of an output to S3, each with its lineage; return what was made.

    work_dir  where copies of the endpoint table, and its index, are kept from run to run
    Written: {target}/{name}.csv, beside it its lineage; {target}/unmapped/{name}.csv;
    {target}/rejected/rejected.out and .csv.  Safe to repeat.
    What an earlier run left there of the latter, and this one has not, is removed.
    Raises FatalError if too many lines were rejected, when they have been written.
    """
    target = _target(output, parameters)
    variant = parameters.options.variant()
    endpoints, index = _endpoints(s3, parameters.endpoints, work_dir)
    with tempfile.TemporaryDirectory(prefix="audiences-") as scratch:
        local = Path(scratch) / "audiences"
        # The order counts: of two lines with the same query the first one wins.
        copies = [
            download(s3, path, Path(scratch) / f"{number:05d}" / path.name)
            for number, path in enumerate(output.files)
        ]
        sources = {copy: str(path) for copy, path in zip(copies, output.files, strict=True)}
        report = write_audiences(
            copies,
            local,
            endpoints=endpoints,
            options=parameters.options,
            stamp=output.written_at,
            index=index,
            origins=sources,
        )
        made: list[Lineage] = []
        stale = {target / "rejected" / name for name in (REJECTED, REASONS) if not report.rejects}
        for it in report.audiences:
            name = variant_name(it.logical_name, variant)
            file = target / f"{stamped_name(name, output.written_at)}.csv"
            lineage = _lineage(it, name, file, sources[it.source], output, variant)
            unmapped = target / "unmapped" / file.name
            if it.unmapped_path:
                upload(s3, it.unmapped_path, unmapped)
            else:
                stale.add(unmapped)
            # The audience comes last: whoever waits for it finds everything else in place.
            write_lineage(s3, lineage)
            upload(s3, it.path, file)
            made.append(lineage)
        rejects = ""
        if report.rejects:
            for name in (REJECTED, REASONS):
                upload(s3, report.rejects.with_name(name), target / "rejected" / name)
            rejects = str(target / "rejected" / REJECTED)
        _remove(s3, stale)
        report.refuse_above(parameters.max_rejected, rejects)
    return PostprocessReport(tuple(made), report.lines, report.rejected_lines, rejects)


def _remove(s3: Any, paths: Collection[S3Path]) -> None:
    """Remove those that are there, so that no right to remove is needed where none is."""
    folders = {path.parent for path in paths}
    there = {it.path for folder in sorted(folders) for it in listing(s3, folder, deep=False)}
    for path in sorted(there.intersection(paths)):
        remove(s3, path)


def _target(output: SegmentOutput, parameters: PostprocessParameters) -> S3Path:
    folder = output.files[0].parent
    if parameters.target:
        target = as_folder(S3Path.parse(parameters.target))
        if target == folder:
            raise ConfigError(
                f"the target {target} is the folder of the job's output, which holds what "
                "Personalize wrote; name another folder, or leave target out"
            )
        return target
    return S3Path(folder.bucket, f"audiences/{folder.key.removeprefix('batch/')}")


def _endpoints(
    s3: Any, uri: str | None, work_dir: Path
) -> tuple[Sequence[Path] | None, Path | None]:
    """Return local copies of the endpoint table, and the folder of its index."""
    if uri is None:
        return None, None
    path = S3Path.parse(uri)
    folder = as_folder(path)
    home = work_dir / "endpoints" / hashlib.sha256(uri.encode()).hexdigest()[:16]
    objects = [it for it in listing(s3, path, deep=False) if it.path == path and path != folder]
    objects = objects or [it for it in listing(s3, folder) if it.path.key.lower().endswith(".csv")]
    if not objects:
        raise ConfigError(f"there is no endpoint table at {uri}; upload it, or leave it out")
    copies = kept_copies(s3, objects, home / "copies")
    return sorted(copies.iterdir()), home / "index"


def _lineage(
    audience: AudienceFile,
    name: str,
    file: S3Path,
    source: str,
    output: SegmentOutput,
    variant: str,
) -> Lineage:
    return Lineage(
        audience=name,
        file=str(file),
        query=audience.query,
        channel=audience.channel,
        output=source,
        job=output.job,
        solution_version=output.solution_version,
        users=audience.users,
        members=audience.members,
        unmapped=audience.unmapped,
        no_ids=audience.no_ids,
        options=variant,
    )
