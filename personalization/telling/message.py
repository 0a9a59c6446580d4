"""One message to an SNS topic for every run that has ended.

Texts and members are those of the AWS solution "Maintaining Personalized Experiences with ML"; that
failures say why, that no protocol gets an empty message, and the members `flow`, `run`, `reason`
and `file` are ours.

Source: AWS solution SO0170, SNS notification (texts); botocore, sns 2010-03-31, `PublishInput`
(limits).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from personalization import postprocess_file
from personalization.aws import aws_errors
from personalization.errors import Finding, shortened

COMPLETE: Final = "UPDATE COMPLETE"
FAILED: Final = "UPDATE FAILED"
UNKNOWN: Final = "UNKNOWN"
_REFUSED: Final = "There were errors detected when reading a personalization job configuration file"
_MEND: Final = "Please correct these errors and upload the configuration again."

# "less than 100 characters", and "256 KiB", of which the attributes take a little.
MOST_SUBJECT: Final = 99
MOST_BYTES: Final = 256 * 1024 - 2048
# What one SMS holds.
MOST_SMS: Final = 140

# These stand for AWS's one workflow; the other flows are called by their own names.
WORKFLOWS: Final = frozenset({"train", "batch-segment", "batch-inference"})


@dataclass(frozen=True)
class Ended:
    """A flow run that has ended.

    name      of what it was for: the dataset group, or else the job or the file
    reason    why it failed; empty if it did not
    upload    S3 URI of the file that was refused, if that is why, with what is wrong in it
    facts     lines that say what came of it
    link      where the run is shown, and `console` where the dataset group is
    """

    flow: str
    run: str
    name: str
    dataset_group: str = ""
    reason: str = ""
    upload: str = ""
    findings: tuple[Finding, ...] = ()
    facts: tuple[str, ...] = ()
    link: str = ""
    console: str = ""

    @property
    def status(self) -> str:
        """What machines are told."""
        return FAILED if self.reason else COMPLETE

    @property
    def workflow(self) -> str:
        """What kind of job people are told of."""
        return "personalization" if self.flow in WORKFLOWS else self.flow

    @property
    def what(self) -> str:
        """What the job was for, with what kind of thing that is."""
        return f"dataset group {self.dataset_group}" if self.dataset_group else self.name

    @property
    def summary(self) -> str:
        """One sentence."""
        if self.upload:
            return _REFUSED
        how = "with errors" if self.reason else "successfully"
        return f"The {self.workflow} workflow for {self.name} completed {how}"

    @property
    def short(self) -> str:
        """The summary, and why."""
        if self.upload:
            return f"{self.summary}: {self.upload}: {shortened(self.reason)}"
        return f"{self.summary}: {shortened(self.reason, 400)}" if self.reason else self.summary


def message_of(ended: Ended, sender: str) -> dict[str, Any]:
    """Return the parameters of Publish but the topic, short enough for SNS.

    sender  what the subject begins with
    Subscriptions can filter by the attributes: flow, status and dataset_group.
    """
    attributes = {
        "flow": ended.flow,
        "status": ended.status,
        "dataset_group": ended.dataset_group or UNKNOWN,
    }
    most = 60_000
    while len((message := _bodies(ended, most)).encode()) > MOST_BYTES and most:
        most //= 2
    return {
        "Subject": _subject(f"{sender} Notifications: {ended.name} {ended.status}"),
        "MessageStructure": "json",
        "Message": message,
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    }


def publish(sns: Any, topic: str, ended: Ended, sender: str) -> None:
    """Publish to the topic of that ARN that the run has ended."""
    with aws_errors(f"publishing to {topic}"):
        sns.publish(TopicArn=topic, **message_of(ended, sender))


def _bodies(ended: Ended, most: int) -> str:
    """Return the message by protocol; `most` characters of reasons, and as many of findings."""
    findings = _findings(ended, most)
    reason = ended.reason if len(ended.reason) <= most else f"{ended.reason[:most]}…"
    text = _text(ended, reason, findings)
    document = {
        "datasetGroup": ended.dataset_group or UNKNOWN,
        "status": ended.status,
        "summary": ended.summary,
        "description": findings or [reason] if ended.upload else text,
        "flow": ended.flow,
        "run": ended.run,
        "reason": reason or None,
        "file": ended.upload or None,
    }
    machine = json.dumps(document)
    return json.dumps(
        {
            "default": ended.short,
            "sms": shortened(ended.short, MOST_SMS),
            "email": text,
            "email-json": machine,
            "sqs": machine,
        }
    )


def _text(ended: Ended, reason: str, findings: list[str]) -> str:
    if ended.upload:
        wrong = "\n".join(f"- {it}" for it in findings or [reason])
        ours = ended.upload.endswith(f"/{postprocess_file.NAME}")
        mend = f"Please {postprocess_file.WAY_OUT}." if ours else _MEND
        parts = [f"{_REFUSED}: {ended.upload}", wrong, mend]
    elif ended.reason:
        what = f"There was an error running the {ended.workflow} job for {ended.what}"
        parts = [what, f"Message: {reason}"]
    else:
        job = "Personalization" if ended.workflow == "personalization" else ended.workflow
        parts = [f"The {job} job for {ended.what} is complete", "\n".join(ended.facts)]
        parts += [f"Link: {ended.console}" if ended.console else ""]
    return "\n\n".join([*filter(None, parts), f"Run: {ended.run} {ended.link}".rstrip()])


def _findings(ended: Ended, most: int) -> list[str]:
    told: list[str] = []
    for number, finding in enumerate(ended.findings):
        told.append(str(finding))
        if sum(map(len, told)) > most:
            left = len(ended.findings) - number
            return [*told[:-1], f"… and {left} more"]
    return told


def _subject(text: str) -> str:
    """Return it as a subject: ASCII, one line, short enough."""
    plain = " ".join(text.encode("ascii", "replace").decode().split())
    printable = "".join(it for it in plain if it.isprintable())
    return printable if len(printable) <= MOST_SUBJECT else f"{printable[: MOST_SUBJECT - 3]}..."
