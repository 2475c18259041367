"""One self-contained HTML map of a night: alerts over before and after pictures, titles, protected areas.

It opens without network and can reach none: its content security policy allows its own script and style by digest and
pictures from itself. Everything that comes from files is embedded as JSON and set as text by the page, so that no name
can become markup or script.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.alerts import DISCLAIMER, Alert
from pipeline.evidence import true_north_deg
from pipeline.tenure import ProtectedArea, Title

CONTEXT_MARGIN = 1.5
"""Titles and protected areas are cut so many lengths of the longer side outside of the pictures."""
CONTEXT_STEPS = 4000
"""Their outlines keep what is wider than the longer side divided by this: less than a screen shows."""
_BUNDLE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


@dataclass(frozen=True, slots=True)
class MapInputs:
    """What a map is made from."""

    title: str
    as_of: date
    aoi_id: str
    aoi_name: str
    is_simulated: bool
    grid_crs: str
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top in grid metres: what the pictures cover."""
    before_png: bytes
    after_png: bytes
    before_label: str
    after_label: str
    area: BaseGeometry
    """Lon/lat."""
    alerts: Sequence[Alert]
    disturbances: Sequence[Alert]
    titles: Sequence[Title]
    protected: Sequence[ProtectedArea]
    attribution: str


def _rings(geometry: BaseGeometry, inputs: MapInputs, detail_m: float = 0.0) -> list[list[list[float]]]:
    """Rings in metres right of and below the upper left corner of the pictures, to the decimetre."""
    left, top = inputs.bounds[0], inputs.bounds[3]
    local = geo.reproject(geometry, geo.WGS84, inputs.grid_crs)
    shape = shapely.simplify(local, detail_m) if detail_m else local
    return [
        [[round(x - left, 1), round(top - y, 1)] for x, y in ring.coords]
        for part in shapely.get_parts(shape).tolist()
        if part.geom_type == "Polygon" and not part.is_empty
        for ring in (part.exterior, *part.interiors)
    ]


def _context_rings(geometry: BaseGeometry, inputs: MapInputs) -> list[list[list[float]]]:
    """Rings of a title or protected area, cut well outside of the pictures and as fine as a screen shows."""
    left, bottom, right, top = inputs.bounds
    longer = max(right - left, top - bottom)
    window = shapely.box(left, bottom, right, top).buffer(CONTEXT_MARGIN * longer, join_style="mitre")
    near = shapely.box(*geo.reproject(window, inputs.grid_crs, geo.WGS84).bounds)
    return _rings(geo.polygons_only(geometry.intersection(near)), inputs, longer / CONTEXT_STEPS)


def _bundle_link(evidence: object) -> str | None:
    """A relative address of an evidence bundle, or None where the text is no plain path below the map."""
    return evidence if isinstance(evidence, str) and _BUNDLE.fullmatch(evidence) else None


def _alert(alert: Alert, inputs: MapInputs) -> dict[str, object]:
    """An alert for the page."""
    return {
        "id": alert.id,
        "rings": _rings(alert.geometry, inputs),
        "evidence": _bundle_link(alert.properties["evidence"]),
        "p": dict(alert.properties),
    }


def _title(title: Title, inputs: MapInputs) -> dict[str, object]:
    """A title for the page."""
    return {
        "rings": _context_rings(title.geometry, inputs),
        "name": f"{title.title_id} {title.name}".strip(),
        "facts": [
            ["Holder", title.holder or "not stated"],
            ["Kind", title.kind.replace("_", " ")],
            ["Status", title.status.replace("_", " ")],
            ["Valid", f"{title.valid_from or 'start not stated'} to {title.valid_to or 'end not stated'}"],
            ["Minerals", ", ".join(title.minerals) or "not stated"],
        ],
    }


def _protected(area: ProtectedArea, inputs: MapInputs) -> dict[str, object]:
    """A protected area or Indigenous territory for the page."""
    return {
        "rings": _context_rings(area.geometry, inputs),
        "name": area.name or area.area_id,
        "kind": area.kind,
        "facts": [["Kind", area.kind.replace("_", " ")], ["Register number", area.area_id]],
    }


def _embedded(document: object) -> str:
    """JSON that can stand inside a script element: no `<`, `>`, `&` or line separators of JavaScript."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for found in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(found, f"\\u{ord(found):04x}")
    return text


def _picture(png: bytes) -> str:
    """A PNG as a data address."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _corners(inputs: MapInputs) -> list[list[float]]:
    """Lon/lat of the picture's corners: top left, top right, bottom right, bottom left."""
    left, bottom, right, top = inputs.bounds
    corners = shapely.LineString([(left, top), (right, top), (right, bottom), (left, bottom)])
    return [[round(v, geo.COORDINATE_DECIMALS) for v in c] for c in geo.reproject(corners, inputs.grid_crs, geo.WGS84).coords]


def _data(inputs: MapInputs) -> dict[str, object]:
    """Everything the page shows."""
    left, bottom, right, top = inputs.bounds
    titles = [_title(t, inputs) for t in inputs.titles]
    protected = [_protected(a, inputs) for a in inputs.protected]
    return {
        "title": inputs.title, "as_of": inputs.as_of.isoformat(), "aoi": inputs.aoi_name,
        "simulated": inputs.is_simulated, "bounds": inputs.bounds, "corners": _corners(inputs),
        "north_deg": round(true_north_deg((left + right) / 2.0, (bottom + top) / 2.0, inputs.grid_crs), 2),
        "before": _picture(inputs.before_png), "after": _picture(inputs.after_png),
        "before_label": inputs.before_label, "after_label": inputs.after_label, "area": _rings(inputs.area, inputs),
        "alerts": [_alert(a, inputs) for a in inputs.alerts],
        "disturbances": [_alert(a, inputs) for a in inputs.disturbances],
        "titles": [t for t in titles if t["rings"]], "protected": [a for a in protected if a["rings"]],
        "attribution": inputs.attribution, "disclaimer": DISCLAIMER,
    }  # fmt: skip


def _part(name: str) -> str:
    """A part of the page, as it lies beside this module."""
    return files("pipeline.delivery").joinpath(name).read_text(encoding="utf-8")


def _sha256(text: str) -> str:
    """Digest of an inline element as a content security policy names it."""
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def map_html(inputs: MapInputs) -> str:
    """Return the page; the same inputs always give the same text.

    Notes
    -----
    Titles and protected areas farther away than `CONTEXT_MARGIN` are left out. The position under the pointer is
    interpolated between the corners: within a metre of the projection's own answer on 10 km.
    """
    style, script = _part("webmap.css"), _part("webmap.js")
    parts = {
        "STYLE_SHA256": _sha256(style), "SCRIPT_SHA256": _sha256(script), "STYLE": style, "SCRIPT": script,
        "DATA": _embedded(_data(inputs)),
    }  # fmt: skip
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found.group(1)], _part("webmap.html"))
