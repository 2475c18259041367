"""Datum shifts: outlines against the published parameters, worked out here with plain formulas; accuracies as published.

Parameters are those of the EPSG register: ellipsoids, projections, and three-parameter geocentric translations.
"""

import json
import math

import pytest
from pyproj import CRS

from pipeline.errors import CadastreAxisOrderError, CadastreWithoutCrsError
from pipeline.io.cadastres import read_titles
from pipeline.io.cadastres.transformations import BALLPARK_M, STATED_SHIFT_M, choose_transformation, is_wgs84

INTERNATIONAL_1924 = (6378388.0, 297.0)
GRS_1967_MODIFIED = (6378160.0, 298.25)
CLARKE_1880_RGS = (6378249.145, 293.465)
WAR_OFFICE = (6378300.0, 296.0)
CLARKE_1866 = (6378206.4, 294.978698213898)
WGS84 = (6378137.0, 298.257223563)
GOLD_COAST_FOOT = 6378300.0 / 20926201.0
UTM = {"k": 0.9996, "easting": 500_000.0, "northing": 10_000_000.0, "unit": 1.0, "lat0": 0.0}


def shifted(lon, lat, ellipsoid, dx, dy, dz):
    """Lon/lat on WGS 84 of a point on another ellipsoid at height 0, by a geocentric translation."""
    a, e2 = _shape(ellipsoid)
    phi, lam = math.radians(lat), math.radians(lon)
    nu = a / math.sqrt(1 - e2 * math.sin(phi) ** 2)
    x = nu * math.cos(phi) * math.cos(lam) + dx
    y = nu * math.cos(phi) * math.sin(lam) + dy
    z = nu * (1 - e2) * math.sin(phi) + dz
    a, e2 = _shape(WGS84)
    across, phi = math.hypot(x, y), math.atan2(z, math.hypot(x, y))
    for _ in range(20):
        nu = a / math.sqrt(1 - e2 * math.sin(phi) ** 2)
        phi = math.atan2(z + e2 * nu * math.sin(phi), across)
    return math.degrees(math.atan2(y, x)), math.degrees(phi)


def _shape(ellipsoid):
    a, inverse = ellipsoid
    return a, (2 - 1 / inverse) / inverse


def gridded(lon, lat, ellipsoid, *, lon0, lat0, k, easting, northing, unit):
    """Easting and northing of a transverse Mercator by Krüger's series in n, to its fourth power."""
    a, inverse = ellipsoid
    n = 1 / (2 * inverse - 1)
    e = math.sqrt(_shape(ellipsoid)[1])
    radius = a / (1 + n) * (1 + n**2 / 4 + n**4 / 64)
    alpha = (
        n / 2 - 2 * n**2 / 3 + 5 * n**3 / 16 + 41 * n**4 / 180, 13 * n**2 / 48 - 3 * n**3 / 5 + 557 * n**4 / 1440,
        61 * n**3 / 240 - 103 * n**4 / 140, 49561 * n**4 / 161280,
    )  # fmt: skip

    def plane(phi, lam):
        t = math.sinh(math.atanh(math.sin(phi)) - e * math.atanh(e * math.sin(phi)))
        xi, eta = math.atan2(t, math.cos(lam)), math.atanh(math.sin(lam) / math.hypot(1, t))
        terms = list(enumerate(alpha, start=1))
        return (
            radius * (eta + sum(c * math.cos(2 * j * xi) * math.sinh(2 * j * eta) for j, c in terms)),
            radius * (xi + sum(c * math.sin(2 * j * xi) * math.cosh(2 * j * eta) for j, c in terms)),
        )

    x, y = plane(math.radians(lat), math.radians(lon - lon0))
    _, y0 = plane(math.radians(lat0), 0.0)
    return easting + k * x / unit, northing + k * (y - y0) / unit


def square(lon, lat, size=0.01):
    return [(lon, lat), (lon + size, lat), (lon + size, lat + size), (lon, lat + size)]


def write(folder, ring, crs, name="titles.geojson"):
    named = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{crs}"}}
    geometry = {"type": "Polygon", "coordinates": [[*map(list, ring), list(ring[0])]]}
    features = [{"type": "Feature", "properties": {"id": "L1"}, "geometry": geometry}]
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": named, "features": features}), encoding="utf-8")
    return path


