"""One self-contained HTML map of a night: alerts over before and after pictures, titles, protected areas.

It opens without network. Everything that comes from files is embedded as JSON and set as text by the page, so that no
name can become markup or script.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.alerts import DISCLAIMER, Alert
from pipeline.tenure import ProtectedArea, Title


@dataclass(frozen=True)
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


def _rings(geometry: BaseGeometry, crs: str) -> list[list[list[float]]]:
    """Rings in grid metres, to the decimetre."""
    local = geo.reproject(geometry, geo.WGS84, crs)
    return [
        [[round(x, 1), round(y, 1)] for x, y in ring.coords]
        for part in shapely.get_parts(local).tolist()
        if part.geom_type == "Polygon"
        for ring in (part.exterior, *part.interiors)
    ]


def _alert(alert: Alert, crs: str) -> dict[str, object]:
    """An alert for the page."""
    return {"id": alert.id, "rings": _rings(alert.geometry, crs), "p": dict(alert.properties)}


def _title(title: Title, crs: str) -> dict[str, object]:
    """A title for the page."""
    return {
        "rings": _rings(title.geometry, crs),
        "name": f"{title.title_id} {title.name}".strip(),
        "lines": [
            f"holder: {title.holder or 'not stated'}",
            f"{title.kind.value.replace('_', ' ')}, {title.status.value}",
            f"{title.valid_from or 'start not stated'} to {title.valid_to or 'end not stated'}",
            f"minerals: {', '.join(title.minerals) or 'not stated'}",
        ],
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
    return [list(c) for c in geo.reproject(corners, inputs.grid_crs, geo.WGS84).coords]


def map_html(inputs: MapInputs) -> str:
    """Return the page; the same inputs always give the same text."""
    crs = inputs.grid_crs
    ground = shapely.box(*inputs.bounds)
    titles = [t for t in inputs.titles if geo.reproject(t.geometry, geo.WGS84, crs).intersects(ground)]
    data = {
        "title": inputs.title, "as_of": inputs.as_of.isoformat(), "aoi": inputs.aoi_name,
        "simulated": inputs.is_simulated, "bounds": inputs.bounds, "corners": _corners(inputs),
        "before": _picture(inputs.before_png), "after": _picture(inputs.after_png),
        "before_label": inputs.before_label, "after_label": inputs.after_label, "area": _rings(inputs.area, crs),
        "alerts": [_alert(a, crs) for a in inputs.alerts],
        "disturbances": [_alert(a, crs) for a in inputs.disturbances],
        "titles": [_title(t, crs) for t in titles],
        "protected": [{"rings": _rings(a.geometry, crs), "name": a.name or a.area_id, "kind": a.kind.value}
                      for a in inputs.protected],
        "attribution": inputs.attribution, "disclaimer": DISCLAIMER,
    }  # fmt: skip
    page = files("pipeline.delivery").joinpath("webmap.html").read_text(encoding="utf-8")
    return page.replace("/*DATA*/null", _embedded(data))
