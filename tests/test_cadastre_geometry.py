"""Outlines as they break: each is repaired with its hectares told, or refused by name; none disappears."""

import json
import math
import re
import sqlite3
import struct
from itertools import pairwise

import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import TitleGeometryError
from pipeline.io.cadastres import read_titles
from pipeline.io.cadastres.outlines import Drawing, read_outline
from pipeline.io.cadastres.transformations import LONLAT

SQUARE = [[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]


def at(*points):
    """A ring near Tarkwa, in hundredths of a degree."""
    return [[-2.0 + x / 100, 5.0 + y / 100] for x, y in points]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": [at(*ring) for ring in rings]}


def write(folder, *geometries, name="titles.geojson"):
    features = [{"type": "Feature", "properties": {"id": f"L{n}"}, "geometry": g} for n, g in enumerate(geometries, start=1)]
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def table(folder, *texts):
    """A CSV with outlines in well-known text, in hundredths of a degree."""
    path = folder / "titles.csv"
    path.write_text("WKT;id\n" + "".join(f'"{text}";L{n}\n' for n, text in enumerate(texts, start=1)), encoding="utf-8")
    return path


def squares(outline):
    """Area in squares of a hundredth of a degree."""
    return outline.area * 1e4


def around(title, before, after, hectares_per_square=122.8):
    (repair,) = title.repaired
    assert repair.before_ha == pytest.approx(before * hectares_per_square, rel=0.01, abs=0.1)
    assert repair.after_ha == pytest.approx(after * hectares_per_square, rel=0.01, abs=0.1)
    return repair.reason


# --- repaired ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rings", "before", "after", "reason"), [
    ([[[0, 0], [4, 4], [4, 0], [0, 4], [0, 0]]], 0, 8, "Self-intersection.*loops that turn against each other cancel"),
    ([[[0, 0], [4, 0], [4, 4], [2, 4], [1, 5], [3, 5], [2, 4], [0, 4], [0, 0]]], 15, 17, "Ring Self-intersection.*cancel"),
    ([[[2, 1], [0, 1], [0, 0], [2, 1], [0, 1], [0, 2], [3, 1], [0, 0], [1, 1], [1, 0], [2, 1]]], 1, 8 / 3, "Self-intersection"),
    ([[[0, 4], [4, 4], [0, 4], [0, 0], [4, 4], [0, 4]]], 8, 8, "Self-intersection"),
    ([[*SQUARE, *SQUARE[1:]]], 32, 16, "Self-intersection"),
    ([SQUARE, [[1, 1], [3, 1], [3, 2], [1, 2], [1, 1]], [[2, 1], [3, 1], [3, 3], [2, 3], [2, 1]]], 12, 13, "Self-intersection"),
    ([SQUARE, [[5, 0], [6, 0], [6, 1], [5, 1], [5, 0]]], 15, 16, "Hole lies outside shell"),
    ([SQUARE, [[3, 1], [5, 1], [5, 2], [3, 2], [3, 1]]], 14, 15, "Self-intersection"),
    ([[[0, 0], [4, 0], [4, 4], [4, 6], [4, 4], [0, 4], [0, 0]]], 16, 16, "Self-intersection"),
], ids=[
    "bow-tie", "ear", "knot", "edge-thrice", "twice", "holes-overlap", "hole-outside", "hole-half-outside", "spike",
])  # fmt: skip
def test_a_broken_outline_keeps_the_ground_it_runs_round(tmp_path, rings, before, after, reason):
    (title,), snapshot = read_titles(write(tmp_path, polygon(*rings)))
    assert title.geometry.is_valid
    assert squares(title.geometry) == pytest.approx(after)
    assert re.search(reason, around(snapshot, before, after))


def test_the_middle_of_a_star_is_not_cut_out(tmp_path):
    star = [[0, 3], [2, -3], [-3, 1], [3, 1], [-2, -3], [0, 3]]
    (title,), _ = read_titles(write(tmp_path, polygon(star)))
    assert title.geometry.contains(shapely.Point(-2.0, 5.0))


