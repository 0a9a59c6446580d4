"""What a stack needs before the first upload: bucket, queue, destinations, deployments.

Run as a process in the stack's surroundings, `python -m deployments.stack.setup BRAZE_URL`, for
Prefect reads its settings when it is imported.  Safe to repeat.
"""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import Any

import boto3

from blocks.destination import Destination
from deployments.processes import ROOT
from deployments.stack.place import BUCKET, HEARTBEAT_S, QUEUE, WORK_POOL
from personalization import sweeping
from personalization.errors import FatalError

DOMAIN = "bingewatch"
# As often as a message may be looked at before it counts as one that cannot be carried on.
MAX_RECEIVES = 20


def main(braze_url: str) -> None:
    """Set up AWS's side, then Prefect's."""
    set_up_aws()
    settings: dict[str, dict[str, Any]] = {
        "customer-profiles": {"kind": "customer_profiles", "domain": DOMAIN},
        "braze": {"kind": "braze", "endpoint": f"{braze_url}/braze"},
    }
    for name, it in settings.items():
        # The local Braze takes any key.
        secrets = {"api_key": "local"} if name == "braze" else {}
        Destination(settings=it, secrets=secrets).save(name, overwrite=True)
    _prefect("work-pool", "create", WORK_POOL, "--type", "process", "--overwrite")
    _prefect("--no-prompt", "deploy", "--all")
    waits = ("--resume-every-s", f"{HEARTBEAT_S}", "--zombie-after-s", f"{3.5 * HEARTBEAT_S}")
    _run("the automations", "-m", "deployments.cli", "automations", "apply", *waits)


def set_up_aws() -> None:
    """Make the bucket, the queue that hears of its uploads, and a domain of Customer Profiles."""
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.create_bucket(Bucket=BUCKET)
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    dead = _queue(sqs, f"{QUEUE}-dead", {})
    policy = {"deadLetterTargetArn": dead, "maxReceiveCount": MAX_RECEIVES}
    arn = _queue(sqs, QUEUE, {"RedrivePolicy": json.dumps(policy), "VisibilityTimeout": "60"})
    sweeping.beginning(s3, BUCKET, dt.datetime.now(dt.UTC))  # whatever comes now is looked after
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET,
        NotificationConfiguration={
            "QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]
        },
    )
    profiles = boto3.client("customer-profiles")
    if DOMAIN not in {it["DomainName"] for it in profiles.list_domains()["Items"]}:
        profiles.create_domain(DomainName=DOMAIN, DefaultExpirationDays=366)


def _queue(sqs: Any, name: str, attributes: dict[str, str]) -> str:
    url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    return str(answer["Attributes"]["QueueArn"])


def _prefect(*arguments: str) -> None:
    _run(f"prefect {' '.join(arguments)}", "-m", "prefect", *arguments)


def _run(what: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    sys.stdout.write(done.stdout)
    if done.returncode:
        raise FatalError(f"{what} ended with status {done.returncode}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main(sys.argv[1])
