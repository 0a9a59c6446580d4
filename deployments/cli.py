"""The command `personalize`."""

from __future__ import annotations

import inspect
import os
from importlib import import_module
from pathlib import Path
from typing import Annotated

import boto3
import typer

from deployments.automations.command import automations
from deployments.doctor.command import doctor
from deployments.parameters import as_parameters
from deployments.relay.command import relay
from deployments.schedules import schedules
from deployments.stack.commands import down, up
from deployments.terminal import console, exit_status, os_errors, show_findings
from flows import FLOWS
from personalization.aws import S3Path, aws_errors
from personalization.config import check as check_parameter_file
from personalization.datasets import avro_schemas, check, generate, locate, wanted_of
from personalization.errors import ConfigError

app = typer.Typer(
    help="Amazon Personalize end to end, as Prefect flows.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
config = typer.Typer(help="The parameter file.", no_args_is_help=True)
data = typer.Typer(help="The CSVs beside the parameter file.", no_args_is_help=True)
app.command()(up)
app.command()(down)
app.command()(relay)
app.command()(doctor)
app.add_typer(config, name="config")
app.add_typer(data, name="data")
app.add_typer(automations, name="automations")
app.add_typer(schedules, name="schedules")

FileOrUri = Annotated[str, typer.Argument(metavar="FILE|s3://…", help="The parameter file.")]


def _read(place: str) -> bytes:
    """Return the bytes of a file or an S3 object."""
    if place.startswith("s3://"):
        path = S3Path.parse(place)
        with aws_errors(f"reading {place}"):
            body: bytes = (
                boto3.Session()
                .client("s3")
                .get_object(Bucket=path.bucket, Key=path.key)["Body"]
                .read()
            )
            return body
    with os_errors("read", place):
        return Path(place).read_bytes()


@config.command("check")
def config_check(file: FileOrUri) -> None:
    """Say everything that is wrong in a parameter file; exit status 1 if anything is."""
    with exit_status():
        text = _read(file)
        checked = check_parameter_file(text, file)
    show_findings(checked.findings, text.decode("utf-8", "replace"))
    if checked.file is None:
        raise typer.Exit(1)


@data.command("check")
def data_check(
    file: FileOrUri,
    cleaned: Annotated[
        Path | None,
        typer.Option(help="Folder for a copy without the faulty rows, and for rejects.csv."),
    ] = None,
) -> None:
    """Check the CSVs beside a parameter file before an import costs anything."""
    with exit_status():
        checked = check_parameter_file(_read(file), file)
        if checked.file is None:
            raise ConfigError(f"{file} cannot be used", checked.findings)
        s3 = boto3.Session().client("s3") if file.startswith("s3://") else None
        found = locate(S3Path.parse(file) if s3 else Path(file), s3)
        wanted = wanted_of(checked.file)
        with os_errors("read or written", cleaned or file):
            report = check(found, avro_schemas(checked.file), s3=s3, wanted=wanted, cleaned=cleaned)
    show_findings(report.findings)
    if cleaned:
        console.print(f"a copy without the faulty rows, and the list of them, are in {cleaned}")
    if report.errors:
        raise typer.Exit(1)


@data.command("generate")
def data_generate(
    target: Annotated[Path, typer.Argument(help="Folder to write to.")],
    users: Annotated[int, typer.Option(min=1)] = 600,
    items: Annotated[int, typer.Option(min=1)] = 400,
    interactions: Annotated[int, typer.Option(min=1)] = 60_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = 1,
) -> None:
    """Generate a film service whose tastes are known: interactions, items, users, endpoints."""
    with exit_status(), os_errors("written", target):
        world = generate(target, users=users, items=items, interactions=interactions, seed=seed)
    console.print(f"{world.interactions} interactions of {world.users} users in {target}")


@app.command()
def local(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any free port.")] = 4566,
    far_ends: Annotated[int, typer.Option(help="Port of the destinations; 0 takes any.")] = 4577,
) -> None:
    """Serve the local AWS until Ctrl-C: set AWS_ENDPOINT_URL to what it prints.

    Beside it stand local destinations, such as Braze, which show what they hold.
    """
    from personalization.local.__main__ import main  # moto takes a second to import
    from personalization.local.far_ends.server import FarEnds

    with exit_status():
        try:
            ends = FarEnds(host, far_ends)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{far_ends}: {error.strerror}; choose another --far-ends"
            ) from error
    with ends:
        console.print(f"destinations answer on {ends.url}: {', '.join(ends.ends)}")
        raise typer.Exit(main(["--host", host, "--port", str(port)]))


@app.command(context_settings={"ignore_unknown_options": True})
def run(
    flow: Annotated[str, typer.Argument(metavar="FLOW", help=f"One of: {', '.join(FLOWS)}.")],
    parameters: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=VALUE…", help="The flow's parameters; JSON where they are not text."
        ),
    ] = None,
) -> None:
    """Run one flow here and now, in this process.

    personalize run train file=s3://bucket/train/films/config.json plan_only=true
    """
    with exit_status():
        if flow not in FLOWS:
            raise ConfigError(f"there is no flow {flow!r}; there are: {', '.join(FLOWS)}")
        # Prefect takes seconds to import, and the temporary server of a busy machine up to a minute
        # to start.
        os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
        from deployments import narration, results

        function = getattr(import_module(f"flows.{flow.replace('-', '_')}"), flow.replace("-", "_"))
        model = inspect.signature(function.fn, eval_str=True).parameters["parameters"].annotation
        given = as_parameters(model, parameters or [], flow)
        narration.keep_quiet()
        results.show(function(given), console)


@app.command()
def replay(
    path: Annotated[str, typer.Argument(metavar="FILE|s3://…", help="A run's dead-letters.jsonl.")],
    to: Annotated[str, typer.Option(help="Name of the saved Destination block.")],
    credentials: Annotated[
        str | None, typer.Option(help="Name of an AwsCredentials block.")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Send all of it, also if that was done before.")
    ] = False,
) -> None:
    """Send users whom a destination has rejected again; exit status 1 if it rejects any again."""
    with exit_status():
        from deployments import replaying  # Prefect takes seconds to import

        done = replaying.replay(path, to, credentials, again=again)
    replaying.show_receipt(done)
    if done.receipt.rejected:
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
