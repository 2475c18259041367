"""Cadastres as agencies publish them, and as they break."""

import json
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from pyproj import Transformer

from pipeline.errors import CadastreInvalidError, CadastreWithoutCrsError, TitleGeometryError
from pipeline.io.cadastres import read_protected, read_titles
from pipeline.io.cadastres.crs import propose_crs
from pipeline.io.cadastres.dates import read_days
from pipeline.tenure import AreaKind, TenureRules, TenureStatus, TitleKind, TitleStatus, assess

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not (SHARED / "cadastre").is_dir(), reason="../shared/data/cadastre is absent")

SQUARE = [[[-1.7, 6.0], [-1.6, 6.0], [-1.6, 6.1], [-1.7, 6.1], [-1.7, 6.0]]]
BOW_TIE = [[[-1.7, 6.0], [-1.6, 6.1], [-1.6, 6.0], [-1.7, 6.1], [-1.7, 6.0]]]
ROW = {
    "licence_no": "L1", "Owner": "Holder 1", "Type": "Small Scale Licence (Tarkwa District)",
    "STATUS": "Active License", "start-date": "2020-01-01", "Expiry Date": "2025-06-30", "Commodity": "Gold, Diamonds",
}  # fmt: skip


def feature(geometry="Polygon", coordinates=None, **properties):
    shape = None if geometry is None else {"type": geometry, "coordinates": SQUARE if coordinates is None else coordinates}
    return {"type": "Feature", "properties": properties or ROW, "geometry": shape}


def write(folder, *features, name="titles.geojson", **members):
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", **members, "features": list(features)}), encoding="utf-8")
    return path


def in_metres(epsg, ring):
    change = Transformer.from_crs("EPSG:4326", f"EPSG:{epsg}", always_xy=True).transform
    return [[list(change(x, y)) for x, y in ring]]


# --- columns and codes ------------------------------------------------------------------------------------------------


def test_a_title_is_read_by_the_names_that_registers_use(tmp_path):
    titles, snapshot = read_titles(write(tmp_path, feature()), retrieved_on=date(2025, 1, 1))
    (title,) = titles
    assert (title.title_id, title.holder) == ("L1", "Holder 1")
    assert (title.kind, title.status) == (TitleKind.EXPLOITATION, TitleStatus.ACTIVE)
    assert (title.valid_from, title.valid_to) == (date(2020, 1, 1), date(2025, 6, 30))
    assert title.minerals == ("diamond", "gold")
    assert title.snapshot == snapshot.sha256
    assert (snapshot.name, snapshot.retrieved_on, snapshot.title_count) == ("titles", date(2025, 1, 1), 1)
    assert snapshot.unused_columns == ()


def test_unknown_codes_stay_unknown_and_are_counted(tmp_path):
    rows = [feature(id=str(n), kind="XYZ", status="?", valid_to="soon", minerals="unobtanium", other=1) for n in range(2)]
    titles, snapshot = read_titles(write(tmp_path, *rows))
    assert (titles[0].kind, titles[0].status, titles[0].valid_to) == (TitleKind.UNKNOWN, TitleStatus.UNKNOWN, None)
    assert {d.field for d in titles[0].doubts} == {"kind", "status", "valid_to", "minerals"}
    assert {(c.field, c.code, c.count) for c in snapshot.unknown_codes} == {
        ("kind", "XYZ", 2), ("status", "?", 2), ("valid_to", "soon", 2), ("minerals", "unobtanium", 2),
    }  # fmt: skip
    assert snapshot.unused_columns == ("other",)


def test_an_empty_column_gives_way_to_the_next(tmp_path):
    titles, _ = read_titles(write(tmp_path, feature(licence_no="", code="C1"), feature(licence_no="", code="C2")))
    assert [t.title_id for t in titles] == ["C1", "C2"]


def test_repeated_ids_are_kept_and_noted(tmp_path):
    titles, snapshot = read_titles(write(tmp_path, feature(id="A"), feature(id="A")))
    assert len(titles) == 2
    assert snapshot.notes == ("1 ids stand more than once, such as A",)


def test_double_encoded_text_is_left_as_it_is(tmp_path):
    titles, _ = read_titles(write(tmp_path, feature(id="A", name="SÃ£o JoÃ£o")))
    assert titles[0].name == "SÃ£o JoÃ£o"


