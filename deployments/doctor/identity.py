"""Us: may whoever asks write claims, and tell what happens?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from blocks.settings import Settings
from deployments.doctor.outcome import Seen, bad, good, not_checked
from deployments.doctor.policies import Question, refused
from personalization.aws import Clients, aws_errors
from personalization.claims import FOLDER

_ADVICE: Final = (
    "allow it in its policies, as WorkerPolicy in deployments/aws/template.yaml does; where flows "
    "run as somebody else, ask as they"
)


def leave(clients: Clients, bucket: str, known: Settings) -> Seen:
    """Ask IAM whether our own policies allow what each run does first and last.

    A claim is the first thing that a run writes.  None is written to find out: IAM simulates it,
    without what the bucket's own policy forbids.
    """
    with aws_errors("asking STS whose credentials these are"):
        arn = str(clients("sts").get_caller_identity()["Arn"])
    _, partition, _, _, account, path = arn.split(":", 5)
    kind, _, name = path.partition("/")
    if kind == "root":
        return good("the account's root user may do everything")
    if kind == "assumed-role":
        # The ARN of a session leaves out the path of its role.
        name = name.partition("/")[0]
        arn = str(clients("iam").get_role(RoleName=name)["Role"]["Arn"])
    elif kind != "user":
        return not_checked(f"IAM knows no policies of {arn}")
    bus = f"arn:{partition}:events:{clients('events').meta.region_name}:{account}:event-bus/"
    asked = dict(_questions(f"arn:{partition}:s3:::{bucket}", bus, known))
    if missing := refused(clients("iam"), arn, asked.values()):
        return bad(f"{name} may not {', '.join(missing)}", _ADVICE)
    return good(f"{name} may {', '.join(asked)}")


def _questions(bucket: str, buses: str, known: Settings) -> Iterator[tuple[str, Question]]:
    claim = Question(("s3:GetObject", "s3:PutObject"), f"{bucket}/{FOLDER}train/0.json")
    yield f"write {FOLDER}", claim
    if known.sns_topic:
        yield "tell SNS", Question(("sns:Publish",), known.sns_topic)
    if bus := known.event_bus:
        arn = bus if bus.startswith("arn:") else f"{buses}{bus}"
        yield "tell EventBridge", Question(("events:PutEvents",), arn)
    if known.metrics_namespace:
        context = {"cloudwatch:namespace": known.metrics_namespace}
        yield "tell CloudWatch", Question(("cloudwatch:PutMetricData",), "*", context)
