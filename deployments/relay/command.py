"""`personalize relay`."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Annotated

import typer

from deployments.relay.health import Health, answering
from deployments.relay.logs import facts, log_as_json
from deployments.relay.queue import Queue
from deployments.relay.stopping import Stop
from deployments.terminal import console, exit_status, os_errors

log = logging.getLogger(__name__)


def relay(
    queue: Annotated[str, typer.Option(help="Name, URL or ARN of the queue that S3 notifies.")],
    health_port: Annotated[
        int, typer.Option(help="Where /health and /ready answer; 0 takes any free port.")
    ] = 8642,
    health_host: Annotated[str, typer.Option(help="Address to answer on.")] = "127.0.0.1",
    visibility_s: Annotated[
        int,
        typer.Option(
            min=6, max=3600, help="Seconds until SQS gives messages of a killed relay again."
        ),
    ] = 60,
    ready_file: Annotated[
        Path | None, typer.Option(help="Gets the URL of /health once the relay has begun.")
    ] = None,
    credentials: Annotated[
        str | None, typer.Option(help="Name of an AwsCredentials block.")
    ] = None,
) -> None:
    """Tell Prefect of every object written to S3, until SIGTERM or Ctrl-C.

    S3 notifies the queue directly, by SNS or by EventBridge; PREFECT_API_URL names Prefect.
    """
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.ask)
    with exit_status():
        log_as_json()
        # Prefect takes seconds to import.
        from blocks.aws import clients
        from blocks.settings import settings
        from deployments.relay.prefect_api import prefect_api
        from deployments.relay.relaying import Relay

        with prefect_api(timeout_s=visibility_s / 4) as api:
            if credentials or settings().credentials:
                api.check()  # Prefect keeps the block
            source = Queue(clients(credentials)("sqs"), queue, visibility_s)
            if source.dead_letters() is None:
                log.warning(
                    "the queue has no dead-letter queue; messages that nobody can read will stay "
                    "in it until SQS forgets them: give it a RedrivePolicy"
                )
            health = Health(source.url, api.url, alive_s=max(60.0, 2.0 * visibility_s))
            with answering(health.page, health_host, health_port) as url:
                known = facts(queue=source.url, prefect=api.url, health=url)
                log.info("begun", extra=known)
                console.print(f"relay of {source.url} to {api.url}; health on {url}")
                if ready_file:
                    with os_errors("written", ready_file):
                        partial = ready_file.with_name(f"{ready_file.name}.partial")
                        partial.write_text(url)
                        partial.replace(ready_file)
                Relay(source, api, health).run(stop)
            log.info("ended", extra=facts(**health.counts))
