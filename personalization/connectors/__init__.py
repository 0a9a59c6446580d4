"""Destinations.  Each is one file and one line here; others come by entry point or by name."""

from personalization.connectors.asked import build_for_job
from personalization.connectors.base import (
    BatchRefused,
    Connector,
    ConnectorConfig,
    Delivered,
    Limits,
    Membership,
    Rejected,
    Rendering,
    RequestLimits,
    Takes,
    TakesAttributes,
)
from personalization.connectors.braze import Braze
from personalization.connectors.customer_profiles import CustomerProfiles
from personalization.connectors.customerio import Customerio
from personalization.connectors.files import Files
from personalization.connectors.importing import (
    Addresses,
    Audience,
    ImportProgress,
    ImportTicket,
    RegistersEndpoints,
    TakesAudiences,
)
from personalization.connectors.klaviyo import Klaviyo
from personalization.connectors.pinpoint import Pinpoint
from personalization.connectors.proof import MayNotRead, unproven
from personalization.connectors.registry import build, connector_class, kinds, register
from personalization.connectors.tuning import Tuning
from personalization.connectors.webhook import Webhook

__all__ = [
    "Addresses",
    "Audience",
    "BatchRefused",
    "Braze",
    "Connector",
    "ConnectorConfig",
    "CustomerProfiles",
    "Customerio",
    "Delivered",
    "Files",
    "ImportProgress",
    "ImportTicket",
    "Klaviyo",
    "Limits",
    "MayNotRead",
    "Membership",
    "Pinpoint",
    "Rejected",
    "Rendering",
    "RequestLimits",
    "RegistersEndpoints",
    "Takes",
    "TakesAttributes",
    "TakesAudiences",
    "Tuning",
    "Webhook",
    "build",
    "build_for_job",
    "connector_class",
    "kinds",
    "register",
    "unproven",
]