def test_an_open_ring_is_closed_and_told(tmp_path):
    (title,), snapshot = read_titles(write(tmp_path, polygon(SQUARE[:-1])))
    assert squares(title.geometry) == pytest.approx(16)
    assert around(snapshot, 16, 16) == "a ring was not closed"


def test_open_rings_of_well_known_text_are_told_as_well(tmp_path):
    titles, snapshot = read_titles(table(tmp_path, "POLYGON((0 0,4 0,4 4,0 4))", "POLYGON((0 0,4 0,4 4,0 0))"), crs="EPSG:4326")
    assert len(titles) == 2
    assert [(r.title_id, r.reason) for r in snapshot.repaired] == [("L1", "a ring was not closed")]


def test_a_ring_that_touches_itself_and_repeats_its_points_loses_nothing(tmp_path):
    touching = [[0, 0], [0, 0], [4, 0], [4, 4], [2, 4], [2, 4], [3, 2], [1, 2], [2, 4], [0, 4], [0, 0]]
    (title,), snapshot = read_titles(write(tmp_path, polygon(touching)))
    assert squares(title.geometry) == pytest.approx(14)
    assert around(snapshot, 14, 14) == "Ring Self-intersection[-1.98 5.04]"


def test_polygons_in_collections_in_collections_are_taken_out(tmp_path):
    inner = {"type": "GeometryCollection", "geometries": [polygon(SQUARE), {"type": "Point", "coordinates": [-2, 5]}]}
    (title,), snapshot = read_titles(write(tmp_path, {"type": "GeometryCollection", "geometries": [inner]}))
    assert squares(title.geometry) == pytest.approx(16)
    assert around(snapshot, 16, 16) == "polygons taken from a GeometryCollection"


def test_nested_and_overlapping_parts_count_once(tmp_path):
    parts = [[at(*SQUARE)], [at([1, 1], [2, 1], [2, 2], [1, 2], [1, 1])], [at([3, 0], [5, 0], [5, 4], [3, 4], [3, 0])]]
    (title,), snapshot = read_titles(write(tmp_path, {"type": "MultiPolygon", "coordinates": parts}))
    assert squares(title.geometry) == pytest.approx(20)
    around(snapshot, 25, 20)


def test_heights_and_measures_are_left_out(tmp_path):
    texts = [
        "POLYGON Z((0 0 9,4 0 9,4 4 9,0 0 9))",
        "POLYGON M((0 0 9,4 0 9,4 4 9,0 0 9))",
        "POLYGON ZM((0 0 9 8,4 0 9 8,4 4 9 8,0 0 9 8))",
    ]
    titles, snapshot = read_titles(table(tmp_path, *texts), crs="EPSG:4326")
    assert [(t.geometry.area, t.geometry.has_z, t.geometry.has_m) for t in titles] == [(8, False, False)] * 3
    assert snapshot.repaired == ()


# --- arcs -------------------------------------------------------------------------------------------------------------

CIRCLE = "CURVEPOLYGON(CIRCULARSTRING(0 0,0.01 0.01,0.02 0,0.01 -0.01,0 0))"
CHIP = "((0.05 0,0.06 0,0.06 0.01,0.05 0))"


@pytest.mark.parametrize(("text", "corners"), [(CIRCLE, 0.0), (f"MULTISURFACE({CIRCLE},{CHIP})", 0.00005)])
def test_arcs_are_drawn_in_steps_and_their_loss_is_told(tmp_path, text, corners):
    (title,), snapshot = read_titles(table(tmp_path, text), crs="EPSG:4326")
    (repair,) = snapshot.repaired
    exact = math.pi * 0.01**2 + corners
    stepped = 90 * math.sin(math.radians(4)) / 2 * 0.01**2 + corners  # 90 triangles about the centre
    assert title.geometry.area == pytest.approx(stepped, rel=1e-6)
    assert repair.reason.startswith("its arcs were drawn in straight steps of 4 degrees")
    assert repair.after_ha / repair.before_ha == pytest.approx(stepped / exact, rel=1e-5)
    assert repair.before_ha - repair.after_ha == pytest.approx(0.32, abs=0.02)


