"""What a bundle holds besides what was seen: timeline, ledger, cadastre and lineage, as files of one alert."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date
from typing import TYPE_CHECKING

import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from pipeline import __version__, geo
from pipeline.alerts import Alert
from pipeline.delivery import feature_collection
from pipeline.evidence import BundleFacts
from pipeline.io.events import Event
from pipeline.io.outputs import csv_text
from pipeline.ledger import LedgerRow
from pipeline.provenance import canonical_json
from pipeline.stages.looks import ATTRIBUTION, SIMULATED
from pipeline.tenure import Law, ProtectedArea, Snapshot, TenureRules, Title

if TYPE_CHECKING:
    from pipeline.stages.publish import Publication

SECTIONS = ("cube", "reference", "sites", "tenure", "alerts")
"""Sections of the configuration that what is said depends on; none of them can hold a secret."""


def extracts(work: "Publication", alert: Alert, events: Sequence[Event]) -> dict[str, bytes]:
    """Return the files of one alert that are read from store, cadastre and configuration.

    Parameters
    ----------
    work : Publication
    alert : Alert
    events : sequence of Event
        What was said of it up to this revision, oldest first.
    """
    day = date.fromisoformat(str(alert.properties["evaluated_on"]))
    return {
        "alert.geojson": feature_bytes(work, alert),
        "timeline.json": _timeline(work.area.id, events),
        "ledger.csv": _ledger(work, alert, day),
        "cadastre.geojson": _cadastre(alert, work.book.on(day), work.book.rules),
        "lineage.json": _lineage(work, alert),
    }


def facts_of(work: "Publication", alert: Alert, event: Event) -> BundleFacts:
    """Return what the manifest of an alert's bundle says."""
    said = alert.properties
    cadastre = said["cadastre"]
    return BundleFacts(
        alert_id=alert.id, revision=event.revision, site_id=str(said["site_id"]), aoi_id=work.area.id,
        schema_version=str(said["schema_version"]), evaluated_on=date.fromisoformat(str(said["evaluated_on"])),
        software=f"overburden {__version__}", model_id=str(said["model_id"]), config_digest=work.config_digest,
        cadastre=[str(s["sha256"]) for s in cadastre] if isinstance(cadastre, list) else [], event_hash=event.hash,
        attribution=SIMULATED if work.area.is_simulated else ATTRIBUTION, is_simulated=work.area.is_simulated,
    )  # fmt: skip


def _json(value: object) -> bytes:
    """JSON bytes for people; days as ISO text."""
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False, default=date.isoformat) + "\n").encode()


def feature_bytes(work: "Publication", alert: Alert) -> bytes:
    """Return the feature of an alert, the same as in the files of a night."""
    text = feature_collection([alert], aoi_id=work.area.id, as_of=work.as_of, manifest={})
    return _json(json.loads(text)["features"][0])


def _timeline(aoi_id: str, events: Sequence[Event]) -> bytes:
    """The events of an alert, with all that each one's hash is made from."""
    rows = [
        {
            "seq": e.seq, "aoi_id": aoi_id, "site_id": e.site_id, "alert_id": e.alert_id, "epoch": e.epoch,
            "revision": e.revision, "day": e.day.isoformat(), "payload": canonical_json(e.payload),
            "previous_hash": e.previous_hash, "hash": e.hash,
        }
        for e in events
    ]  # fmt: skip
    return _json({
        "how": "hash is the SHA-256 of the other members of an event as JSON with sorted names and no spaces; payload is the "
               "text of what was said; previous_hash is the hash of the event before, which may be of another site",
        "events": rows,
    })  # fmt: skip


def _ledger(work: "Publication", alert: Alert, day: date) -> bytes:
    """Rows of the ledger for the chunks that the site touches, and for the whole area, until a day."""
    outline = geo.reproject(alert.geometry, geo.WGS84, work.grid.crs)
    touched = {c.id for c in work.grid.chunks if shapely.box(*c.geobox.boundingbox).intersects(outline)} | {""}
    names = [f.name for f in fields(LedgerRow)]
    rows = (r for r in work.ledger if r.chunk_id in touched and (r.solar_day is None or r.solar_day <= day))
    return csv_text(names, ([getattr(r, n) for n in names] for r in rows)).encode()


# --- cadastre --------------------------------------------------------------------------------------------------------


def _cadastre(alert: Alert, law: Law, rules: TenureRules) -> bytes:
    """Titles and protected areas at the site as they were read, in full, and the snapshots that told of them."""
    told = {s.sha256: s for s in law.snapshots}
    reach_m = max((rules.tolerance_m(s) for s in law.snapshots), default=rules.tolerance_m())
    site = geo.polygons_only(alert.geometry)
    titles = [
        _title(title) for title in law.titles.near(site, reach_m)
        if _reaches(site, title.geometry, rules.tolerance_m(told.get(title.snapshot)))
    ]  # fmt: skip
    areas = [_area(a) for a in law.protected.near(site, rules.geolocation_m) if _reaches(site, a.geometry, rules.geolocation_m)]
    return _json({
        "type": "FeatureCollection",
        "snapshots": [_snapshot(s, rules) for s in law.snapshots],
        "features": [*titles, *areas],
    })  # fmt: skip


def _reaches(site: BaseGeometry, outline: BaseGeometry, metres: float) -> bool:
    """Whether an outline touches a site or lies no farther than so many metres from it."""
    return site.intersects(outline) or geo.distance_m(site, outline) <= metres


def _feature(layer: str, geometry: BaseGeometry, said: Mapping[str, object]) -> dict[str, object]:
    """One feature of the extract."""
    return {"type": "Feature", "geometry": mapping(geometry), "properties": {"layer": layer, **said}}


def _title(title: Title) -> dict[str, object]:
    """A title with everything that was read of it."""
    said = {f.name: getattr(title, f.name) for f in fields(title) if f.name != "geometry"}
    said["suspensions"] = [asdict(s) for s in title.suspensions]
    said["doubts"] = [asdict(d) for d in title.doubts]
    return _feature("title", title.geometry, said)


def _area(area: ProtectedArea) -> dict[str, object]:
    """A protected area or Indigenous territory."""
    said = {"area_id": area.area_id, "name": area.name, "kind": area.kind, "consent_required": area.consent_required}
    return _feature("protected_area", area.geometry, {**said, "snapshot": area.snapshot})


def _snapshot(snapshot: Snapshot, rules: TenureRules) -> dict[str, object]:
    """A snapshot, what reading it left out, and how near to a site its titles count."""
    return {
        **snapshot.as_object(),
        "refused": len(snapshot.refused),
        "repaired": len(snapshot.repaired),
        "columns": dict(snapshot.columns),
        "notes": list(snapshot.notes),
        "transformation": snapshot.transformation,
        "tolerance_m": round(rules.tolerance_m(snapshot), 1),
    }


# --- lineage ---------------------------------------------------------------------------------------------------------


def _lineage(work: "Publication", alert: Alert) -> bytes:
    """What the alert was made with."""
    return _json({
        "software": f"overburden {__version__}",
        "model_id": alert.properties["model_id"],
        "model_files": work.model.manifest.get("sha256"),
        "config_digest": work.config_digest,
        "configuration": {name: getattr(work.config, name).model_dump(mode="json") for name in SECTIONS},
        "grid": work.grid.crs,
        "cadastre": alert.properties["cadastre"],
    })  # fmt: skip
