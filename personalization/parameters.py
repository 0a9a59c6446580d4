"""What each flow takes.  No secrets here: Prefect shows parameters in its UI."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from personalization.aws import S3Path
from personalization.delivery.patience import Patience
from personalization.errors import ConfigError
from personalization.transforms.audience_options import AudienceOptions


def _s3_uri(value: str) -> str:
    try:
        return str(S3Path.parse(value))
    except ConfigError as error:
        raise ValueError(str(error)) from error


S3Uri = Annotated[str, AfterValidator(_s3_uri)]
Fraction = Annotated[float, Field(ge=0, le=1)]
# Source: botocore, personalize 2018-05-22, shape `Name`.
ResourceName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9\-_]*$", max_length=63)]


class Upload(BaseModel):
    """One version of one S3 object that somebody, or something, wrote."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bucket: str = Field(min_length=1, description="Name of the bucket.")
    key: str = Field(min_length=1, description="Key of the object, not URL-encoded.")
    version_id: str | None = Field(None, description="Version, where the bucket keeps versions.")
    etag: str | None = Field(None, description="ETag of the object.")

    @property
    def path(self) -> S3Path:
        """Where it lies."""
        return S3Path(self.bucket, self.key)


class FlowParameters(BaseModel):
    """What every flow takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    credentials: str | None = Field(
        None,
        description="Name of a saved AwsCredentials block. Without one, the settings' block or "
        "boto3's own chain is used.",
    )
    upload: Upload | None = Field(
        None,
        description="The upload that started the run, which no other run then works on. Left out "
        "where a person starts it.",
    )


class FolderParameters(FlowParameters, ABC):
    """What a flow takes that reads a whole folder, which arrives file by file."""

    settle_s: float = Field(
        5,
        ge=0,
        le=900,
        description="Seconds for which nothing must have been written to the folder before an "
        "upload there is worked on; 0 does not wait.",
    )

    @property
    @abstractmethod
    def places(self) -> tuple[S3Path, ...]:
        """Where that lies which the flow reads: files and folders."""


class Waiting(BaseModel):
    """How patiently to wait for Personalize and for destinations."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_look_s: float = Field(5, gt=0, description="Seconds until the first look at a status.")
    slowest_look_s: float = Field(60, gt=0, description="Seconds between two looks, at most.")
    give_up_after_s: float = Field(
        12 * 3600, gt=0, description="Seconds until something still unfinished counts as stuck."
    )
    suspend_after_s: float | None = Field(
        300,
        gt=0,
        description="Seconds after which a deployed run leaves its process and is resumed later; "
        "null: never. Runs without a deployment stay, and so does connector-sync.",
    )

    @model_validator(mode="after")
    def _there_is_time_to_look(self) -> Waiting:
        if self.slowest_look_s < self.first_look_s:
            raise ValueError(
                f"slowest_look_s={self.slowest_look_s:g} is below "
                f"first_look_s={self.first_look_s:g}; raise it, or lower first_look_s"
            )
        if self.give_up_after_s <= self.first_look_s:
            raise ValueError(
                f"give_up_after_s={self.give_up_after_s:g} ends before the first look after "
                f"{self.first_look_s:g} s; raise it, or lower first_look_s"
            )
        return self


class Scheduled(BaseModel):
    """One thing that a parameter file repeats by the calendar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str = Field(
        pattern=r"^[\w.@-]+$", description="Name of the schedule: one, whatever its times."
    )
    kind: Literal["import", "full", "update", "batch-inference", "batch-segment"] = Field(
        description="What is done again: imports, a training, a batch job."
    )
    cron: str = Field(description="When, as the parameter file says it: cron(…), in UTC.")
    solution: ResourceName | None = Field(None, description="Whose, where it is not the imports.")
    job: int = Field(
        0, ge=0, description="Which of the solution's batch jobs of that kind, from 0."
    )

    @model_validator(mode="after")
    def _what_is_not_an_import_is_a_solutions(self) -> Scheduled:
        if (self.kind == "import") != (self.solution is None):
            raise ValueError(
                f"{self.kind} has solution={self.solution}; name the solution, and none for import"
            )
        return self


class TrainParameters(FolderParameters):
    """What the `train` flow brings into being."""

    file: S3Uri = Field(
        description="S3 URI of the parameter file. The CSVs lie beside it: interactions.csv or "
        "interactions/*.csv, and so on."
    )
    role_arn: str | None = Field(
        None, description="IAM role that Personalize assumes to read and write the bucket."
    )
    plan_only: bool = Field(False, description="Show the plan and stop.")
    retrain: Literal["new-data", "never", "always"] = Field(
        "new-data", description="When a solution that has a version gets another one."
    )
    check_data: bool = Field(True, description="Check CSVs before they are imported.")
    scheduled: Scheduled | None = Field(
        None, description="Do this again and nothing else. Schedules say it; leave it out."
    )
    waiting: Waiting = Field(Waiting(), description="How patiently to wait.")

    @property
    def places(self) -> tuple[S3Path, ...]:
        """The parameter file and the data beside it; other files and folders are other people's."""
        file = S3Path.parse(self.file)
        names = [f"{it}{end}" for it in ("interactions", "items", "users") for end in (".csv", "/")]
        return (file, *(file.parent / it for it in names))