def apart_m(title, expected):
    """Largest distance of the corners of a title from the expected ones, metres."""
    corners = list(title.geometry.exterior.coords)
    return max(
        min(math.hypot((x - lon) * 111_320 * math.cos(math.radians(lat)), (y - lat) * 110_574) for x, y in corners)
        for lon, lat in expected
    )


# --- against the published parameters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("epsg", "place", "ellipsoid", "shift", "published"), [
    (4248, (-79.5, -7.5), INTERNATIONAL_1924, (-279, 175, -379), ("PSAD56 to WGS 84 (8)", 16)),
    (4618, (-74.5, -8.5), GRS_1967_MODIFIED, (-58, 0, -44), ("SAD69 to WGS 84 (11)", 9)),
    (5527, (-49.0, -9.0), GRS_1967_MODIFIED, (-67.35, 3.88, -38.22), ("SAD69(96) to WGS 84 (2)", 5)),
    (4210, (31.0, -8.0), CLARKE_1880_RGS, (-175, -23, -303), ("Arc 1960 to WGS 84 (3)", 15)),
    (4168, (-1.7, 6.0), WAR_OFFICE, (-170, 33, 326), ("Accra to WGS 84 (4)", 6)),
    (4250, (-1.7, 6.0), CLARKE_1880_RGS, (-130, 29, 364), ("Leigon to WGS 84 (1)", 5)),
    (4267, (-83.0, 35.0), CLARKE_1866, (-8, 160, 176), ("NAD27 to WGS 84 (4)", 10)),
])  # fmt: skip
def test_degrees_are_shifted_by_the_published_parameters(tmp_path, epsg, place, ellipsoid, shift, published):
    ring = square(*place)
    (title,), snapshot = read_titles(write(tmp_path, ring, epsg))
    expected = [shifted(lon, lat, ellipsoid, *shift) for lon, lat in ring]
    assert apart_m(title, expected) < 0.01
    assert apart_m(title, ring) > 10  # it would be told if nothing was shifted
    assert (snapshot.transformation, snapshot.transformation_m) == published


@pytest.mark.parametrize(("epsg", "place", "datum", "grid", "accuracy_m"), [
    (24877, (-79.5, -7.5), (INTERNATIONAL_1924, -279, 175, -379), {**UTM, "lon0": -81.0}, 16),
    (24878, (-75.5, -11.0), (INTERNATIONAL_1924, -279, 175, -379), {**UTM, "lon0": -75.0}, 16),
    (24879, (-71.0, -15.0), (INTERNATIONAL_1924, -279, 175, -379), {**UTM, "lon0": -69.0}, 16),
    (21036, (33.0, -8.0), (CLARKE_1880_RGS, -175, -23, -303), {**UTM, "lon0": 33.0}, 15),
    (2136, (-1.7, 6.0), (WAR_OFFICE, -170, 33, 326),
     {"lon0": -1.0, "lat0": 4 + 2 / 3, "k": 0.99975, "easting": 900_000.0, "northing": 0.0, "unit": GOLD_COAST_FOOT}, 6),
    (25000, (-1.7, 6.0), (CLARKE_1880_RGS, -130, 29, 364),
     {"lon0": -1.0, "lat0": 4 + 2 / 3, "k": 0.99975, "easting": 274319.51, "northing": 0.0, "unit": 1.0}, 5),
    (26717, (-83.0, 35.0), (CLARKE_1866, -8, 160, 176), {**UTM, "lon0": -81.0, "northing": 0.0}, 10),
], ids=["PSAD56-17S", "PSAD56-18S", "PSAD56-19S", "Arc1960-36S", "Ghana-feet", "Ghana-metres", "NAD27-17N"])  # fmt: skip
def test_grids_are_shifted_by_the_published_parameters(tmp_path, epsg, place, datum, grid, accuracy_m):
    ring = square(*place)
    (title,), snapshot = read_titles(write(tmp_path, [gridded(*corner, datum[0], **grid) for corner in ring], epsg))
    assert apart_m(title, [shifted(*corner, *datum) for corner in ring]) < 0.01
    assert snapshot.transformation_m == accuracy_m


