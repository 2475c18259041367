"""Community reports: what people say of places, apart from what was computed, and shared only as far as they consent.

A row of a file becomes a `Report` or is refused by name. Reports are linked to sites by distance alone; a link changes
nothing of an alert. Text, reporter, place and photos of a report stay in the store and in restricted listings.
"""

from pipeline.community.fields import RawReport, report_of
from pipeline.community.linking import LINK_M, Link, linked, reach_m, widest_by_site
from pipeline.community.records import (
    Consent,
    Decision,
    Photo,
    RefusalCode,
    Report,
    Sensitivity,
    Source,
    report_from,
    shared_scope,
)

__all__ = [
    "LINK_M",
    "Consent",
    "Decision",
    "Link",
    "Photo",
    "RawReport",
    "RefusalCode",
    "Report",
    "Sensitivity",
    "Source",
    "linked",
    "reach_m",
    "report_from",
    "report_of",
    "shared_scope",
    "widest_by_site",
]
