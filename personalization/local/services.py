"""The services of ours that the server mounts beside moto's.

Each is made from clients of the server itself (they read and write S3 as anyone would) and the
pace at which their resources change state.
"""

from __future__ import annotations

from collections.abc import Callable

from personalization.aws import Clients
from personalization.local import pinpoint, profiles
from personalization.local.pace import Pace
from personalization.local.personalize import service as personalize
from personalization.local.wire import Service

SERVICES: tuple[Callable[[Clients, Pace], Service], ...] = (
    personalize.control_plane,
    personalize.runtime,
    personalize.events,
    pinpoint.service,
    profiles.service,
)