@pytest.mark.parametrize("epsg", [4674, 31981])
def test_sirgas_2000_is_wgs84_within_a_metre(tmp_path, epsg):
    ring = square(-55.0, -6.0)
    grs80 = (6378137.0, 298.257222101)
    drawn = ring if epsg == 4674 else [gridded(*corner, grs80, **{**UTM, "lon0": -57.0}) for corner in ring]
    (title,), snapshot = read_titles(write(tmp_path, drawn, epsg))
    assert apart_m(title, ring) < 0.01
    assert snapshot.transformation.endswith("SIRGAS 2000 to WGS 84 (1)")
    assert snapshot.transformation_m == 1.0


@pytest.mark.parametrize("epsg", [32718, 4326, 3857, 4979])
def test_on_wgs84_nothing_is_lost(epsg):
    here = (-76.0, -12.0, -75.0, -11.0) if epsg in {4326, 4979} else (400_000.0, 8_700_000.0, 410_000.0, 8_710_000.0)
    change = choose_transformation(f"EPSG:{epsg}", typical=here)
    assert (change.name, change.accuracy_m, change.note) == ("", 0.0, None)


# --- which operation, and what is said of it ---------------------------------------------------------------------------


def test_a_grid_that_is_not_installed_is_said(tmp_path):
    _, snapshot = read_titles(write(tmp_path, square(-49.0, -9.0), 5527))
    assert snapshot.notes == (
        "a better operation, SAD69(96) to WGS 84 (1) (1 m), needs br_ibge_SAD96_003.tif, which is not installed",
    )  # fmt: skip


@pytest.mark.parametrize(("epsg", "place"), [(4209, (25.0, -7.0)), (4695, (27.0, -10.0))], ids=["Arc 1950", "Katanga 1955"])
def test_where_no_operation_is_published_the_accuracy_is_never_nothing(tmp_path, epsg, place):
    _, snapshot = read_titles(write(tmp_path, square(*place), epsg))
    assert "Ballpark" in snapshot.transformation
    assert snapshot.transformation_m == BALLPARK_M
    assert "the datum was not shifted" in snapshot.notes[0]


def test_a_shift_that_the_crs_states_is_taken_with_the_accuracy_of_its_kind(tmp_path):
    ring = square(25.0, -7.0)
    path = write(tmp_path, ring, 4326)
    (title,), snapshot = read_titles(path, crs="+proj=longlat +a=6378249.145 +rf=293.465 +towgs84=-143,-90,-294 +type=crs")
    assert apart_m(title, [shifted(*corner, CLARKE_1880_RGS, -143, -90, -294) for corner in ring]) < 0.01
    assert snapshot.transformation_m == STATED_SHIFT_M
    assert "of unknown accuracy" in snapshot.notes[0]


def test_a_country_in_the_name_settles_which_operation_is_meant(tmp_path):
    """The box of Kenya holds the north of Tanzania."""
    ring = square(35.0, -3.0)
    unnamed, in_tanzania = (read_titles(write(tmp_path, ring, 4210, name))[1] for name in ("a.geojson", "tanzania.geojson"))
    assert unnamed.transformation == "Arc 1960 to WGS 84 (2)"
    assert (in_tanzania.transformation, in_tanzania.transformation_m) == ("Arc 1960 to WGS 84 (3)", 15.0)


def test_operations_that_contradict_each_other_widen_the_accuracy():
    """Where the boxes of Brazil and Peru overlap, operations state 5 and 9 m and lie 23 m apart."""
    here = (-72.0, -4.0, -71.9, -3.9)
    change = choose_transformation("EPSG:4618", typical=here)
    assert (change.name, change.accuracy_m) == ("SAD69 to WGS 84 (16)", 23.0)
    assert "differ by up to 23 m from the one taken, which states 5 m" in change.note
    settled = choose_transformation("EPSG:4618", typical=here, texts=["catastro_peru"])
    assert (settled.name, settled.accuracy_m, settled.note) == ("SAD69 to WGS 84 (11)", 9.0, None)


def test_one_operation_is_used_for_all_outlines(tmp_path):
    """Point by point, PROJ would change the operation at a border."""
    path = write(tmp_path, square(-69.6, -12.0), 4248)
    document = json.loads(path.read_text())
    far = {"type": "Polygon", "coordinates": [[*map(list, square(-66.0, -16.0)), [-66.0, -16.0]]]}
    document["features"].append({"type": "Feature", "properties": {"id": "L2"}, "geometry": far})
    path.write_text(json.dumps(document))
    (in_peru, in_bolivia), snapshot = read_titles(path)
    shift = {"(8)": (-279, 175, -379), "(2)": (-270, 188, -388), "(1)": (-288, 175, -376)}[snapshot.transformation[-3:]]
    for title, place in ((in_peru, (-69.6, -12.0)), (in_bolivia, (-66.0, -16.0))):
        assert apart_m(title, [shifted(*corner, INTERNATIONAL_1924, *shift) for corner in square(*place)]) < 0.01