def test_parts_without_arcs_lose_nothing(tmp_path):
    titles, snapshot = read_titles(table(tmp_path, f"MULTISURFACE({CHIP})", f"CURVEPOLYGON{CHIP}"), crs="EPSG:4326")
    assert [t.geometry.area for t in titles] == pytest.approx([0.00005] * 2)
    assert snapshot.repaired == ()


def test_arcs_of_a_geopackage_are_told(tmp_path):
    path = tmp_path / "titles.gpkg"
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([shapely.box(0, 0, 0.01, 0.01)]), geometry_type="Unknown", crs="EPSG:4326",
        field_data=[np.array(["L1"], dtype=object)], fields=["id"], driver="GPKG", layer="titles", SPATIAL_INDEX="NO",
    )  # fmt: skip
    arc = struct.pack("<BII10d", 1, 8, 5, 0, 0, 0.01, 0.01, 0.02, 0, 0.01, -0.01, 0, 0)
    blob = b"GP\x00\x01" + struct.pack("<i", 4326) + struct.pack("<BII", 1, 10, 1) + arc
    base = sqlite3.connect(path)
    base.execute("INSERT INTO titles(geom, id) VALUES (?, 'L2')", (blob,))
    base.commit()
    base.close()
    titles, snapshot = read_titles(path)
    assert len(titles) == 2
    assert [(r.title_id, r.reason) for r in snapshot.repaired] == [("L2", "its arcs were drawn in straight steps of 4 degrees")]


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "kind", "reason"), [
    ("TIN(((0 0 0,1 0 0,1 1 0,0 0 0)))", "TIN", "it is a TIN, expected a polygon"),
    ("POLYHEDRALSURFACE(((0 0 0,1 0 0,1 1 0,0 0 0)))", "PolyhedralSurface", "it is a PolyhedralSurface"),
    ("TRIANGLE((0 0,1 0,1 1,0 0))", "Triangle", "it is a Triangle"),
    ("CIRCULARSTRING(0 0,1 1,2 0)", "CircularString", "expected a polygon"),
    (f"GEOMETRYCOLLECTION({CIRCLE},POINT(0 0))", "GeometryCollection with arcs", "it is a GeometryCollection with arcs"),
    ("POLYGON EMPTY", "Polygon", "is empty"),
    ("MULTIPOLYGON EMPTY", "MultiPolygon", "is empty"),
    ("GEOMETRYCOLLECTION EMPTY", "GeometryCollection", "is empty"),
    ("POLYGON((0 0,nan 0,1 1,0 0))", "Polygon", "coordinates that are no numbers"),
    ("POLYGON((0 0,1 1,0 0))", "Polygon", "has no area"),
    ("POLYGON((0 0,0 0,0 0,0 0))", "Polygon", "has no area"),
    ("POLYGON((0 0,4 0,4 4,0 4,0 0),(0 0,4 0,4 4,0 4,0 0))", "Polygon", "has no area"),
    ("POINT(0 0)", "Point", "it is a Point"),
    ("LINESTRING(0 0,1 1,2 0,0 0)", "LineString", "it is a LineString"),
    ("no geometry", "null", "no geometry, or one that cannot be read"),
    ("", "null", "no geometry"),
])  # fmt: skip
def test_what_has_no_ground_is_refused_by_name(tmp_path, text, kind, reason):
    titles, snapshot = read_titles(table(tmp_path, "POLYGON((0 0,4 0,4 4,0 4,0 0))", text), crs="EPSG:4326")
    assert [t.title_id for t in titles] == ["L1"]
    (refusal,) = snapshot.refused
    assert (refusal.title_id, refusal.feature, refusal.geometry_type) == ("L2", 2, kind)
    assert reason in refusal.reason


def test_a_ring_of_one_point_is_refused_by_name(tmp_path):
    _, snapshot = read_titles(write(tmp_path, polygon(SQUARE), polygon([[0, 0]])))
    assert [(r.title_id, r.geometry_type) for r in snapshot.refused] == [("L2", "Polygon")]
    assert "fewer than three points" in snapshot.refused[0].reason


