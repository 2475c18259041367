"""Where a site is: points and vertices in lon/lat and in the UTM zone around it."""

from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline import geo
from pipeline.reports.document import Block, Cell, Paragraph, Section, Table
from pipeline.reports.words import Words

MOST_VERTICES = 40
"""Vertices that are printed; the GeoJSON has all."""
DEGREE_DECIMALS = 6
"""About 0.1 m."""


@dataclass(frozen=True, slots=True)
class Vertex:
    """One vertex of the outline."""

    part: int
    """Number of the polygon, from 1, the largest first."""
    hole: int
    """Number of the hole in it, from 1; 0 on the outer ring."""
    lon: float
    lat: float


def largest_first(geometry: BaseGeometry) -> list[BaseGeometry]:
    """Return the polygons of a geometry, the largest first, ties by place."""
    parts = shapely.get_parts(geometry).tolist()
    return sorted(parts, key=lambda p: (-geo.geodesic_area_ha(p), p.bounds))


def inside_point(geometry: BaseGeometry) -> tuple[float, float]:
    """Return (lon, lat) of a point that lies inside the largest part of a site."""
    point = largest_first(geometry)[0].representative_point()
    return point.x, point.y


def vertices(geometry: BaseGeometry) -> list[Vertex]:
    """Return the vertices of all rings, outer before holes; the vertex that closes a ring is left out."""
    return [
        Vertex(i, j, lon, lat)
        for i, part in enumerate(largest_first(geometry), 1)
        for j, ring in enumerate(_rings(part))
        for lon, lat in shapely.get_coordinates(ring)[:-1].tolist()
    ]


def _rings(part: BaseGeometry) -> list[BaseGeometry]:
    """Rings of a polygon, the outer one first."""
    return shapely.get_rings(part).tolist()


def corners(geometry: BaseGeometry) -> tuple[tuple[float, float], tuple[float, float], bool]:
    """Return the south-west and north-east corners of the bounding box, and whether it crosses the antimeridian.

    Where it does, the western corner has the greater longitude (RFC 7946, section 5.2).

    Examples
    --------
    >>> corners(shapely.union_all([shapely.box(179.9, 0, 180, 1), shapely.box(-180, 0, -179.8, 1)]))
    ((179.9, 0.0), (-179.8, 1.0), True)
    """
    west, south, east, north = geometry.bounds
    if east - west <= 180.0:
        return (west, south), (east, north), False
    parts = shapely.get_parts(geometry).tolist()
    west = min(p.bounds[0] for p in parts if p.bounds[0] > 0)
    east = max(p.bounds[2] for p in parts if p.bounds[2] < 0)
    return (west, south), (east, north), True


def zone_name(crs: str) -> str:
    """Return a UTM zone in full.

    Examples
    --------
    >>> zone_name("EPSG:32720")
    'WGS 84 / UTM 20S (EPSG:32720)'
    """
    code = int(crs.removeprefix("EPSG:"))
    return f"WGS 84 / UTM {code % 100}{'N' if code < 32700 else 'S'} ({crs})"


def in_zone(lon: float, lat: float, crs: str) -> tuple[int, int]:
    """Return (east, north) of a point in a UTM zone, rounded to metres."""
    ((east, north),) = shapely.get_coordinates(geo.reproject(shapely.Point(lon, lat), geo.WGS84, crs)).tolist()
    return round(east), round(north)


def _degree(words: Words, value: float, name: str) -> Cell:
    """A cell of a longitude or latitude."""
    return Cell(words.place(value, DEGREE_DECIMALS), name, f"{value:.{DEGREE_DECIMALS}f}", is_number=True)


def _point_cells(words: Words, lon: float, lat: float, crs: str) -> tuple[Cell, ...]:
    """The four cells of a point."""
    east, north = in_zone(lon, lat, crs)
    return (
        _degree(words, lon, "longitude"),
        _degree(words, lat, "latitude"),
        Cell(str(east), "east", str(east), is_number=True),
        Cell(str(north), "north", str(north), is_number=True),
    )


def places_section(words: Words, geometry: BaseGeometry) -> Section:
    """Return the coordinates of a site."""
    inside = inside_point(geometry)
    crs = geo.utm_crs(*inside)
    southwest, northeast, crosses = corners(geometry)
    axes = tuple(words.say(f"places.{k}") for k in ("longitude", "latitude", "east", "north"))
    named = (("inside", inside), ("southwest", southwest), ("northeast", northeast))
    points = tuple((Cell(words.say(f"places.{k}")), *_point_cells(words, *at, crs)) for k, at in named)
    blocks: list[Block] = [
        Paragraph(words.say("places.crs", zone=zone_name(crs))),
        Table(words.say("places.points_table"), (words.say("places.point"), *axes), points),
        *([Paragraph(words.say("places.antimeridian"))] if crosses else []),
        _outline(words, geometry, crs, axes),
    ]
    return Section("places", words.say("places.title"), tuple(blocks))


def _outline(words: Words, geometry: BaseGeometry, crs: str, axes: tuple[str, ...]) -> Table:
    """The vertices, as many as are printed."""
    found = vertices(geometry)
    rows = tuple(
        (Cell(str(i), is_number=True), Cell(_ring(words, v)), *_point_cells(words, v.lon, v.lat, crs))
        for i, v in enumerate(found[:MOST_VERTICES], 1)
    )
    rest = len(found) - len(rows)
    many = words.say("places.left_out", count=words.number(rest)) if rest > 0 else words.say("places.complete")
    head = (words.say("places.vertex"), words.say("places.part"), *axes)
    return Table(words.say("places.outline_table"), head, rows, f"{many} {words.say('places.approximate')}")


def _ring(words: Words, vertex: Vertex) -> str:
    """The name of a ring."""
    key = "places.ring_hole" if vertex.hole else "places.ring_outer"
    return words.say(key, part=vertex.part, hole=vertex.hole)
