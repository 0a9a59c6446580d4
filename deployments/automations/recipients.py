"""Who is told when something goes wrong: saved Prefect blocks that can notify, and webhooks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import BlockDocument
from prefect.events.actions import ActionTypes, CallWebhook, SendNotification
from prefect.exceptions import ObjectNotFound

from personalization.errors import ConfigError

# Prefect's block for any HTTP endpoint.  It is called; the other ones are asked to notify.
_WEBHOOK: Final = "webhook"
_NOTIFIES: Final = "notify"


@dataclass(frozen=True)
class Message:
    """What to say, as Jinja templates over the event and what it is about.

    facts  name → expression; they make the JSON body of a webhook's request
    """

    subject: str
    body: str
    facts: dict[str, str]

    @property
    def payload(self) -> str:
        """The webhook's body: every fact as JSON, so that quotes in it stay within it."""
        pairs = (f'"{name}": {{{{ ({it}) | tojson }}}}' for name, it in self.facts.items())
        return "{" + ", ".join(pairs) + "}"


@dataclass(frozen=True)
class Recipient:
    """A saved block that people hear from."""

    block: UUID
    called: bool

    def action(self, message: Message) -> ActionTypes:
        """Return what tells it."""
        if self.called:
            return CallWebhook(block_document_id=self.block, payload=message.payload)
        return SendNotification(
            block_document_id=self.block, subject=message.subject, body=message.body
        )


def recipients(client: SyncPrefectClient, names: Iterable[str]) -> tuple[Recipient, ...]:
    """Return the saved blocks of these names, `BLOCK_TYPE/NAME`.

    Raises ConfigError for a name of another form, a block that is not there, or one that cannot
    notify.
    """
    return tuple(_recipient(client, name) for name in dict.fromkeys(names))


def recipients_of(actions: Iterable[ActionTypes]) -> tuple[Recipient, ...]:
    """Return whom these actions tell."""
    return tuple(
        Recipient(it.block_document_id, isinstance(it, CallWebhook))
        for it in actions
        if isinstance(it, CallWebhook | SendNotification)
    )


def _recipient(client: SyncPrefectClient, name: str) -> Recipient:
    slug, _, block = name.partition("/")
    if not slug or not block:
        raise ConfigError(
            f"{name!r} names no block; write BLOCK_TYPE/NAME, such as slack-webhook/ops "
            "(`prefect block ls` shows them)"
        )
    try:
        found: BlockDocument = client.read_block_document_by_name(
            block, slug, include_secrets=False
        )
    except ObjectNotFound as error:
        raise ConfigError(
            f"there is no block {name}; save it in Prefect's UI under Blocks "
            "(`prefect block ls` shows those that are there)"
        ) from error
    able = found.block_schema.capabilities if found.block_schema else []
    if slug != _WEBHOOK and _NOTIFIES not in able:
        raise ConfigError(
            f"block {name} can tell nobody anything; name a notification block or a webhook"
        )
    return Recipient(found.id, slug == _WEBHOOK)