@pytest.mark.parametrize(("texts", "days"), [
    (["2025-01-06", "2025/1/6", "20250106", "2025-01-06T23:00:00-05:00", "2013-02-20 00:00:00+00"],
     [date(2025, 1, 6)] * 4 + [date(2013, 2, 20)]),
    (["01/02/2024", "25/02/2024"], [date(2024, 2, 1), date(2024, 2, 25)]),
    (["01/02/2024", "02/25/2024"], [date(2024, 1, 2), date(2024, 2, 25)]),
    (["25/02/2024", "02/25/2024"], ["25/02/2024", "02/25/2024"]),
    (["01/02/2024"], ["01/02/2024"]),
    (["1704067200000", "1704067200000.0"], [date(2024, 1, 1)] * 2),
    (["Tue Dec 30 2025 00:00:00 GMT-0500 (hora estándar de Perú)"], [date(2025, 12, 30)]),
    (["2024-02-30", "soon", None], ["2024-02-30", "soon", None]),
], ids=["iso", "day-first", "month-first", "both", "neither", "epoch", "javascript", "unreadable"])  # fmt: skip
def test_days_are_read_where_they_are_unambiguous(texts, days):
    assert read_days(texts) == days


def test_a_register_may_say_the_order_of_days_and_a_column_may_contradict_it():
    assert read_days(["01/02/2024"], day_first=True) == [date(2024, 2, 1)]
    assert read_days(["01/02/2024"], day_first=False) == [date(2024, 1, 2)]
    assert read_days(["01/02/2024", "02/25/2024"], day_first=True) == ["01/02/2024", "02/25/2024"]


# --- outlines ---------------------------------------------------------------------------------------------------------


def test_what_is_no_polygon_is_refused_by_name_and_place(tmp_path):
    path = write(
        tmp_path,
        feature(id="ok"),
        feature("Point", [-1.5, 6.0], id="point"),
        feature(None, id="absent"),
        feature("Polygon", [], id="empty"),
        feature("LineString", SQUARE[0], id="line"),
        feature("Polygon", [[[500.0, 6.0], [501.0, 6.0], [501.0, 7.0], [500.0, 6.0]]], id="no degrees"),
        feature("Polygon", [[[1.0, 1.0], [2.0, 2.0], [1.0, 1.0]]], id="flat"),
    )
    titles, snapshot = read_titles(path)
    assert [t.title_id for t in titles] == ["ok"]
    assert [(r.title_id, r.feature, r.geometry_type, r.location is not None) for r in snapshot.refused] == [
        ("point", 2, "Point", True), ("absent", 3, "null", False), ("empty", 4, "Polygon", False),
        ("line", 5, "LineString", True), ("no degrees", 6, "Polygon", False), ("flat", 7, "Polygon", True),
    ]  # fmt: skip
    assert snapshot.title_count + len(snapshot.refused) == 7


def test_not_one_usable_outline_raises(tmp_path):
    with pytest.raises(TitleGeometryError, match=r"feature 1 \(Point\): it is a Point, expected a polygon"):
        read_titles(write(tmp_path, feature("Point", [-1.5, 6.0], id="point")))


def test_a_crossed_outline_is_repaired_and_its_hectares_told(tmp_path):
    titles, snapshot = read_titles(write(tmp_path, feature(coordinates=BOW_TIE, id="bow")))
    (repair,) = snapshot.repaired
    assert titles[0].geometry.is_valid
    assert titles[0].geometry.area == pytest.approx(0.005)
    assert (repair.title_id, repair.feature) == ("bow", 1)
    assert "Self-intersection" in repair.reason
    assert repair.before_ha < 10 < repair.after_ha


def test_overlapping_parts_lose_nothing(tmp_path):
    shifted = [[[x + 0.05, y] for x, y in SQUARE[0]]]
    titles, _ = read_titles(write(tmp_path, feature("MultiPolygon", [SQUARE, shifted], id="two")))
    assert titles[0].geometry.area == pytest.approx(0.015)


def test_an_open_ring_and_heights_are_read(tmp_path):
    heights = [[[x, y, 100.0] for x, y in SQUARE[0][:-1]]]
    titles, snapshot = read_titles(write(tmp_path, feature(coordinates=heights, id="open")))
    assert titles[0].geometry.area == pytest.approx(0.01)
    assert any("Non closed ring" in note for note in snapshot.notes)


def test_a_lonely_outline_is_kept_and_noted(tmp_path):
    near = [feature(coordinates=[[[x + n / 10, y] for x, y in SQUARE[0]]], id=str(n)) for n in range(20)]
    far = feature(coordinates=[[[x + 30, y] for x, y in SQUARE[0]]], id="far")
    titles, snapshot = read_titles(write(tmp_path, *near, far))
    assert len(titles) == 21
    assert [note for note in snapshot.notes if "far" in note] == [
        "far (feature 21) lies far from every other outline, near lon 28.35 lat 6.05"
    ]


