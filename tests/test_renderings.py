"""Renderings are opened by readers that nobody here wrote, and say the same as the records."""
# ruff: noqa: S314 - the XML is our own

import hashlib
import itertools
import json
import re
import shutil
import sqlite3
import subprocess
import warnings
import xml.etree.ElementTree as ET
from contextlib import closing
from datetime import UTC, date, datetime
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import jsonschema
import pandas as pd
import pyarrow.parquet as pq
import pyogrio
import pystac
import pytest
import shapely
from example_alerts import example
from hypothesis import given
from hypothesis import strategies as st
from pystac.validation.local_validator import get_local_schema_cache
from referencing import Registry, Resource
from shapely.geometry import shape
from shared_files import ALL, AS_OF, alerts, of_kind, rendered, shared_file

from pipeline.alerts import ALERT_PROPERTIES
from pipeline.delivery import (
    SharedFile,
    alert_schema,
    cap_messages,
    csv_rows,
    kml,
    schema_text,
    shared_collection,
    shared_schema,
    stac_item,
)
from pipeline.delivery.geoparquet import geoparquet
from pipeline.errors import DeliveryInvalidError
from pipeline.io.geopackages import geopackage
from pipeline.sharing import SharedAlert, Tier
from pipeline.stages.exports import Format, Told, renderings

DOCS = Path(__file__).parents[1] / "docs"
NAMES = [p.name for p in ALERT_PROPERTIES]
CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"
EDGE = shapely.MultiPolygon([shapely.box(179.99, -16.0, 180.0, -15.99), shapely.box(-180.0, -16.0, -179.99, -15.99)])


def read(data: bytes, ending: str, folder: Path, **options) -> gpd.GeoDataFrame:
    path = folder / f"read{ending}"
    path.write_bytes(data)
    return pyogrio.read_dataframe(path, **options)


def one(**changed) -> SharedFile:
    return shared_file([example(**changed)], Tier.AGENCY)


def unplaced() -> SharedFile:
    file = one()
    records = [SharedAlert(r.id, r.tier, None, r.properties) for r in file.records]
    return SharedFile(file.aoi_id, file.as_of, file.tier, file.fields, records, {"place": "none"})


# --- GeoJSON and schemas ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "schema"), [("alerts.schema.json", alert_schema()), ("shared-alerts.schema.json", shared_schema())]
)
def test_the_published_schema_is_current(name, schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (DOCS / name).read_text(encoding="utf-8") == schema_text(schema), f"write docs/{name} anew with schema_text"


@pytest.mark.parametrize("tier", Tier)
def test_every_tier_fits_the_published_schema(tier):
    document = json.loads(of_kind(rendered(alerts(), tier, (Format.GEOJSON,)), ".geojson"))
    schema = json.loads((DOCS / "shared-alerts.schema.json").read_text(encoding="utf-8"))
    assert [e.message for e in jsonschema.Draft202012Validator(schema).iter_errors(document)] == []
    assert document["overburden"]["tier"] == tier
    document["features"][0]["properties"]["guilt"] = "yes"
    assert len(list(jsonschema.Draft202012Validator(schema).iter_errors(document))) == 1


@pytest.mark.parametrize("tier", [Tier.RESTRICTED, Tier.AGENCY])
def test_files_of_tiers_that_are_told_everything_fit_the_schema_of_a_run_too(tier):
    document = json.loads(of_kind(rendered(alerts(), tier, (Format.GEOJSON,)), ".geojson"))
    assert [e.message for e in jsonschema.Draft202012Validator(alert_schema()).iter_errors(document)] == []


def test_an_unplaced_file_fits_it_too():
    document = json.loads(shared_collection(unplaced()))
    assert document["features"][0]["geometry"] is None
    assert list(jsonschema.Draft202012Validator(shared_schema()).iter_errors(document)) == []


def rings(geometry: dict):
    polygons = [geometry["coordinates"]] if geometry["type"] == "Polygon" else geometry["coordinates"]
    for polygon in polygons:
        for k, ring in enumerate(polygon):
            yield k == 0, ring


@pytest.mark.parametrize("tier", Tier)
@pytest.mark.parametrize("geometry", [None, EDGE])
def test_geojson_is_rfc_7946(tier, geometry):
    told = alerts() if geometry is None else [example(geometry=geometry)]
    text = of_kind(rendered(told, tier, (Format.GEOJSON,)), ".geojson").decode()
    document = json.loads(text)
    assert "crs" not in document
    assert document["type"] == "FeatureCollection"
    assert document["features"]
    for feature in document["features"]:
        for is_outer, ring in rings(feature["geometry"]):
            assert len(ring) >= 4
            assert ring[0] == ring[-1]
            assert all(-180 <= x <= 180 and -90 <= y <= 90 for x, y in ring)
            assert max(x for x, _ in ring) - min(x for x, _ in ring) < 180, "no ring crosses the antimeridian"
            area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in itertools.pairwise(ring))
            assert (area > 0) is is_outer
        assert shape(feature["geometry"]).is_valid
    assert not re.search(r"\d\.\d{8}", "".join(re.findall(r'"coordinates": (\[.*\])', text))), "7 decimals at most"


