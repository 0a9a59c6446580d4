"""A batch segment job's output in S3, made into audiences in S3."""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from personalization.aws import S3Path
from personalization.connectors import Audience, ImportProgress
from personalization.errors import ConfigError, FatalError
from personalization.lineage import Lineage, write_lineage
from personalization.objects import download, kept_copies, listing, upload
from personalization.parameters import PostprocessParameters
from personalization.resources import Account, look
from personalization.resources.batch import outputs
from personalization.resources.kinds import BATCH_SEGMENT_JOB
from personalization.transforms.audience_report import AudienceFile
from personalization.transforms.audiences import write_audiences


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
        """The audiences that have anybody in them, as destinations take them."""
        return tuple(as_audience(it) for it in self.audiences if it.members)

    def imported(self, ended: Mapping[str, ImportProgress]) -> PostprocessReport:
        """Return the report with how the imports ended."""
        return replace(self, imports=dict(ended))

    def rows(self) -> list[dict[str, Any]]:
        """Return one row an audience: query, users, members, unmapped and where it is."""
        return [
            {
                "audience": it.audience,
                "query": next(iter(it.query.values())),
                "channel": it.channel,
                "users": it.users,
                "members": it.members,
                "unmapped": it.unmapped,
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
    single = path.name.endswith(".out") and not path.key.endswith("/")
    folder = path.parent if single else S3Path(path.bucket, f"{path.key.rstrip('/')}/")
    job = look(personalize, BATCH_SEGMENT_JOB, account.arn(BATCH_SEGMENT_JOB, folder.name))
    if job and job.status != "ACTIVE":
        why = f": {job.why}" if job.broken else "; run again when it is ACTIVE"
        raise FatalError(f"{job.arn} is {job.status}{why}")
    written = outputs(s3, folder)
    if single and path not in written:
        raise FatalError(
            f"there is no {path}; in its folder there are: {', '.join(map(str, written))}"
        )
    modified = {it.path: it.modified for it in listing(s3, folder)}
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
    Raises FatalError if too many lines were rejected, when they have been written.
    """
    target = _target(output, parameters)
    endpoints, index = _endpoints(s3, parameters.endpoints, work_dir)
    with tempfile.TemporaryDirectory(prefix="audiences-") as scratch:
        local = Path(scratch) / "audiences"
        # The order counts: of two lines with the same query the first one wins.
        copies = [
            download(s3, path, Path(scratch) / f"{number:05d}" / path.name)
            for number, path in enumerate(output.files)
        ]
        report = write_audiences(
            copies,
            local,
            endpoints=endpoints,
            options=parameters.options,
            stamp=output.written_at,
            index=index,
        )
        sources = {copy: str(path) for copy, path in zip(copies, output.files, strict=True)}
        made = []
        for it in report.audiences:
            lineage = _lineage(it, target, sources[it.source], output)
            if it.unmapped_path:
                upload(s3, it.unmapped_path, target / "unmapped" / it.unmapped_path.name)
            # The audience comes last: whoever waits for it finds everything else in place.
            write_lineage(s3, lineage)
            upload(s3, it.path, S3Path.parse(lineage.file))
            made.append(lineage)
        rejects = ""
        if report.rejects:
            for file in (report.rejects, report.rejects.with_suffix(".csv")):
                upload(s3, file, target / "rejected" / file.name)
            rejects = str(target / "rejected" / report.rejects.name)
        report.refuse_above(parameters.max_rejected, rejects)
    return PostprocessReport(tuple(made), report.lines, report.rejected_lines, rejects)


def _target(output: SegmentOutput, parameters: PostprocessParameters) -> S3Path:
    if parameters.target:
        path = S3Path.parse(parameters.target)
        return S3Path(path.bucket, f"{path.key.rstrip('/')}/".lstrip("/"))
    folder = output.files[0].parent
    return S3Path(folder.bucket, f"audiences/{folder.key.removeprefix('batch/')}")


def _endpoints(s3: Any, uri: str | None, work_dir: Path) -> tuple[Path | None, Path | None]:
    """Return local copies of the endpoint table, and the folder of its index."""
    if uri is None:
        return None, None
    path = S3Path.parse(uri)
    home = work_dir / "endpoints" / hashlib.sha256(uri.encode()).hexdigest()[:16]
    is_file = path.key.endswith(".csv")
    prefix = path if is_file else S3Path(path.bucket, f"{path.key.rstrip('/')}/")
    objects = [
        it for it in listing(s3, prefix) if it.path == path or (not is_file and _is_csv(it.path))
    ]
    if not objects:
        raise ConfigError(f"there is no endpoint table at {uri}; upload it, or leave it out")
    return kept_copies(s3, objects, home / "copies"), home / "index"


def _is_csv(path: S3Path) -> bool:
    return path.key.endswith(".csv")


def _lineage(audience: AudienceFile, target: S3Path, source: str, output: SegmentOutput) -> Lineage:
    return Lineage(
        audience=audience.logical_name,
        file=str(target / audience.path.name),
        query=audience.query,
        channel=audience.channel,
        output=source,
        job=output.job,
        solution_version=output.solution_version,
        users=audience.users,
        members=audience.members,
        unmapped=audience.unmapped,
    )
