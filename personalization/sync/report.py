"""What a run of a connector job came to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from personalization.aws import S3Path
from personalization.connectors.importing import outcome
from personalization.delivery import Receipt
from personalization.errors import (
    ConfigError,
    FatalError,
    Finding,
    PersonalizeFlowsError,
    RetryableError,
)


@dataclass(frozen=True)
class PartReceipt:
    """The receipt of one part of a connector's work: the recommendations, or an audience.

    counts  of what the part was made of, by name
    said    why the first of the rejected was; empty if nobody was
    """

    connector: str
    part: str
    receipt: Receipt
    counts: Mapping[str, int] = field(default_factory=dict)
    said: str = ""

    def row(self) -> dict[str, Any]:
        """Return it as a row of a table."""
        it = self.receipt
        return {
            "connector": self.connector,
            "part": self.part,
            "sent": it.sent,
            "accepted": it.accepted,
            "rejected": it.rejected,
            "skipped unchanged": it.skipped_unchanged,
            "cleared": it.cleared,
            "seconds": round(it.seconds, 1),
            "requests": it.requests,
            "no recommendations": self.counts.get("without_recommendations", 0),
            "faulty lines": self.counts.get("errors", 0) + self.counts.get("broken", 0),
        }


@dataclass
class SyncReport:
    """Receipts of the connectors that came to their end, and why others did not.

    outputs  by connector: the folder with what was sent, dead letters and receipts
    """

    receipts: list[PartReceipt] = field(default_factory=list)
    outputs: dict[str, S3Path] = field(default_factory=dict)
    failures: dict[str, PersonalizeFlowsError] = field(default_factory=dict)

    @contextmanager
    def outcome(self, connector: str) -> Iterator[None]:
        """Note one of our errors as the connector's failure, and go on after it."""
        try:
            yield
        except PersonalizeFlowsError as error:
            self.failures[connector] = error

    def rows(self) -> list[dict[str, Any]]:
        """Return the receipts as a table."""
        return [it.row() for it in self.receipts]

    def total(self, what: str) -> int:
        """Return a number of all receipts together, such as "accepted"."""
        return sum(getattr(it.receipt, what) for it in self.receipts)

    def close(self, job: str) -> None:
        """Raise one error that names all failures, if there are any.

        A destination that rejected everybody whom it was sent has failed, too, unless it holds more
        users who had nothing new.
        ConfigError with all findings, or RetryableError, if every failure is one; else FatalError.
        """
        for name in dict.fromkeys(it.connector for it in self.receipts):
            if name not in self.failures:
                with self.outcome(name):
                    self._refuse_fruitless(name)
        if not self.failures:
            return
        errors = list(self.failures.values())
        said = "; ".join(f"{name}: {it.headline}" for name, it in self.failures.items())
        whole = f"{len(errors)} connector(s) of {job} failed: {said}"
        if all(isinstance(it, RetryableError) for it in errors):
            raise RetryableError(whole) from errors[0]
        if all(isinstance(it, ConfigError) for it in errors):
            raise ConfigError(whole, self._findings()) from errors[0]
        findings = "".join(f"\n  - {it}" for it in self._findings())
        raise FatalError(f"{whole}{findings}") from errors[0]

    def _refuse_fruitless(self, connector: str) -> None:
        """Raise FatalError if every user who was sent was rejected, unless the others are more.

        Otherwise one user whom the destination never takes would fail every run that has nothing
        else to send.
        """
        mine = [it for it in self.receipts if it.connector == connector]
        rejected = sum(it.receipt.rejected for it in mine)
        others = sum(it.receipt.skipped_unchanged for it in mine)
        fruitless = outcome(sum(it.receipt.accepted for it in mine), rejected) == "failed"
        if fruitless and rejected >= others:
            said = next(it.said for it in mine if it.receipt.rejected)
            raise FatalError(
                f"accepted none of the {rejected} user(s) that it was sent, the first because: "
                f"{said}; the dead letters in {self.outputs[connector]} say all, and can be "
                "replayed"
            )

    def _findings(self) -> Iterator[Finding]:
        for error in self.failures.values():
            if isinstance(error, ConfigError):
                yield from error.findings
