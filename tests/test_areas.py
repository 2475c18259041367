"""Files of areas: every form that people have, every mistake that they make, and the ready areas."""

import json
from itertools import pairwise
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import mapping

from pipeline.aoi import Area, working_grid
from pipeline.config import load_config
from pipeline.errors import AoiAxisOrderError, AoiInvalidError, PipelineWarning
from pipeline.io.areas import COUNTRY_BOUNDS, check_area, new_area, read_area, slug, write_area

ROOT = Path(__file__).resolve().parents[1]
READY = sorted((ROOT / "aoi").glob("*.geojson"))
SQUARE = shapely.box(-63.1, -9.1, -63.0, -9.0)


def feature(geometry=SQUARE, **properties):
    return {"type": "Feature", "geometry": mapping(geometry), "properties": properties}


def write(path, document):
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


# --- what is read --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        {"type": "FeatureCollection", "features": [feature()]},
        feature(),
        mapping(SQUARE),
        mapping(shapely.MultiPolygon([SQUARE])),
        {**feature(), "geometry": {"type": "Polygon", "coordinates": [[[*c, 250.0] for c in SQUARE.exterior.coords]]}},
        {**feature(), "properties": None},
    ],
    ids=["collection", "feature", "polygon", "multipolygon", "with heights", "without properties"],
)
def test_each_form_of_geojson_gives_the_same_area(tmp_path, document):
    area = read_area(write(tmp_path / "Río Grande.geojson", document))
    assert (area.id, area.name) == ("r-o-grande", "r-o-grande")
    assert area.geometry.equals(SQUARE)
    assert not area.geometry.has_z


def test_id_name_and_properties_come_from_the_file(tmp_path):
    told = feature(id="La Pampa", name="La Pampa", minerals=["gold"], sources=[{"title": "t", "url": "u"}], empty=None)
    area = read_area(write(tmp_path / "x.json", told))
    assert (area.id, area.name, area.minerals) == ("la-pampa", "La Pampa", ("gold",))
    assert area.properties["sources"] == [{"title": "t", "url": "u"}]
    assert "empty" not in area.properties


def test_a_byte_order_mark_is_no_reason_to_refuse(tmp_path):
    path = tmp_path / "x.geojson"
    path.write_text("\ufeff" + json.dumps(feature()), encoding="utf-8")
    assert read_area(path).geometry.equals(SQUARE)


@pytest.mark.parametrize("suffix", ["vrt", "gpkg", "csv"])
def test_a_file_that_points_at_another_is_refused(tmp_path, suffix):
    secret = write(tmp_path / "secret.geojson", feature())
    path = tmp_path / f"area.{suffix}"
    path.write_text(
        '<OGRVRTDataSource><OGRVRTLayer name="secret">'
        f"<SrcDataSource>{secret}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>",
        encoding="utf-8",
    )
    with pytest.raises(AoiInvalidError, match="write the area as GeoJSON"):
        read_area(path)


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "fgb"])
def test_a_vector_file_in_another_crs_is_brought_to_degrees(tmp_path, suffix):
    when = pd.Timestamp("2024-05-01")
    frame = gpd.GeoDataFrame({"name": ["Pit"], "count": [3], "seen": [when]}, geometry=[SQUARE], crs="EPSG:4326")
    path = tmp_path / f"pit.{suffix}"
    frame.astype({"seen": str}).to_crs("EPSG:32720").to_file(path)
    area = read_area(path)
    assert (area.id, area.name, area.properties["count"]) == ("pit", "Pit", 3)
    assert area.geometry.hausdorff_distance(SQUARE) < 1e-8
    write_area(tmp_path / "again.geojson", area)  # its properties are plain JSON values


def test_dates_and_numbers_of_tables_become_plain_values(tmp_path):
    frame = gpd.GeoDataFrame({"seen": [pd.Timestamp("2024-05-01")], "ha": [1.5]}, geometry=[SQUARE], crs="EPSG:4326")
    frame.to_file(tmp_path / "pit.gpkg")
    properties = read_area(tmp_path / "pit.gpkg").properties
    assert properties["ha"] == 1.5
    assert str(properties["seen"]).startswith("2024-05-01")
    json.dumps(dict(properties))


