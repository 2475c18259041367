"""The observation ledger: for every chunk and scene, what was seen of the ground, or why nothing was.

It tells "clear and nothing there" from "not seen".
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a scene over a chunk."""

    MONITORED = "monitored"
    """Its clear pixels were compared with the reference."""
    REFERENCE = "reference"
    """Its clear pixels count towards the reference; changes are not looked for yet."""
    FAILED = "failed"
    """It could not be used; the reason has the named error."""
    SUPERSEDED = "superseded"
    """Another scene shows the same ground of the same datatake better; the reason names it."""
    EMPTY = "empty"
    """It holds no data over the chunk."""
    NOT_LISTED = "not_listed"
    """The orbit's revisit says that the satellite passed, and the catalogue has no item of it."""


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One scene over one chunk. Shares are of the acquisition (all scenes of its solar day) over the area's pixels."""

    aoi_id: str
    chunk_id: str
    """Empty for items that belong to no chunk: unusable or superseded ones."""
    scene_id: str
    solar_day: date | None
    sensed_at: str
    processing_baseline: str
    outcome: Outcome
    clear_pct: float | None
    cloudy_pct: float | None
    not_imaged_pct: float | None
    reason: str
