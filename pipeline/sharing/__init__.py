"""Sharing tiers: what of an alert each circle of readers may know. Alerts in, fewer and coarser records out.

Everything that leaves the operator goes through `shared`; the renderings know nothing that a shared record does not have.
"""

from pipeline.sharing.cells import cell_of
from pipeline.sharing.policy import (
    ALWAYS_SHARED,
    PLACE_TELLING,
    Dates,
    Place,
    Policy,
    Tier,
    TierRules,
    fields_of,
)
from pipeline.sharing.redaction import HeldBack, SharedAlert, Sharing, SharingFacts, pseudonym, shared

__all__ = [
    "ALWAYS_SHARED",
    "PLACE_TELLING",
    "Dates",
    "HeldBack",
    "Place",
    "Policy",
    "SharedAlert",
    "Sharing",
    "SharingFacts",
    "Tier",
    "TierRules",
    "cell_of",
    "fields_of",
    "pseudonym",
    "shared",
]
