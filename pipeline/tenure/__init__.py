"""Law: how a site relates to the mining titles of dated cadastre snapshots on a day, and why.

Receives outlines of sites, titles and the snapshots that told of them; hands on a finding with hectares and reasons.
It never says more than that a snapshot shows a title or shows none.
"""

from pipeline.tenure.assessment import SECOND_BEST, assess, boundary_dates
from pipeline.tenure.differences import ChangeKind, TitleChange, differences
from pipeline.tenure.findings import QUESTIONS, TenureRules, title_finding
from pipeline.tenure.index import AreaIndex, TitleIndex, protected_overlaps
from pipeline.tenure.minerals import mineral_names, minerals_sought
from pipeline.tenure.records import (
    AreaKind,
    CountryRules,
    Doubt,
    ProtectedArea,
    Refusal,
    Repair,
    RiverBuffer,
    Snapshot,
    Suspension,
    TenureFinding,
    TenureStatus,
    Title,
    TitleFinding,
    TitleKind,
    TitleStatus,
    UnknownCode,
)

__all__ = [
    "QUESTIONS",
    "SECOND_BEST",
    "AreaIndex",
    "AreaKind",
    "ChangeKind",
    "CountryRules",
    "Doubt",
    "ProtectedArea",
    "Refusal",
    "Repair",
    "RiverBuffer",
    "Snapshot",
    "Suspension",
    "TenureFinding",
    "TenureRules",
    "TenureStatus",
    "Title",
    "TitleChange",
    "TitleFinding",
    "TitleIndex",
    "TitleKind",
    "TitleStatus",
    "UnknownCode",
    "assess",
    "boundary_dates",
    "differences",
    "mineral_names",
    "minerals_sought",
    "protected_overlaps",
    "title_finding",
]
