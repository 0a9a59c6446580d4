"""A saved destination: which connector, and its settings."""

from __future__ import annotations

from typing import Any, ClassVar

from prefect.blocks.core import Block
from prefect.types import SecretDict
from pydantic import Field

from personalization.aws import Clients
from personalization.connectors import Connector, build


class Destination(Block):
    """Where audiences and recommendations go."""

    _block_type_name: ClassVar[str] = "Personalization Destination"
    _block_type_slug: ClassVar[str] = "personalization-destination"
    _description: ClassVar[str] = "Where audiences and recommendations go."
    _code_example: ClassVar[str] = """```python
from blocks.aws import clients
from blocks.destination import Destination

destination = Destination.load("BLOCK_NAME")
destination.check(clients())
```"""

    settings: dict[str, Any] = Field(
        description="The connector's kind and its settings; the README lists them for each kind."
    )
    secrets: SecretDict = Field(
        default_factory=lambda: SecretDict({}),
        description="Settings that nobody may read: keys and tokens, by the connector's own names.",
    )

    @property
    def whole(self) -> dict[str, Any]:
        """All settings, the secrets among them."""
        return {**self.settings, **self.secrets.get_secret_value()}

    def connector(self, clients: Clients) -> Connector[Any]:
        """Return the connector, its settings checked; raises ConfigError if they are wrong."""
        return build(self.whole, clients)

    def check(self, clients: Clients) -> None:
        """Prove that the settings and the key work, without changing anything.

        Raises ConfigError for wrong settings, FatalError that says what refused (MayNotRead, if
        the key may only not make the read), RetryableError if it may pass.
        """
        self.connector(clients).check()
