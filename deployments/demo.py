"""With no AWS account: from CSVs in a bucket to a segment, and to recommendations in profiles.

Run it with `make demo`.  A film service, Bingewatch, wants to write to the people who will like
action films.  Its data is generated, so the right answer is known, and what the model found is
held against it.  Then every user's recommendations go to Braze.  Everything is real but the far
ends: the local AWS behind boto3, and a Braze on this machine that keeps the documented limits.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import ExitStack

from rich.console import Console
from rich.live import Live

from deployments.processes import LOCAL_CREDENTIALS, ROOT, far_ends, local_aws, prefect_server
from deployments.stages import Stages

FOLDER = ROOT / ".demo"
SAMPLE = ROOT / "data" / "bingewatch"
BUCKET = "bingewatch"
console = Console(highlight=False)


def main() -> int:
    """Run the demo; return an exit status."""
    began = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    stages = Stages()
    with ExitStack() as services:
        live = services.enter_context(Live(stages, console=console, refresh_per_second=8))
        aws = services.enter_context(local_aws(FOLDER))
        prefect = services.enter_context(prefect_server(FOLDER))
        ends = services.enter_context(far_ends(FOLDER))
        with stages.stage("start the local AWS, a Braze and a Prefect server") as said:
            os.environ |= _surroundings(aws.address(), prefect.address())
            said.append(f"{aws.address()} {prefect.address()}")
        # Prefect reads its settings when it is imported, so the story is told by a second module.
        from deployments import demo_story, demo_sync

        results = demo_story.tell(stages, SAMPLE, BUCKET, FOLDER)
        synced = demo_sync.tell(stages, SAMPLE, BUCKET, ends.address(), FOLDER)
        live.stop()
        console.print()
        results.show(console)
        synced.show(console)
        total = time.monotonic() - began
        console.print(f"all of it in {FOLDER.name}/, made in [bold]{total:.0f} s[/]")
        if "--keep" in sys.argv:
            _keep(aws.address(), prefect.address())
    return 0


def _surroundings(aws_url: str, prefect_url: str) -> dict[str, str]:
    return {
        **LOCAL_CREDENTIALS,
        "AWS_ENDPOINT_URL": aws_url,
        "PREFECT_API_URL": prefect_url,
        "PREFECT_HOME": str(FOLDER / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PERSONALIZE_ROLE_ARN": "arn:aws:iam::123456789012:role/PersonalizeRole",
        "PERSONALIZE_WORK_DIR": str(FOLDER / "work"),
    }


def _keep(aws_url: str, prefect_url: str) -> None:
    console.print(
        f"\nPrefect's UI, with every run and artifact: {prefect_url.removesuffix('/api')}\n"
        f"AWS_ENDPOINT_URL={aws_url} answers boto3 and the AWS CLI.  Ctrl-C ends both."
    )
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        console.print("bye")


if __name__ == "__main__":
    sys.exit(main())