def test_a_stray_with_swapped_axes_is_refused_where_that_is_certain(tmp_path):
    many = [polygon([[n, 0], [n + 1, 0], [n + 1, 1], [n, 0]]) for n in range(20)]
    swapped = {"type": "Polygon", "coordinates": [[[y, x] for x, y in at(*SQUARE)]]}
    titles, snapshot = read_titles(write(tmp_path, *many, swapped))
    assert len(titles) == 20
    (refusal,) = snapshot.refused
    assert refusal.reason == "it lies far from every other outline, and among them with lat and lon swapped"
    assert refusal.location.bounds == pytest.approx((-2.0, 5.0, -1.96, 5.04))


def test_a_stray_that_is_no_degrees_unless_swapped_says_so(tmp_path):
    there = [[110, -2], [111, -2], [111, -1], [110, -2]]
    here, swapped = ({"type": "Polygon", "coordinates": [[[p[a], p[1 - a]] for p in there]]} for a in (0, 1))
    _, snapshot = read_titles(write(tmp_path, here, here, swapped))
    assert snapshot.refused[0].reason == "its coordinates (-2, 110) are degrees only with lat and lon swapped"
    assert snapshot.refused[0].location.bounds == (110, -2, 111, -1)


# --- nothing disappears -----------------------------------------------------------------------------------------------

POINTS = st.tuples(st.integers(0, 6), st.integers(0, 6))
RINGS = st.lists(POINTS, min_size=3, max_size=8).map(lambda ring: [*ring, ring[0]])
SHAPES = st.one_of(
    st.builds(lambda rings: polygon(*rings), st.lists(RINGS, min_size=1, max_size=3)),
    st.builds(lambda ring: polygon(ring[:-1]), RINGS),
    st.builds(
        lambda parts: {"type": "MultiPolygon", "coordinates": [[at(*ring)] for ring in parts]},
        st.lists(RINGS, min_size=1, max_size=3),
    ),
    st.builds(lambda ring: {"type": "GeometryCollection", "geometries": [polygon(ring), polygon(ring)]}, RINGS),
    st.builds(lambda p: {"type": "Point", "coordinates": at(p)[0]}, POINTS),
    st.sampled_from([None, polygon(), polygon([]), polygon([[0, 0]]), {"type": "Circle", "coordinates": [0, 0]}]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SHAPES, min_size=1, max_size=6))
def test_every_feature_is_a_title_or_refused(tmp_path, shapes):
    try:
        titles, snapshot = read_titles(write(tmp_path, polygon(SQUARE), *shapes))
    except TitleGeometryError:
        pytest.fail("the first feature is sound")
    assert len(titles) + len(snapshot.refused) == 1 + len(shapes)
    assert sorted([t.title_id for t in titles] + [r.title_id for r in snapshot.refused]) == sorted(
        f"L{n}" for n in range(1, len(shapes) + 2)
    )
    assert all(t.geometry.is_valid and t.geometry.area > 0 for t in titles)
    assert all(repair.after_ha > 0 for repair in snapshot.repaired)


def winding(ring, point):
    """How often a ring runs round a point, by the angles of its corners."""
    turned = 0.0
    for (ax, ay), (bx, by) in pairwise(ring):
        a, b = math.atan2(ay - point.y, ax - point.x), math.atan2(by - point.y, bx - point.x)
        turned += (b - a + math.pi) % (2 * math.pi) - math.pi
    return round(turned / (2 * math.pi))


SPOTS = [shapely.Point(0.0131 + 6 * i / 15, 0.0277 + 6 * j / 15) for i in range(15) for j in range(15)]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(RINGS)
def test_the_ground_of_any_ring_is_what_it_runs_round(ring):
    """Spots all over the place: in the ground where the ring runs round them, worked out without repairing anything."""
    outline = read_outline(Drawing(shapely.Polygon(ring), "Polygon"), LONLAT)
    ground = shapely.GeometryCollection() if outline.geometry is None else outline.geometry
    assert ground.is_valid
    line = shapely.LineString(ring)
    for spot in SPOTS:
        if line.distance(spot) > 1e-6:
            assert ground.contains(spot) == (winding(ring, spot) != 0)
