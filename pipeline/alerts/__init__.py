"""Alerts: what is said about a site on a date, as one flat record with units in its names.

`ALERT_PROPERTIES` is the contract: the JSON Schema, the documentation and the writer are rendered from it. An alert
has three axes that nothing multiplies: detection state, tenure finding and review verdict.
"""

from pipeline.alerts.describe import AlertContext, alert_id_of, describe, describe_many, evidence_of
from pipeline.alerts.news import AlertRules, is_material, is_material_ground, restate
from pipeline.alerts.properties import (
    ALERT_PROPERTIES,
    DISCLAIMER,
    FOR_AGENCIES,
    SCHEMA_VERSION,
    SINCE_1_0,
    Activity,
    Alert,
    AlertProperty,
    AlertState,
    LikelyCause,
    is_for_agencies,
    is_open,
)

__all__ = [
    "ALERT_PROPERTIES",
    "DISCLAIMER",
    "FOR_AGENCIES",
    "SCHEMA_VERSION",
    "SINCE_1_0",
    "Activity",
    "Alert",
    "AlertContext",
    "AlertProperty",
    "AlertRules",
    "AlertState",
    "LikelyCause",
    "alert_id_of",
    "describe",
    "describe_many",
    "evidence_of",
    "is_for_agencies",
    "is_material",
    "is_material_ground",
    "is_open",
    "restate",
]
