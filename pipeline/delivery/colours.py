"""Colours of tenure findings, after Okabe and Ito; they order nothing and accuse nobody."""

from collections.abc import Mapping

from pipeline.tenure import TenureStatus

Colour = tuple[int, int, int]
OTHER: Colour = (120, 120, 120)
STATUS_COLOURS: Mapping[TenureStatus, Colour] = {
    TenureStatus.UNCOVERED: (213, 94, 0),
    TenureStatus.PARTLY_COVERED: (230, 159, 0),
    TenureStatus.LAPSED: (204, 121, 167),
    TenureStatus.NOT_YET_VALID: (204, 121, 167),
    TenureStatus.STAGE_MISMATCH: (204, 121, 167),
    TenureStatus.COMMODITY_MISMATCH: (204, 121, 167),
    TenureStatus.SUSPENDED: (204, 121, 167),
    TenureStatus.FORMALISATION_ZONE: (86, 180, 233),
    TenureStatus.WITHIN_TOLERANCE: (86, 180, 233),
    TenureStatus.COVERED: (0, 158, 115),
    TenureStatus.UNKNOWN: OTHER,
}