def test_a_crs_member_of_old_geojson_is_honoured(tmp_path):
    ground = gpd.GeoSeries([SQUARE], crs="EPSG:4326").to_crs("EPSG:32720").iloc[0]
    named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32720"}}
    document = {"type": "FeatureCollection", "crs": named, "features": [feature(ground)]}
    area = read_area(write(tmp_path / "x.geojson", document))
    assert area.geometry.hausdorff_distance(SQUARE) < 1e-8
    degrees = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    assert read_area(write(tmp_path / "y.geojson", {**feature(), "crs": degrees})).geometry.equals(SQUARE)


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"type": "FeatureCollection", "features": []}, "found 0 features"),
        ({"type": "FeatureCollection", "features": [feature(), feature()]}, "found 2 features"),
        ({**feature(), "geometry": None}, "found nothing"),
        (feature(shapely.Point(-63, -9)), "found a Point"),
        (feature(shapely.LineString([(-63, -9), (-62, -8)])), "found a LineString"),
        ({"type": "Polygon", "coordinates": []}, "found nothing"),
        ({"type": "Polygon"}, "expected GeoJSON"),
        ({"type": "Polygone", "coordinates": []}, "expected GeoJSON"),
        ({"type": "Polygon", "coordinates": [[["a", "b"], ["c", "d"], ["e", "f"], ["a", "b"]]]}, "expected GeoJSON"),
        ({"rings": []}, "expected GeoJSON"),
        ([1, 2], "found JSON of type list"),
        (feature(shapely.Polygon([(-63, -9), (-62, -9), (-61, -9)])), "found 0.000 km2"),
        (feature(shapely.box(-70, -20, -50, 0)), "km2, expected more than 0 and at most 500,000"),
        (feature(shapely.union(SQUARE, shapely.box(30, 1, 30.1, 1.1))), "too far apart"),
        ({**feature(), "crs": {"type": "name", "properties": {"name": "EPSG:999999"}}}, "expected a known CRS"),
    ],
)
def test_what_is_no_area_is_refused_with_where_and_what(tmp_path, document, found):
    path = write(tmp_path / "x.geojson", document)
    with pytest.raises(AoiInvalidError) as error:
        read_area(path)
    assert found in str(error.value)
    assert str(path) in str(error.value)
    assert "; " in str(error.value)  # what to do