def test_a_record_with_more_than_its_tier_is_told_is_refused():
    file = shared_file([example()], Tier.PUBLIC)
    (record,) = file.records
    more = SharedAlert(record.id, record.tier, record.geometry, {**record.properties, "titles": []})
    with pytest.raises(DeliveryInvalidError, match="titles is not in the table"):
        shared_collection(SharedFile(file.aoi_id, file.as_of, file.tier, file.fields, [more], {}))


# --- tables ----------------------------------------------------------------------------------------------------------


def test_geopackage_has_layers_types_crs_and_a_style(tmp_path):
    data = of_kind(rendered(alerts(), Tier.AGENCY, (Format.GPKG,)), ".gpkg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = read(data, ".gpkg", tmp_path, layer="alerts")
    path = tmp_path / "read.gpkg"
    assert [list(row) for row in pyogrio.list_layers(path)] == [
        ["alerts", "MultiPolygon"], ["disturbances", "MultiPolygon"], ["layer_styles", None],
    ]  # fmt: skip
    info = pyogrio.read_info(path, layer="alerts")
    types = dict(zip(info["fields"], info["ogr_types"], strict=True))
    assert list(types) == ["id", *NAMES]
    assert {types[p.name] for p in ALERT_PROPERTIES if p.type == "date"} == {"OFTDate"}
    assert {types[p.name] for p in ALERT_PROPERTIES if p.type == "number"} == {"OFTReal"}
    assert {types[p.name] for p in ALERT_PROPERTIES if p.type == "integer"} == {"OFTInteger64"}
    assert frame.crs.to_epsg() == 4326
    assert frame.geometry[1].equals(alerts()[1].geometry)
    assert json.loads(frame["titles"][0])[0]["holder"] == "<script>alert(1)</script>"
    assert pd.isna(frame["confirmed_on"][1])
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles").fetchall()
        changed = {row[0] for row in connection.execute("SELECT last_change FROM gpkg_contents")}
        places = connection.execute("SELECT table_name, column_name, 1 FROM gpkg_geometry_columns").fetchall()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert [row[:3] for row in rows] == places == [("alerts", "geom", 1), ("disturbances", "geom", 1)]
    assert version == 10200, "older readers warn of newer ones"
    style = ET.fromstring(rows[0][3].partition("\n")[2])
    renderer = style.find("renderer-v2")
    assert renderer.get("attr") == "tenure_status"
    values = [c.get("value") for c in renderer.iter("category")]
    assert {"uncovered", "covered", "unknown", ""} <= set(values)
    assert [s.get("name") for s in renderer.find("symbols")] == [c.get("symbol") for c in renderer.iter("category")]
    assert changed == {f"{AS_OF}T00:00:00.000Z"}


@pytest.mark.skipif(shutil.which("ogrinfo") is None, reason="ogrinfo of GDAL is not on the PATH")
@pytest.mark.parametrize("ending", [".gpkg", ".geojson", ".kml", ".csv"])
@pytest.mark.parametrize("tier", Tier)
def test_ogrinfo_reads_every_vector_file(tier, ending, tmp_path):
    path = tmp_path / f"file{ending}"
    path.write_bytes(of_kind(rendered(alerts(), tier), ending))
    done = subprocess.run(["ogrinfo", "-al", "-so", path], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr == ""
    assert "Feature Count: " in done.stdout
    assert "area_ha" in done.stdout


def test_geoparquet_says_its_crs_its_bounds_and_where_row_bounds_lie():
    data = of_kind(rendered(alerts(), Tier.AGENCY, (Format.PARQUET,)), ".parquet")
    table = pq.read_table(BytesIO(data))
    geo = json.loads(table.schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    column = geo["columns"][geo["primary_column"]]
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["MultiPolygon"]
    assert column["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}
    assert column["bbox"] == list(shapely.MultiPolygon([p for a in alerts() for p in shapely.get_parts(a.geometry)]).bounds)
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"]
    assert table.column("bbox")[0].as_py()["xmin"] == alerts()[0].geometry.bounds[0]
    assert table.schema.field("first_detected_on").type == "date32[day]"
    frame = gpd.read_parquet(BytesIO(data))
    assert frame.crs == "OGC:CRS84"
    assert frame.geometry[0].equals(alerts()[0].geometry)
    assert frame["area_ha"].tolist() == [3.0, 3.0]
    west = alerts()[0].geometry.bounds[0]
    assert len(gpd.read_parquet(BytesIO(data), bbox=(west - 1, -90, west + 1e-6, 90))) == 1


def test_bounds_across_the_antimeridian_run_west_to_east():
    file = one(geometry=EDGE)
    column = json.loads(pq.read_schema(BytesIO(geoparquet(file))).metadata[b"geo"])["columns"]["geometry"]
    assert column["bbox"] == [179.99, -16.0, -179.99, -15.99]
    assert json.loads(stac_item("x", file, {}))["bbox"] == [179.99, -16.0, -179.99, -15.99]


@pytest.mark.parametrize("tier", Tier)
def test_csv_runs_no_formula_and_has_the_place_that_the_tier_has(tier):
    file = shared_file(alerts(), tier)
    frame = pd.read_csv(BytesIO(of_kind(rendered(alerts(), tier, (Format.CSV,)), ".csv")), keep_default_na=False)
    assert list(frame.columns) == ["id", *(p.name for p in file.fields), "lon", "lat", "wkt"]
    for record, row in zip(file.records, frame.itertuples(), strict=True):
        place = shapely.from_wkt(row.wkt)
        assert place.equals(record.geometry)
        assert place.contains(shapely.Point(row.lon, row.lat))
        assert row.area_ha == record.properties["area_ha"]
    assert not [cell for column in frame for cell in frame[column].astype(str) if cell.startswith(("=", "+", "@"))]


def test_tables_without_places_are_plain_tables(tmp_path):
    file = unplaced()
    assert b"geo" not in (pq.read_schema(BytesIO(geoparquet(file))).metadata or {})
    assert csv_rows(file)[0][-1] == "disclaimer"
    frame = read(geopackage({"alerts": file}), ".gpkg", tmp_path, layer="alerts")
    assert not isinstance(frame, gpd.GeoDataFrame)
    assert frame["area_ha"].tolist() == [3.0]
    assert b"<coordinates>" not in kml(file)
    assert b"<polygon>" not in next(iter(cap_messages(file).values()))
    assert json.loads(stac_item("x", file, {}))["geometry"] is None


def test_files_without_alerts_open_too(tmp_path):
    files = rendered([], Tier.PARTNER)
    assert len(read(of_kind(files, ".gpkg"), ".gpkg", tmp_path, layer="alerts")) == 0
    assert len(gpd.read_parquet(BytesIO(of_kind(files, ".parquet")))) == 0
    (tmp_path / "none.kml").write_bytes(of_kind(files, ".kml"))
    assert [row[0] for row in pyogrio.list_layers(tmp_path / "none.kml")] == ["alerts"]
    assert json.loads(of_kind(files, ".geojson"))["features"] == []
    assert not [name for name in files if name.endswith(".xml")]
    assert "bbox" not in json.loads(of_kind(files, ".json"))


def test_the_same_records_give_the_same_bytes():
    assert rendered(alerts(), Tier.PARTNER) == rendered(alerts()[::-1], Tier.PARTNER)


# --- KML -------------------------------------------------------------------------------------------------------------


def test_kml_has_typed_data_styles_and_no_markup_in_texts(tmp_path):
    data = of_kind(rendered(alerts(), Tier.AGENCY, (Format.KML,)), ".kml")
    root = ET.fromstring(data)
    n = {"k": "http://www.opengis.net/kml/2.2"}
    schema = {f.get("name"): f.get("type") for f in root.findall(".//k:Schema/k:SimpleField", n)}
    assert list(schema) == NAMES
    assert (schema["area_ha"], schema["revision"], schema["state"]) == ("double", "int", "string")
    styles = {f"#{s.get('id')}" for s in root.findall(".//k:Style", n)}
    marks = root.findall(".//k:Placemark", n)
    assert {m.find("k:styleUrl", n).text for m in marks} == {"#tenure-uncovered", "#tenure-covered"} <= styles
    assert not [e.text for e in root.iter() if e.text and ("<" in e.text or ">" in e.text)]
    frame = read(data, ".kml", tmp_path)
    assert len(frame) == 2
    assert frame.crs.to_epsg() == 4326
    assert frame["area_ha"].tolist() == [3.0, 3.0]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_any_text_gives_xml_that_can_be_read(text):
    file = one(mining_terms=[text], model_id=text)
    for data in (kml(file), *cap_messages(file).values()):
        root = ET.fromstring(data)
        assert all("<" not in (e.text or "") for e in root.iter() if root.tag.endswith("kml"))


# --- CAP -------------------------------------------------------------------------------------------------------------

ORDER = ("identifier", "sender", "sent", "status", "msgType", "source", "scope", "restriction", "addresses", "code", "note",
         "references", "incidents", "info")  # fmt: skip
INFO = ("language", "category", "event", "responseType", "urgency", "severity", "certainty", "audience", "eventCode",
        "effective", "onset", "expires", "senderName", "headline", "description", "instruction", "web", "contact", "parameter",
        "resource", "area")  # fmt: skip
CLOSED = {
    "status": {"Actual", "Exercise", "System", "Test", "Draft"},
    "msgType": {"Alert", "Update", "Cancel", "Ack", "Error"},
    "scope": {"Public", "Restricted", "Private"},
    "category": {"Geo", "Met", "Safety", "Security", "Rescue", "Fire", "Health", "Env", "Transport", "Infra", "CBRNE", "Other"},
    "responseType": {"Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"},
    "urgency": {"Immediate", "Expected", "Future", "Past", "Unknown"},
    "severity": {"Extreme", "Severe", "Moderate", "Minor", "Unknown"},
    "certainty": {"Observed", "Likely", "Possible", "Unlikely", "Unknown"},
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d")
PAIRS = re.compile(r"-?\d+\.\d+,-?\d+\.\d+( -?\d+\.\d+,-?\d+\.\d+){3,}")


def check_cap(data: bytes) -> ET.Element:
    """What the OASIS schema of CAP 1.2 and its words ask of a message."""
    root = ET.fromstring(data)
    assert root.tag == f"{CAP}alert"
    assert all(e.tag.startswith(CAP) for e in root.iter())
    for element, order in ((root, ORDER), (root.find(f"{CAP}info"), INFO)):
        at = [order.index(child.tag.removeprefix(CAP)) for child in element]
        assert at == sorted(at)
    for name, values in CLOSED.items():
        assert {e.text for e in root.iter(f"{CAP}{name}")} <= values
    for name in ("identifier", "sender"):
        assert not re.search(r"[ ,<&]", root.findtext(f"{CAP}{name}"))
    for name in ("sent", "onset"):
        assert all(INSTANT.fullmatch(e.text) for e in root.iter(f"{CAP}{name}"))
    for polygon in root.iter(f"{CAP}polygon"):
        assert PAIRS.fullmatch(polygon.text)
        pairs = polygon.text.split(" ")
        assert pairs[0] == pairs[-1]
        assert all(-90 <= float(p.split(",")[0]) <= 90 for p in pairs)
    assert root.findtext(f"{CAP}info/{CAP}area/{CAP}areaDesc")
    assert (root.findtext(f"{CAP}restriction") is None) == (root.findtext(f"{CAP}scope") == "Public")
    return root


def history() -> list:
    steps = [
        {"state": "provisional", "confirmed_on": None, "evaluated_on": "2024-03-05"},
        {"state": "confirmed", "last_detected_on": "2024-03-15", "evaluated_on": "2024-03-15"},
        {"state": "confirmed", "evaluated_on": "2024-04-10"},
        {"state": "closed", "evaluated_on": "2024-05-10"},
        {"state": "confirmed", "evaluated_on": "2024-06-10"},
    ]
    return [example(**step, revision=k + 1) for k, step in enumerate(steps)]


def test_cap_tells_alert_update_and_cancel_with_references():
    messages = cap_messages(shared_file(history(), Tier.AGENCY))
    roots = [check_cap(data) for data in messages.values()]
    kinds = [(r.findtext(f"{CAP}msgType"), r.findtext(f"{CAP}info/{CAP}certainty")) for r in roots]
    assert kinds == [("Alert", "Possible"), ("Update", "Likely"), ("Update", "Observed"), ("Cancel", "Observed"),
                     ("Alert", "Observed")]  # fmt: skip
    names = [r.findtext(f"{CAP}identifier") for r in roots]
    assert names == list(messages)
    assert len(set(names)) == 5
    references = [r.findtext(f"{CAP}references") for r in roots]
    told = [",".join(r.findtext(f"{CAP}{name}") for name in ("sender", "identifier", "sent")) for r in roots]
    assert references == [None, told[0], " ".join(told[:2]), " ".join(told[:3]), None]
    assert {r.findtext(f"{CAP}status") for r in roots} == {"Actual"}


def test_cap_of_a_tier_that_hears_of_confirmed_alerts_begins_with_them():
    roots = [check_cap(data) for data in cap_messages(shared_file(history(), Tier.PUBLIC)).values()]
    assert [r.findtext(f"{CAP}msgType") for r in roots] == ["Alert", "Update", "Cancel", "Alert"]
    assert {r.findtext(f"{CAP}scope") for r in roots} == {"Public"}


def test_cap_of_simulated_pixels_is_an_exercise_and_an_end_that_nobody_heard_of_is_none():
    (data,) = cap_messages(one(is_simulated="yes")).values()
    root = check_cap(data)
    assert root.findtext(f"{CAP}status") == "Exercise"
    assert "simulated" in root.findtext(f"{CAP}note")
    assert cap_messages(one(state="withdrawn")) == {}


def test_cap_cancels_what_is_no_mining_after_all():
    told = [example(revision=1), example(revision=2, likely_cause="burn"), example(revision=3, likely_cause="burn")]
    roots = [check_cap(data) for data in cap_messages(shared_file(told, Tier.AGENCY)).values()]
    assert [r.findtext(f"{CAP}msgType") for r in roots] == ["Alert", "Cancel"]


def test_cap_parameters_are_the_properties_that_are_told():
    file = one()
    root = check_cap(next(iter(cap_messages(file).values())))
    names = [e.text for e in root.iter(f"{CAP}valueName")]
    assert names == [p.name for p in file.fields]
    assert "illegal" not in ET.tostring(root, encoding="unicode").lower()


# --- STAC ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", Tier)
def test_stac_items_are_valid_and_name_each_file_with_its_checksum(tier):
    files = rendered(alerts(), tier)
    document = json.loads(of_kind(files, ".json"))
    cache = get_local_schema_cache()
    registry = Registry().with_resources([(uri, Resource.from_contents(schema)) for uri, schema in cache.items()])
    (uri,) = (u for u in cache if u.endswith("/item.json"))
    assert [e.message for e in jsonschema.Draft7Validator(cache[uri], registry=registry).iter_errors(document)] == []
    item = pystac.Item.from_dict(document)
    assert item.datetime == datetime(AS_OF.year, AS_OF.month, AS_OF.day, tzinfo=UTC)
    rest = {name: data for name, data in files.items() if not name.endswith(".json")}
    assert set(item.assets) == set(rest)
    for name, asset in item.assets.items():
        assert asset.href == f"./{name}"
        assert asset.extra_fields["file:checksum"] == "1220" + hashlib.sha256(rest[name]).hexdigest()
        assert asset.extra_fields["file:size"] == len(rest[name])


def test_names_of_files_are_plain():
    file = one()
    odd = SharedFile("../up <b>", date(2024, 1, 1), file.tier, file.fields, file.records, {})
    for name in renderings(Told(odd, odd, odd), ALL):
        assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)?", name), name
