"""Law: how a site relates to the mining titles of dated cadastre snapshots on a day, and why.

Receives outlines of sites, titles and the snapshots that told of them; hands on a finding with hectares and reasons.
It never says more than that a snapshot shows a title or shows none.
"""

from pipeline.tenure.assessment import SECOND_BEST, assess, assess_many
from pipeline.tenure.differences import ChangeKind, TitleChange, differences
from pipeline.tenure.findings import QUESTIONS, TenureRules, title_finding
from pipeline.tenure.index import AreaIndex, RiverIndex, Sites, TitleIndex, protected_overlaps, protected_overlaps_many
from pipeline.tenure.law import Law, LawBook, combined, is_touched
from pipeline.tenure.minerals import mineral_names, minerals_sought
from pipeline.tenure.records import (
    AreaKind,
    CountryRules,
    Doubt,
    ProtectedArea,
    Refusal,
    Repair,
    River,
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
from pipeline.tenure.register_side import (
    Detection,
    Listing,
    RegisterFinding,
    RegisterFindingKind,
    listing_over,
    titles_after_detections,
    titles_in_protected,
    titles_without_work,
)
from pipeline.tenure.restrictions import land_properties, land_properties_many, restrictions
from pipeline.tenure.turning import boundary_dates, turning_days

__all__ = [
    "QUESTIONS",
    "SECOND_BEST",
    "AreaIndex",
    "AreaKind",
    "ChangeKind",
    "CountryRules",
    "Detection",
    "Doubt",
    "Law",
    "LawBook",
    "Listing",
    "ProtectedArea",
    "Refusal",
    "RegisterFinding",
    "RegisterFindingKind",
    "Repair",
    "River",
    "RiverBuffer",
    "RiverIndex",
    "Sites",
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
    "assess_many",
    "boundary_dates",
    "combined",
    "differences",
    "is_touched",
    "land_properties",
    "land_properties_many",
    "listing_over",
    "mineral_names",
    "minerals_sought",
    "protected_overlaps",
    "protected_overlaps_many",
    "restrictions",
    "title_finding",
    "titles_after_detections",
    "titles_in_protected",
    "titles_without_work",
    "turning_days",
]