@pytest.mark.parametrize(("text", "expected"), [
    ("EPSG:4326", True), ("EPSG:32630", True), ("EPSG:3857", True), ("OGC:CRS84", True), ("EPSG:9057", True),
    ("EPSG:4674", False), ("EPSG:4322", False), ("EPSG:24877", False), ("EPSG:4258", False),
])  # fmt: skip
def test_only_wgs84_is_wgs84(text, expected):
    assert is_wgs84(CRS.from_user_input(text)) is expected


@pytest.mark.parametrize("crs", ['LOCAL_CS["mine grid",UNIT["metre",1]]', "EPSG:4978"], ids=["a mine grid", "geocentric"])
def test_a_crs_that_is_not_tied_to_a_map_raises(tmp_path, crs):
    ring = [(1_000, 2_000), (2_000, 2_000), (2_000, 3_000)]
    with pytest.raises(CadastreWithoutCrsError, match="not tied to places on the ground"):
        read_titles(write(tmp_path, ring, 4326), crs=crs)


def test_a_stray_does_not_choose_the_operation(tmp_path):
    """A title far off in Chile does not make the operation of Peru unfit for the forty in Peru."""
    rings = [square(-75.5 + n / 10, -11.0) for n in range(40)]
    path = write(tmp_path, square(-70.0, -30.0), 4248)
    document = json.loads(path.read_text())
    document["features"] += [
        {"type": "Feature", "properties": {"id": f"P{n}"}, "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}}
        for n, ring in enumerate(rings)
    ]
    path.write_text(json.dumps(document))
    assert read_titles(path)[1].transformation == "PSAD56 to WGS 84 (8)"


def test_a_projection_that_is_unknown_raises(tmp_path):
    crs = (
        'PROJCS["x",GEOGCS["y",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],PRIMEM["Greenwich",0],'
        'UNIT["degree",0.0174532925199433]],PROJECTION["Unhandled_method_154"],UNIT["metre",1]]'
    )
    with pytest.raises(CadastreWithoutCrsError, match="from which nothing leads to lon/lat"):
        read_titles(write(tmp_path, [(1_000, 2_000), (2_000, 2_000), (2_000, 3_000)], 4326), crs=crs)


# --- swapped axes -----------------------------------------------------------------------------------------------------


def test_latitudes_of_more_than_90_are_swapped_longitudes(tmp_path):
    with pytest.raises(
        CadastreAxisOrderError, match=r"titles.geojson: found x -2 to -1.99, y 110 to .* only with x and y swapped"
    ):
        read_titles(write(tmp_path, [(lat, lon) for lon, lat in square(110.0, -2.0)], 4326))


def test_northing_before_easting_is_told_by_the_area_of_use(tmp_path):
    ring = [(y, x) for x, y in [(500_000, 9_000_000), (501_000, 9_000_000), (501_000, 9_001_000), (500_000, 9_001_000)]]
    with pytest.raises(CadastreAxisOrderError, match="the area of use of 'WGS 84 / UTM zone 17S'"):
        read_titles(write(tmp_path, ring, 32717))


def test_a_country_that_the_file_names_tells_swapped_degrees(tmp_path):
    swapped = [(lat, lon) for lon, lat in square(-1.7, 6.0)]
    with pytest.raises(CadastreAxisOrderError, match="the country that the file names"):
        read_titles(write(tmp_path, swapped, 4326, "ghana_titles.geojson"))
    assert len(read_titles(write(tmp_path, swapped, 4326))[0]) == 1  # nothing says where it should lie


def test_metres_in_a_crs_of_degrees_are_not_taken_for_swapped(tmp_path):
    with pytest.raises(CadastreWithoutCrsError):
        read_titles(write(tmp_path, [(500_000, 9_000_000), (501_000, 9_000_000), (501_000, 9_001_000)], 4326))