# --- coordinate reference systems ------------------------------------------------------------------------------------


def test_metres_without_crs_raise_and_propose(tmp_path):
    path = write(tmp_path, feature(coordinates=in_metres(32630, SQUARE[0])), name="ghana_30n.geojson")
    with pytest.raises(CadastreWithoutCrsError, match=r"ghana_30n.geojson: found coordinates .* EPSG:32630 .* Pass the CRS"):
        read_titles(path)
    titles, _ = read_titles(path, crs="EPSG:32630")
    assert titles[0].geometry.bounds == pytest.approx((-1.7, 6.0, -1.6, 6.1), abs=1e-7)


def test_a_declared_crs_is_used(tmp_path):
    declared = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32630"}}
    titles, _ = read_titles(write(tmp_path, feature(coordinates=in_metres(32630, SQUARE[0])), crs=declared))
    assert titles[0].geometry.bounds == pytest.approx((-1.7, 6.0, -1.6, 6.1), abs=1e-7)


def test_degrees_against_a_crs_in_metres_raise(tmp_path):
    with pytest.raises(CadastreWithoutCrsError, match="expected metres"):
        read_titles(write(tmp_path, feature()), crs="EPSG:32630")


def test_a_crs_that_is_none_raises(tmp_path):
    with pytest.raises(CadastreInvalidError, match="expected a CRS"):
        read_titles(write(tmp_path, feature()), crs="EPSG:nothing")


def test_country_in_the_texts_proposes_its_zones():
    assert propose_crs("titles", (195000, 8773637, 834232, 9616000), ["hora estándar de Perú"])[0] == "EPSG:32717"
    assert propose_crs("titles", (195000, 8773637, 834232, 9616000), []) == ()


# --- formats ----------------------------------------------------------------------------------------------------------


def shapefile(folder, crs):
    folder.mkdir()
    path = folder / "titles.shp"
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([shapely.Polygon(SQUARE[0])]), geometry_type="Polygon", crs=crs,
        field_data=[column("L1"), column("exploitation")], fields=["LIC_CODE", "TYPE"],
    )  # fmt: skip
    return path


def column(*values):
    return np.array(values, dtype=object)


def test_a_shapefile_without_prj_raises(tmp_path):
    path = shapefile(tmp_path / "a", "EPSG:4326")
    assert read_titles(path)[0][0].title_id == "L1"
    path.with_suffix(".prj").unlink()
    with pytest.raises(CadastreWithoutCrsError, match=r"no \.prj.* EPSG:4326"):
        read_titles(path)
    assert read_titles(path, crs="EPSG:4326")[0][0].kind is TitleKind.EXPLOITATION


@pytest.mark.parametrize("folder", ["", "inside/"])
def test_a_zipped_shapefile_is_read_in_place(tmp_path, folder):
    path = shapefile(tmp_path / "a", "EPSG:4326")
    zipped = tmp_path / "titles.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for part in path.parent.iterdir():
            archive.write(part, folder + part.name)
    titles, snapshot = read_titles(zipped)
    assert (titles[0].title_id, snapshot.name) == ("L1", "titles")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "titles.zip"]


@pytest.mark.parametrize(("suffix", "driver"), [(".gpkg", "GPKG"), (".kml", "KML"), (".fgb", "FlatGeobuf")])
def test_other_formats_are_read(tmp_path, suffix, driver):
    path = tmp_path / f"titles{suffix}"
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([shapely.Polygon(SQUARE[0])]), geometry_type="Polygon", crs="EPSG:4326",
        field_data=[column("L1")], fields=["LIC_CODE"], driver=driver,
    )  # fmt: skip
    titles, _ = read_titles(path)
    assert titles[0].title_id == "L1"
    assert titles[0].geometry.area == pytest.approx(0.01)


def test_csv_with_wkt_needs_its_crs_passed(tmp_path):
    path = tmp_path / "titles.csv"
    path.write_text(f'WKT,licence_no\n"{shapely.Polygon(SQUARE[0]).wkt}",L1\n', encoding="utf-8")
    with pytest.raises(CadastreWithoutCrsError):
        read_titles(path)
    assert read_titles(path, crs="EPSG:4326")[0][0].title_id == "L1"


