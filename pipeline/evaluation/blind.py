"""Where the method cannot see: what follows from its rules, in sentences."""

from pipeline.config import ReferenceSection
from pipeline.sites import SiteRules


def blind_spots(rules: SiteRules | None = None, reference: ReferenceSection | None = None) -> tuple[str, ...]:
    """Return what cannot be found by construction, with the thresholds of the rules that are in force."""
    rules, reference = rules or SiteRules(), reference or ReferenceSection()
    return (
        f"Ground under {rules.mmu_ha:g} ha, or nowhere three pixels (30 m) wide, makes no site.",
        "Ground that was bare or open water in the reference: no vegetation is lost there, so new digging in an old mine, on a "
        "river bank or in a stream bed shows little or nothing.",
        f"Pixels with fewer than {reference.min_looks} clear looks in the reference are not watched.",
        "Seasons in which the ground is expected to be leafless are not watched.",
        "Under cloud nothing is seen; confirmation needs two clear looks on different days, so the lag follows the weather.",
        "Underground work, dredges on open water and processing without new bare ground leave no mark in 10 m pixels.",
        "No measured figure speaks of a landscape that has no section of real data here.",
    )
