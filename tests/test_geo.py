"""Hectares, metres and output coordinates against numbers that do not come from our own code."""

import math

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Transformer
from shapely.affinity import translate
from shapely.geometry import LineString, MultiPolygon, Polygon, box

from pipeline import geo


def square(lon: float, lat: float, side_m: float = 100.0) -> Polygon:
    """A square of the local UTM zone as lon/lat."""
    zone = geo.utm_crs(lon, lat)
    x, y = Transformer.from_crs("EPSG:4326", zone, always_xy=True).transform(lon, lat)
    return geo.reproject(box(x, y, x + side_m, y + side_m), zone, geo.WGS84)


@given(st.floats(-179, 179), st.floats(-70, 70))
def test_a_hectare_is_a_hectare_everywhere(lon: float, lat: float) -> None:
    assert geo.geodesic_area_ha(square(lon, lat)) == pytest.approx(1.0, rel=2.1e-3)  # the scale of UTM: 0.9996 to 1.001


def test_a_degree_at_the_equator_is_what_the_ellipsoid_says() -> None:
    """Zone between two parallels (Snyder 1987, eq. 3-11 and 3-12): b^2/2 [sin/(1 - e^2 sin^2) + atanh(e sin)/e]."""
    a, f = 6378137.0, 1 / 298.257223563
    e, s = math.sqrt(f * (2 - f)), math.sin(math.radians(1))
    zone = (a * (1 - f)) ** 2 / 2 * (s / (1 - (e * s) ** 2) + math.atanh(e * s) / e)
    assert geo.geodesic_area_ha(box(0, 0, 1, 1)) == pytest.approx(math.radians(1) * zone / 1e4, rel=1e-4)


def test_overlapping_parts_count_once_and_holes_not_at_all() -> None:
    one = geo.geodesic_area_ha(square(-63, -9))
    assert geo.geodesic_area_ha(MultiPolygon([square(-63, -9), square(-63, -9)])) == pytest.approx(one)
    outer, inner = square(-63, -9, 300), square(-63, -9, 100)
    assert geo.geodesic_area_ha(outer.difference(inner)) == pytest.approx(8.0, rel=2e-3)
    assert geo.geodesic_area_ha(Polygon()) == 0.0


def test_winding_does_not_change_an_area() -> None:
    shape = square(-63, -9)
    assert geo.geodesic_area_ha(shape.reverse()) == pytest.approx(geo.geodesic_area_ha(shape))


@pytest.mark.parametrize(
    ("lon", "lat", "zone"), [(-63, -9, 32720), (26.1, 45.6, 32635), (-180, 0, 32601), (179.9, -1, 32760), (180, 1, 32601)]
)
def test_utm_zones(lon: float, lat: float, zone: int) -> None:
    assert geo.utm_crs(lon, lat) == f"EPSG:{zone}"


def test_distance_and_buffer_are_metres_on_the_ground() -> None:
    a = square(-63, -9)
    b = translate(a, 0.01)  # 0.01 degrees of longitude at 9 S: 1100 m
    assert geo.distance_m(a, b) == pytest.approx(1113.195 * math.cos(math.radians(9)) - 100, rel=5e-3)
    assert geo.geodesic_area_ha(geo.buffer_m(a, 50)) == pytest.approx(1 + 4 * 0.5 + math.pi * 0.25, rel=5e-3)
    assert geo.buffer_m(a, -60).is_empty


def test_a_bow_tie_loses_nothing() -> None:
    tie = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])
    assert geo.polygons_only(tie).area == pytest.approx(2.0)
    assert geo.polygons_only(shapely.GeometryCollection([tie, LineString([(0, 0), (9, 9)])])).area == pytest.approx(2.0)
    assert geo.polygons_only(LineString([(0, 0), (1, 1)])).is_empty


def test_output_is_wound_and_rounded_as_rfc_7946_says() -> None:
    shape = geo.to_lonlat(
        box(5e5, 9e6, 5.001e5, 9.0001e6).difference(box(500_030, 9_000_030, 500_060, 9_000_060)), "EPSG:32720"
    )
    assert shape.exterior.is_ccw
    assert not shape.interiors[0].is_ccw
    assert all(round(v, 7) == pytest.approx(v, abs=1e-12) for point in shape.exterior.coords for v in point)


def test_what_crosses_the_antimeridian_is_cut_there() -> None:
    cut = geo.split_antimeridian(box(179.5, -17, 180.5, -16))
    assert sorted(p.bounds for p in cut.geoms) == [(-180.0, -17.0, -179.5, -16.0), (179.5, -17.0, 180.0, -16.0)]


def test_web_mercator_measures_nothing() -> None:
    assert geo.is_projected_in_metres("EPSG:32720")
    assert not geo.is_projected_in_metres("EPSG:3857")
    assert not geo.is_projected_in_metres("EPSG:4326")
    assert not geo.is_projected_in_metres("EPSG:2263")  # US feet
