"""One plausible alert, and looks at it, that the tests of documents and evidence share."""

from shapely import Point
from shapely.geometry.base import BaseGeometry

from pipeline.alerts import ALERT_PROPERTIES, DISCLAIMER, SCHEMA_VERSION, Alert
from pipeline.geo import to_lonlat

CRS = "EPSG:32720"
CENTRE = (500_000.0, 9_000_000.0)
"""On the central meridian of zone 20 south, where grid north is true north."""

PROPERTIES: dict[str, object] = {
    "site_id": "0f0f0f0f-0000-5000-8000-000000000001",
    "revision": 2,
    "schema_version": SCHEMA_VERSION,
    "aoi_id": "test-area",
    "state": "confirmed",
    "activity": "active",
    "likely_cause": "mining",
    "change_types": ["tailings", "pond"],
    "clearing_ha": 0.5,
    "tailings_ha": 2.0,
    "pond_ha": 0.5,
    "expansion_ha": 0.0,
    "area_ha": 3.0,
    "growth_30d_ha": None,
    "mining_probability": 0.91,
    "mining_terms": ["ponds for (+1.2)"],
    "model_id": "test/0.1.0+00000000",
    "first_detected_on": "2024-03-05",
    "confirmed_on": "2024-03-15",
    "last_detected_on": "2024-04-04",
    "reopened_on": None,
    "last_clear_unchanged_on": "2024-02-24",
    "clear_observations": 7,
    "tenure_status": "uncovered",
    "tenure_status_at_detection": "uncovered",
    "tenure_reasons": ["No title of the snapshot touches the site."],
    "tenure_reasons_at_detection": ["No title of the snapshot touches the site."],
    "titles": [],
    "uncovered_ha": 3.0,
    "uncovered_ha_at_detection": 3.0,
    "cadastre": [
        {"name": "titles", "register": "generic", "retrieved_on": "2024-01-31", "sha256": "ab" * 32, "title_count": 14}
    ],
    "protected_areas": [{"name": "Parque São José", "kind": "protected_area", "overlap_ha": 1.25, "consent_required": False}],
    "restrictions": [],
    "consent_required": "no",
    "priority": 61.5,
    "priority_terms": {"area": 5.5, "tenure": 56.0},
    "priority_version": "1",
    "evaluated_on": "2024-04-10",
    "scenes": ["S2A_20LKP_20240305_0_L2A"],
    "evidence": "evidence/11111111-1111-5111-8111-111111111111-r2.zip",
    "review_verdict": None,
    "merged_from": [],
    "split_from": None,
    "is_simulated": "no",
    "disclaimer": DISCLAIMER,
}


def outline(radius_m: float = 100.0, dx: float = 0.0, dy: float = 0.0) -> BaseGeometry:
    """A disc with a hole near the centre, lon/lat."""
    middle = Point(CENTRE[0] + dx, CENTRE[1] + dy)
    return to_lonlat(middle.buffer(radius_m) - middle.buffer(radius_m / 4), CRS)


def example(
    id_: str = "11111111-1111-5111-8111-111111111111", *, geometry: BaseGeometry | None = None, **changed: object
) -> Alert:
    """The alert, with some properties changed."""
    properties = {**PROPERTIES, **changed}
    assert list(PROPERTIES) == [p.name for p in ALERT_PROPERTIES]
    return Alert(id_, outline() if geometry is None else geometry, properties)