@pytest.mark.parametrize("name", ["absent.geojson", "broken.geojson", "broken.gpkg", "latin.geojson", "absent.shp"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    path = tmp_path / name
    if not name.startswith("absent"):
        path.write_bytes('{"type": "Feature", "name": "Tapajós'.encode("latin-1"))
    with pytest.raises(AoiInvalidError, match=name):
        read_area(path)


def test_coordinates_that_are_no_numbers_are_refused(tmp_path):
    path = tmp_path / "x.geojson"
    path.write_text('{"type": "Polygon", "coordinates": [[[-63, -9], [NaN, -9], [-62, -8], [-63, -9]]]}')
    with pytest.raises(AoiInvalidError, match="no number"):
        read_area(path)


def test_a_file_with_several_layers_is_refused(tmp_path):
    frame = gpd.GeoDataFrame(geometry=[SQUARE], crs="EPSG:4326")
    for layer in ("one", "two"):
        frame.to_file(tmp_path / "x.gpkg", layer=layer)
    with pytest.raises(AoiInvalidError, match="found 2 layers"):
        read_area(tmp_path / "x.gpkg")


def test_a_file_without_crs_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="crs"):
        gpd.GeoDataFrame({"a": [1]}, geometry=[SQUARE]).to_file(tmp_path / "x.shp")
    with pytest.raises(AoiInvalidError, match="does not say its CRS"):
        read_area(tmp_path / "x.shp")


def test_an_outline_that_crosses_itself_is_repaired_with_a_warning(tmp_path):
    bow = shapely.Polygon([(-63.0, -9.0), (-62.9, -8.9), (-62.9, -9.0), (-63.0, -8.9)])
    with pytest.warns(PipelineWarning, match="crosses itself"):
        area = read_area(write(tmp_path / "x.geojson", feature(bow)))
    assert area.geometry.is_valid
    assert area.geometry.area == pytest.approx(0.005)  # two triangles: nothing is lost, as buffer(0) would
    assert area.geometry.geom_type == "MultiPolygon"


# --- axes ----------------------------------------------------------------------------------------------------------


def swapped(geometry):
    return shapely.transform(geometry, lambda p: p[:, ::-1])


@pytest.mark.parametrize(
    ("geometry", "country", "found"),
    [
        (shapely.box(-9.1, 100.0, -9.0, 100.1), "", "axes look swapped"),  # no latitude is 100
        (shapely.box(2.2, 106.0, 2.3, 106.1), "Indonesia", "axes look swapped"),
        (swapped(SQUARE), "Brazil", "expected Brazil"),  # lon -9, lat -63 are degrees, but not in Brazil
        (swapped(shapely.box(25.4, -10.8, 25.5, -10.7)), "Democratic Republic of the Congo", "expected Democratic"),
        (shapely.box(300_000, 8_999_000, 306_000, 9_005_000), "", "look like metres"),
        (shapely.box(-63.0, 85.0, -62.0, 86.0), "", "where Sentinel-2 images"),
    ],
)
def test_the_wrong_axis_order_is_found(tmp_path, geometry, country, found):
    with pytest.raises(AoiAxisOrderError) as error:
        read_area(write(tmp_path / "x.geojson", feature(geometry, country=country)))
    assert found in str(error.value)
    assert "longitude first" in str(error.value) or "lon/lat" in str(error.value)


def test_axes_that_cannot_be_told_apart_are_taken_as_they_stand(tmp_path):
    assert read_area(write(tmp_path / "x.geojson", feature(swapped(SQUARE)))).geometry.equals(swapped(SQUARE))
    assert read_area(write(tmp_path / "y.geojson", feature(swapped(SQUARE), country="Atlantis"))).id == "y"


# --- the antimeridian ----------------------------------------------------------------------------------------------

ACROSS = shapely.box(179.95, -17.05, 180.05, -17.0)


@pytest.mark.parametrize(
    "geometry",
    [
        ACROSS,
        shapely.MultiPolygon([shapely.box(179.95, -17.05, 180.0, -17.0), shapely.box(-180.0, -17.05, -179.95, -17.0)]),
        shapely.Polygon([(179.95, -17.05), (-179.95, -17.05), (-179.95, -17.0), (179.95, -17.0)]),
    ],
    ids=["past 180", "cut at 180", "drawn across"],
)
def test_an_area_across_the_antimeridian_is_one_small_piece(tmp_path, geometry):
    area = read_area(write(tmp_path / "x.geojson", feature(geometry)))
    assert area.geometry.geom_type == "Polygon"
    assert area.geometry.bounds == pytest.approx(ACROSS.bounds)
    assert len(working_grid(area).chunks) <= 9
    assert any("antimeridian" in fact for fact in check_area(area))


def test_what_is_written_across_the_antimeridian_is_cut_and_reads_back(tmp_path):
    write_area(tmp_path / "x.geojson", Area("x", "X", ACROSS, {}))
    written = json.loads((tmp_path / "x.geojson").read_text())["features"][0]["geometry"]
    assert written["type"] == "MultiPolygon"
    assert all(-180 <= x <= 180 for part in written["coordinates"] for ring in part for x, _ in ring)
    assert read_area(tmp_path / "x.geojson").geometry.bounds == pytest.approx(ACROSS.bounds)


# --- writing, making, checking -------------------------------------------------------------------------------------


@given(
    st.floats(-179, 178), st.floats(-55, 82), st.floats(0.001, 1), st.floats(0.001, 1),
    st.dictionaries(st.text("abc", min_size=1), st.one_of(st.text(min_size=1), st.integers(), st.lists(st.text()))),
)  # fmt: skip
def test_an_area_reads_back_as_it_was_written(tmp_path_factory, west, south, width, height, properties):
    area = Area("x", "X y", shapely.box(west, south, west + width, south + height), properties)
    path = tmp_path_factory.mktemp("a") / "x.geojson"
    write_area(path, area)
    again = read_area(path)
    assert again.geometry.equals(area.geometry)
    assert dict(again.properties) == {**properties, "id": "x", "name": "X y"}
    assert list(path.parent.glob(".*.part")) == []


def test_what_is_written_follows_the_right_hand_rule(tmp_path):
    write_area(tmp_path / "x.geojson", Area("x", "X", SQUARE.reverse(), {}))
    document = json.loads((tmp_path / "x.geojson").read_text())
    ring = document["features"][0]["geometry"]["coordinates"][0]
    assert sum((b[0] - a[0]) * (b[1] + a[1]) for a, b in pairwise(ring)) < 0  # counter-clockwise
    assert "crs" not in document
    assert document["features"][0]["id"] == "x"


def test_an_area_is_made_from_bounds_or_a_file(tmp_path):
    made = new_area((-63.1, -9.1, -63.0, -9.0), id_="La Pampa", name="La Pampa", properties={"country": "Brazil"})
    assert (made.id, made.name, made.properties) == ("la-pampa", "La Pampa", {"country": "Brazil"})
    assert made.geometry.equals(SQUARE)
    write(tmp_path / "x.geojson", feature(name="old", minerals=["gold"]))
    copied = new_area(tmp_path / "x.geojson", id_="y", name="New", properties={"country": "Brazil"})
    assert (copied.id, copied.name, copied.minerals) == ("y", "New", ("gold",))
    assert copied.properties["country"] == "Brazil"
    assert new_area((179.95, -17.05, -179.95, -17.0), id_="f", name="F").geometry.bounds == pytest.approx(ACROSS.bounds)


@pytest.mark.parametrize("bounds", [(-63.0, -9.0, -62.0, -9.1), (-63.0, -9.0, -63.0, -8.9), (300_000, 1, 306_000, 2)])
def test_bounds_that_are_none_are_refused(bounds):
    with pytest.raises(AoiInvalidError, match="bounds"):
        new_area(bounds, id_="x", name="X")


def test_the_check_tells_size_grid_and_what_is_missing():
    facts = check_area(Area("x", "X", shapely.box(29.95, 1.0, 30.05, 1.1), {"country": "Peru", "name": "X"}))
    assert facts[0].startswith("123.")  # 0.1 degree squared at the equator
    assert "11.2 km by 11.1 km" in facts[0]  # grid metres, which are long at the edge of a zone
    assert "EPSG:32636" in facts[1] or "EPSG:32635" in facts[1]
    assert any("edge of a UTM zone" in f for f in facts)
    assert any("outside of Peru" in f for f in facts)
    assert facts[-1] == "does not say its minerals, landscape, why_watched, sources"


def test_an_area_that_ends_at_a_zone_edge_does_not_cross_it():
    assert not any("edge" in f for f in check_area(Area("x", "X", shapely.box(29.9, 1.0, 30.0, 1.1), {})))


def test_slugs():
    assert [slug(t) for t in ("La Pampa", "../../etc", "Качин", "a--b ")] == ["la-pampa", "etc", "area", "a-b"]


# --- the ready areas -----------------------------------------------------------------------------------------------


def test_twelve_areas_are_ready():
    assert [p.stem for p in READY] == [
        "arco-minero", "ashanti", "bajo-cauca", "bangka-tin", "ituri", "kachin-rare-earths", "kivu-3t",
        "kolwezi-cobalt", "madre-de-dios", "morowali-nickel", "tapajos", "yanomami",
    ]  # fmt: skip


@pytest.mark.parametrize("path", READY, ids=lambda p: p.stem)
def test_a_ready_area_is_complete_and_of_a_size_that_one_machine_watches(path):
    area = read_area(path)
    told = area.properties
    facts = check_area(area)
    left, bottom, right, top = working_grid(area).bounds
    assert area.id == path.stem
    assert 15_000 <= right - left <= 60_000
    assert 15_000 <= top - bottom <= 60_000
    assert shapely.get_num_coordinates(area.geometry) <= 60
    assert told["country"] in COUNTRY_BOUNDS
    assert told["landscape"] in {"humid_forest", "dry_forest", "savanna", "arid"}
    assert area.minerals
    assert all(source["title"] and source["url"].startswith("http") for source in told["sources"])
    assert not any("does not say" in f or "outside of" in f for f in facts)
    assert "illegal" not in path.read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("path", READY, ids=lambda p: p.stem)
def test_a_ready_area_over_indigenous_territories_says_that_publication_needs_consent(path):
    told = read_area(path).properties
    if told.get("indigenous_territories"):
        assert any("consent" in note or "customary communities" in note for note in [
            *told["notes"], *told["indigenous_territories"]
        ])  # fmt: skip


@pytest.mark.parametrize("path", READY, ids=lambda p: p.stem)
def test_each_ready_area_has_a_configuration(path):
    config = load_config(ROOT / "configs" / f"{path.stem}.yaml")
    assert [Path(a.aoi) for a in config.areas] == [path]
    assert config.out.endswith(path.stem)