@pytest.mark.parametrize(("name", "content", "message"), [
    ("gone.geojson", None, "no such file"),
    ("cut.geojson", '{"type":"FeatureCollection","features":[{"type"', "cannot be read"),
    ("empty.geojson", '{"type":"FeatureCollection","features":[]}', "no feature"),
    ("page.html", "<html>", "found .html"),
    ("titles.zip", "no zip", "cannot be opened as a zip"),
    ("titles.kml", "<OGRVRTDataSource><OGRVRTLayer name='x'/></OGRVRTDataSource>", "references to other files"),
    ("plain.csv", "a,b\n1,2\n", "no feature with a geometry"),
])  # fmt: skip
def test_files_that_cannot_be_used_raise_and_say_why(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(CadastreInvalidError, match=message):
        read_titles(path)


# --- protected areas -------------------------------------------------------------------------------------------------


def test_kinds_of_protected_areas(tmp_path):
    path = write(
        tmp_path,
        feature(name="A", desig="National Park"),
        feature(name="B", desig="Terra Indígena"),
        feature(name="C", desig="Floresta"),
    )
    areas, snapshot = read_protected(path)
    assert [a.kind for a in areas] == [
        AreaKind.PROTECTED_AREA, AreaKind.INDIGENOUS_TERRITORY, AreaKind.PROTECTED_AREA,
    ]  # fmt: skip
    assert [(c.code, c.count) for c in snapshot.unknown_codes] == [("Floresta", 1)]
    assert {a.kind for a in read_protected(path, kind=AreaKind.INDIGENOUS_TERRITORY)[0]} == {AreaKind.INDIGENOUS_TERRITORY}


def test_the_name_of_the_file_tells_the_kind_where_nothing_else_does(tmp_path):
    areas, _ = read_protected(write(tmp_path, feature(name="A"), name="indigenous_territories.geojson"))
    assert areas[0].kind is AreaKind.INDIGENOUS_TERRITORY


# --- real cadastres --------------------------------------------------------------------------------------------------


@needs_shared
def test_ghana_and_the_expired_licence_that_says_active():
    day = date(2025, 4, 18)
    titles, snapshot = read_titles(SHARED / "cadastre" / "ghana_small_scale_gold_2025.geojson", retrieved_on=day)
    assert (len(titles), snapshot.refused, snapshot.unknown_codes) == (1028, (), ())
    (ended,) = [t for t in titles if t.valid_to < day]
    assert ended.status is TitleStatus.ACTIVE
    rules = TenureRules(minerals=("gold",))
    finding = assess(ended.geometry, titles, snapshots=[snapshot], on=day, rules=rules)
    assert finding.status is TenureStatus.LAPSED
    assert "though the register calls it active" in finding.reasons[0]


@needs_shared
def test_drc_reads_and_reports_what_it_does_not_know():
    titles, snapshot = read_titles(SHARED / "cadastre" / "drc_titles_2016.geojson")
    assert (len(titles), snapshot.refused) == (2973, ())
    assert sum(t.kind is TitleKind.ARTISANAL_ZONE for t in titles) == 329
    assert sum(t.kind is TitleKind.EXPLORATION for t in titles) == 1651
    assert snapshot.unknown_codes[0].code == "Actif-En Force Majeure"
    assert any(note.startswith("13214 (feature 962) lies far") for note in snapshot.notes)


@needs_shared
def test_peru_raises_and_proposes_its_zone_and_reads_with_it():
    path = SHARED / "cadastre" / "peru_17s_2026_no_crs.geojson"
    with pytest.raises(CadastreWithoutCrsError, match=r"peru_17s_2026_no_crs.geojson: .* EPSG:32717 "):
        read_titles(path)
    titles, snapshot = read_titles(path, crs="EPSG:32717")
    assert (len(titles), len(snapshot.repaired), snapshot.refused) == (9025, 8, ())
    left, bottom, right, top = shapely.total_bounds([t.geometry for t in titles])
    assert -84 < left < right < -77
    assert -12 < bottom < top < -3


@needs_shared
@pytest.mark.parametrize(("name", "count", "kind"), [
    ("amazon_indigenous_territories", 237, AreaKind.INDIGENOUS_TERRITORY),
    ("drc_protected_areas", 49, AreaKind.PROTECTED_AREA),
])  # fmt: skip
def test_real_protected_areas(name, count, kind):
    areas, _ = read_protected(SHARED / "protected" / f"{name}.geojson")
    assert (len(areas), {a.kind for a in areas}) == (count, {kind})