class BatchParameters(FlowParameters):
    """What the `batch-segment` and `batch-inference` flows run: one job."""

    bucket: str = Field(description="Bucket of batch/<group>/<solution>/job_config.json.")
    dataset_group: ResourceName = Field(description="Name of the dataset group.")
    solution: ResourceName = Field(description="Name of the solution; its newest version is used.")
    role_arn: str | None = Field(
        None, description="IAM role that Personalize assumes to read and write the bucket."
    )
    num_results: int | None = Field(
        None,
        ge=1,
        description="Users for each segment, or items for each user; left out, as in the "
        "solution's last job with this input.",
    )
    filter_arn: str | None = Field(
        None,
        description="ARN of a filter for the job; left out, as in the solution's last job with "
        "this input.",
    )
    again: bool = Field(False, description="Run the job even if it was done with this input.")
    waiting: Waiting = Field(Waiting(), description="How patiently to wait.")


class PostprocessSettings(BaseModel):
    """How the `postprocess` flow makes audiences, whatever the output."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: S3Uri | None = Field(
        None, description="S3 URI of the endpoint table: one CSV, or a folder of them."
    )
    target: S3Uri | None = Field(
        None,
        description="Folder for the audience files. Without it: the output's folder with its "
        "leading batch/ replaced by audiences/.",
    )
    options: AudienceOptions = Field(AudienceOptions(), description="Who is in an audience.")
    max_rejected: Fraction = Field(
        0.5, description="Fraction of lines without an audience above which the run fails."
    )
    destination: str | None = Field(
        None, description="Name of a saved Destination block to import the audiences into."
    )


class PostprocessParameters(PostprocessSettings, FlowParameters):
    """What the `postprocess` flow makes audiences of."""

    output: S3Uri = Field(
        description="S3 URI of a batch segment job's output: its folder, or one .out file."
    )
    waiting: Waiting = Field(Waiting(), description="How patiently to wait for the imports.")


class ImportParameters(FlowParameters):
    """What the `import-audience` flow imports: one audience file, or endpoints."""

    file: S3Uri = Field(
        description="S3 URI of the CSV: an audience with the header `Id`, or an endpoint table."
    )
    destination: str = Field(description="Name of a saved Destination block.")
    audience: str | None = Field(
        None,
        description="Stable name of the audience in the destination. Without it: the file's name "
        "without its time stamp.",
    )
    register_endpoints: bool | None = Field(
        None,
        description="Register the endpoints of the table with the destination, which must know "
        "them before audiences of endpoint ids. For destinations that keep endpoints: pinpoint. "
        "Without it: whether the file has more columns than `Id`.",
    )
    waiting: Waiting = Field(Waiting(), description="How patiently to wait for the import.")


class DispatchParameters(FlowParameters):
    """What the `dispatch` flow starts flows for."""

    file: S3Uri = Field(
        description="S3 URI of a batch job's input, batch/<group>/<solution>/job_config.json, or "
        "of an .out file that a batch job wrote."
    )
    waiting: Waiting = Field(
        Waiting(), description="How patiently to wait until the job that wrote it is done."
    )


class SweepParameters(FlowParameters):
    """Where the `sweep` flow looks for uploads and runs that nobody works on."""

    bucket: str = Field(min_length=3, description="Name of the bucket.")
    grace_s: float = Field(
        120, ge=0, description="Seconds after which an upload counts as overlooked."
    )
    look_back_days: float = Field(
        7, gt=0, le=90, description="Days after which it is left as it is."
    )
    most_attempts: int = Field(
        3, ge=1, le=10, description="Runs that an upload gets, or one that crashed, at most."
    )
    stuck_after_s: float = Field(
        900,
        ge=0,
        description="Seconds after which a run counts as dead that is Pending, or Running without "
        "a claim to its upload, or without a sign of life (then three heartbeats at least).",
    )
    resume_after_s: float | None = Field(
        None,
        ge=0,
        description="Seconds after which a suspended run counts as forgotten; left out, three "
        "periods of the timer.",
    )


class SyncParameters(FolderParameters):
    """What the `connector-sync` flow tells destinations: the news of one connector job."""

    job: S3Uri = Field(description="S3 URI of the job's folder: etl_jobs/<job type>/<job name>/.")
    connectors: tuple[str, ...] | None = Field(
        None, min_length=1, description="Which of the job's connectors; all if left out."
    )
    destinations: dict[str, str] = Field(
        {},
        description="Names of saved Destination blocks, by connector. Left out, a connector's "
        "block has its own name, or the job's settings say everything.",
    )
    dry_run: bool = Field(False, description="Show counts and the first requests; send nothing.")
    full_refresh: bool = Field(False, description="Send everybody, whatever the destinations hold.")
    clear_anyway: bool = Field(
        False, description="Clear as many users as it may be: maxClearedFraction does not count."
    )
    shards: int = Field(1, ge=1, le=1024, description="Tasks that prepare, each some of the users.")
    dask: str | None = Field(
        None,
        pattern=r"^(local|(tcp|tls|ws|wss)://\S+)$",
        description="Where shards are prepared: `local` starts a Dask cluster on this machine, "
        "`tcp://host:8786` uses that scheduler's, whose workers share PERSONALIZE_WORK_DIR. "
        "Left out: on threads.",
    )
    patience: Patience = Field(Patience(), description="How often a request is tried again.")
    waiting: Waiting = Field(
        Waiting(first_look_s=1, slowest_look_s=10),
        description="How patiently to wait for another run of the job, or to the destination.",
    )

    @property
    def places(self) -> tuple[S3Path, ...]:
        """The job's configuration and its inputs; what runs write lies beside them."""
        folder = S3Path.parse(self.job.removesuffix("config.json"))
        return (folder / "config.json", folder / "input/")
