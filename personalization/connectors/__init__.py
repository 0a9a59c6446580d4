"""Destinations.  Each is one file and one line here; others come by entry point or by name."""

from personalization.connectors.base import (
    Addresses,
    Audience,
    Connector,
    ConnectorConfig,
    ImportProgress,
    ImportTicket,
    Limits,
    RegistersEndpoints,
    Takes,
    TakesAudiences,
)
from personalization.connectors.customer_profiles import CustomerProfiles
from personalization.connectors.pinpoint import Pinpoint
from personalization.connectors.registry import build, connector_class, kinds, register

__all__ = [
    "Addresses",
    "Audience",
    "Connector",
    "ConnectorConfig",
    "CustomerProfiles",
    "ImportProgress",
    "ImportTicket",
    "Limits",
    "Pinpoint",
    "RegistersEndpoints",
    "Takes",
    "TakesAudiences",
    "build",
    "connector_class",
    "kinds",
    "register",
]
