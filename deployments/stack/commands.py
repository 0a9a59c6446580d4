"""`personalize up` and `personalize down`: everything on one machine, in the background."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from deployments.processes import LOCAL_CREDENTIALS, ROOT, Program
from deployments.stack.place import BUCKET, Place
from deployments.terminal import console, exit_status

Folder = Annotated[Path, typer.Option(help="Where database, logs and process ids are kept.")]
Port = Annotated[int, typer.Option(help="0 takes any free one.")]
FOLDER = ROOT / ".stack"


def up(
    folder: Folder = FOLDER,
    prefect_port: Port = 4200,
    aws_port: Port = 4566,
    far_ends_port: Port = 4577,
) -> None:
    """Start Prefect, a worker, the relay and a local AWS; then uploading a file starts flows."""
    place = Place(folder.absolute())
    with exit_status():
        if not place.is_held:
            with console.status("starting Prefect, a worker, the relay and the local AWS"):
                _start(place, prefect_port, aws_port, far_ends_port)
    _show(place)


def down(folder: Folder = FOLDER) -> None:
    """End what `up` has started; its database and its logs stay."""
    place = Place(folder.absolute())
    with exit_status():
        found = place.end()
    console.print("everything has ended" if found else f"nothing is up in {place.folder}")


def _start(place: Place, prefect_port: int, aws_port: int, far_ends_port: int) -> None:
    arguments = ["-m", "deployments.stack", "--folder", str(place.folder)]
    arguments += ["--prefect-port", str(prefect_port), "--aws-port", str(aws_port)]
    arguments += ["--far-ends-port", str(far_ends_port)]
    place.log.unlink(missing_ok=True)  # what it says if it fails is of this start

    def find() -> str | None:
        running = place.running()
        # What another stack has left, that was killed, says nothing of this one.
        mine = running is not None and running.pid == service.child.pid
        return running.addresses.get("prefect") if running and mine else None

    service = Program("the stack", tuple(arguments), place.log, find).start()
    service.address(patience_s=300)


def _show(place: Place) -> None:
    running = place.running()
    if running is None or "prefect" not in running.addresses:
        console.print(f"it is still starting; its log is {place.log}")
        return
    at = running.addresses
    exports = " ".join(f"{name}={value}" for name, value in LOCAL_CREDENTIALS.items())
    console.print(
        f"Prefect       {at['prefect'].removesuffix('/api')}\n"
        f"local AWS     {at['aws']}\n"
        f"destinations  {at['far ends']}/braze and others\n"
        f"logs          {place.folder}\n\n"
        "Upload, and watch it run:\n\n"
        f"  export AWS_ENDPOINT_URL={at['aws']} {exports}\n"
        f"  aws s3 sync data/bingewatch s3://{BUCKET}/ "
        "--exclude '*for-you*' --exclude truth.parquet\n\n"
        "`make down` ends it.",
        soft_wrap=True,
    )
