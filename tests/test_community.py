"""Community reports: taken or refused by name, kept in their own words, linked to sites, and never public by themselves."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import shapely
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from test_bad_input import Done, overburden  # noqa: F401  (a fixture)
from test_review_cli import DAYS, SITES, payload

from pipeline.community import Decision, RawReport, RefusalCode, Sensitivity, Source, linked, report_from, report_of
from pipeline.community import shared_scope as shared
from pipeline.community.fields import NAMES, Reading, fold
from pipeline.errors import ReportRefusedError
from pipeline.geo import WGS84, reproject
from pipeline.io.community import CommunityBook, report_id_of, sites_from_community
from pipeline.io.photos import keep_stripped, look_at
from pipeline.io.store import Store, open_store
from pipeline.provenance import digest
from pipeline.sharing import Tier

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
LON, LAT = -63.0, -9.0457
"""Beside the outline of `example_alerts`."""
TEXT = "Están cavando con máquinas río arriba; ᏣᎳᎩ ສະບາຍດີ مرحبا"
REPORTER = "Rosa Quispe Mamani"
FULL = {
    "id": "r-1", "date": "2025-05-20", "category": "mineria", "text": TEXT, "lang": "es", "consent": "sí",
    "consent_scope": "agency", "sensitivity": "low", "reporter": REPORTER, "latitude": LAT, "longitude": LON,
}  # fmt: skip


def read(values: dict[str, object] | None = None, geometry: object = None, source: str = "csv", **how: object):
    stated = FULL if values is None else values
    return report_of(RawReport("line 2", stated, geometry), Reading(Source(source), NOW, **how))


def without(*names: str, **changed: object) -> dict[str, object]:
    return {**{k: v for k, v in FULL.items() if k not in names}, **changed}


# --- what is refused, each by its name ---------------------------------------------------------------------------------

BIG = {"type": "Polygon", "coordinates": [[[-63, -9], [-60, -9], [-60, -6], [-63, -6], [-63, -9]]]}
FLAT = {"type": "Polygon", "coordinates": [[[-63, -9], [-62, -9], [-63, -9]]]}
REFUSED: dict[str, tuple[str, Callable[[], object]]] = {
    "a text that is none": ("row_malformed", lambda: read(without(text="a\0b"))),
    "half of a character": ("row_malformed", lambda: read(without(text="\ud800"))),
    "no coordinates": ("place_missing", lambda: read(without("latitude", "longitude"))),
    "zeros of a device without position": ("place_missing", lambda: read(without(latitude=0, longitude=0.0))),
    "a geometry without coordinates": ("place_missing", lambda: read(geometry={"type": "Point", "coordinates": []})),
    "a latitude alone": ("place_unreadable", lambda: read(without("longitude"))),
    "words for numbers": ("place_unreadable", lambda: read(without(latitude="near the school"))),
    "a line": ("place_unreadable", lambda: read(geometry={"type": "LineString", "coordinates": [[-63, -9], [-63, -9.1]]})),
    "a geometry that is none": ("place_unreadable", lambda: read(geometry="POINT (0 1)")),
    "texts in coordinates": ("place_unreadable", lambda: read(geometry={"type": "Point", "coordinates": ["-63", "-9"]})),
    "an outline without area": ("place_unreadable", lambda: read(geometry=FLAT)),
    "NaN": ("place_unreadable", lambda: read(without(latitude=float("inf")))),
    "a latitude of 91": ("place_out_of_range", lambda: read(without(latitude=191.0, longitude=-63.0))),
    "both too large": ("place_out_of_range", lambda: read(without(latitude=500000, longitude=9000000))),
    "swapped for certain": ("place_swapped", lambda: read(without(latitude=-117.2, longitude=32.5))),
    "swapped in a geometry": ("place_swapped", lambda: read(geometry={"type": "Point", "coordinates": [32.5, -117.2]})),
    "two places": ("place_ambiguous", lambda: read(
        {**without("latitude", "longitude"), "_a_latitude": "-9", "_a_longitude": "-63", "_b_latitude": "-8",
         "_b_longitude": "-63"}, source="kobo")),
    "a province": ("place_too_large", lambda: read(geometry=BIG)),
    "an accuracy below zero": ("accuracy_unreadable", lambda: read(without(accuracy="-3"))),
    "no day": ("day_missing", lambda: read(without("date"))),
    "a day that may be two": ("day_unreadable", lambda: read(without(date="05/06/2025"))),
    "tomorrow everywhere": ("day_in_future", lambda: read(without(date="2025-06-03"))),
    "an instant to come": ("day_in_future", lambda: read(without(date="2025-06-01T14:00:00Z"))),
    "a text without end": ("too_long", lambda: read(without(text="x" * 20_001))),
    "photos without end": ("too_long", lambda: read(without(photos=[f"{n}.jpg" for n in range(51)]))),
    "a sensitivity of one's own": ("sensitivity_unknown", lambda: read(without(sensitivity="secret"))),
    "no consent where it is asked for": ("without_consent", lambda: read(without("consent"), needs_consent=True)),
    "consent that is not understood": ("without_consent", lambda: read(without(consent="depends"), needs_consent=True)),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_report_that_cannot_be_taken_is_refused_by_name(what: str) -> None:
    code, attempt = REFUSED[what]
    with pytest.raises(ReportRefusedError) as refused:
        attempt()
    assert refused.value.code == code
    assert str(refused.value).startswith(f"{code}: ")


def test_every_reason_for_a_refusal_has_an_example() -> None:
    elsewhere = {"photo_elsewhere", "photo_unreadable", "id_taken", "erased"}  # in the tests of photos and of the store
    assert {code for code, _ in REFUSED.values()} | elsewhere == set(RefusalCode)


# --- what is taken -----------------------------------------------------------------------------------------------------


def test_a_report_keeps_its_words_and_its_language() -> None:
    report = read(without(text="  " + "e\u0301" + TEXT + "\r\n=SUM(A1)\u202e"))
    assert report.text == "  \u00e9" + TEXT + "\r\n=SUM(A1)\u202e"
    assert (report.language, report.day, report.reporter) == ("es", date(2025, 5, 20), REPORTER)
    assert report_from(json.loads(json.dumps(report.record()))) == report


def test_nothing_that_was_stated_is_lost() -> None:
    report = read(without(fecha="2025-05-19", **{"grupo/¿Cuántas máquinas?": 3, "empty": "", "list": [{"a": 1}]}))
    assert report.answers == {"fecha": "2025-05-19", "grupo/¿Cuántas máquinas?": "3", "list": '[{"a":1}]'}


CONSENTS = {
    "none is stated": ({}, "none", None, "restricted"),
    "no": ({"consent": "no"}, "none", None, "restricted"),
    "no, whatever the scope": ({"consent": "Não", "consent_scope": "public"}, "none", None, "restricted"),
    "words": ({"consent": "yes but ask Rosa"}, "unknown", None, "restricted"),
    "a list": ({"consent": ["yes"]}, "unknown", None, "restricted"),
    "an unknown scope": ({"consent": "yes", "consent_scope": "everyone"}, "unknown", None, "restricted"),
    "no scope": ({"consent": True}, "given", "restricted", "restricted"),
    "agency": ({"consent": "ndiyo", "consent_scope": "Agency"}, "given", "agency", "agency"),
    "partner": ({"consent": "1", "consent_scope": "partner", "sensitivity": "medium"}, "given", "partner", "partner"),
    "partner, and sensitive as all are": ({"consent": "yes", "consent_scope": "partner"}, "given", "partner", "agency"),
    "public": ({"consent": "yes", "consent_scope": "public", "sensitivity": "low"}, "given", "public", "partner"),
    "public and sensitive": ({"consent": "yes", "consent_scope": "public"}, "given", "public", "agency"),
}  # fmt: skip


@pytest.mark.parametrize("what", CONSENTS)
def test_consent_is_what_is_stated_and_none_becomes_public_by_itself(what: str) -> None:
    stated, consent, scope, may = CONSENTS[what]
    report = read({**without("consent", "consent_scope", "sensitivity"), **stated})
    assert (str(report.consent), report.scope and str(report.scope), str(shared(report, []))) == (consent, scope, may)
    assert report.sensitivity is Sensitivity(str(stated.get("sensitivity", "high")))


def test_only_a_person_makes_it_public_and_the_last_word_counts() -> None:
    report = read()
    said = [Decision(Tier(s), "Ana", "told me", NOW) for s in ("public", "restricted")]
    assert shared(report, said[:1]) is Tier.PUBLIC
    assert shared(report, said) is Tier.RESTRICTED


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["low", "medium", "high", None]))
def test_nothing_that_a_file_states_makes_a_report_public(consent: str, scope: str, sensitivity: str | None) -> None:
    try:
        report = read(without(consent=consent, consent_scope=scope, sensitivity=sensitivity))
    except ReportRefusedError:
        return
    assert shared(report, []) is not Tier.PUBLIC


@pytest.mark.parametrize(("stated", "day"), [
    ({"date": "2025-06-02"}, date(2025, 6, 2)),  # it is tomorrow already in Kiribati
    ({"date": "2025-05-31T23:30:00-05:00"}, date(2025, 5, 31)),
    ({"_submission_time": "2025-05-30T10:00:00"}, date(2025, 5, 30)),
])  # fmt: skip
def test_days_are_those_of_the_place(stated: dict[str, object], day: date) -> None:
    assert read({**without("date"), **stated}).day == day


def test_days_are_read_by_a_format_that_is_given() -> None:
    assert read(without(date="05/06/2024"), day_format="%d/%m/%Y").day == date(2024, 6, 5)


def test_a_decimal_comma_is_read_and_an_order_that_is_not_certain_is_not() -> None:
    assert read(without(latitude="-9,25")).place.y == -9.25
    with pytest.raises(ReportRefusedError, match="place_missing"):
        read(without("latitude", "longitude", location="-63.5,-9.25"))


def test_an_outline_is_a_place() -> None:
    square = {"type": "Polygon", "coordinates": [[[-63, -9], [-62.99, -9], [-62.99, -8.99], [-63, -8.99], [-63, -9]]]}
    assert read(geometry=square).place.geom_type == "Polygon"


def test_names_of_columns_are_folded_and_differ() -> None:
    for names in NAMES.values():
        assert [fold(n) for n in names] == list(names)
        assert len(set(names)) == len(names)


SOME_NAMES = ["id", "date", "latitude", "longitude", "consent", "text", "photos", "accuracy", "_geolocation", "x_latitude"]
SOME_VALUES = st.one_of(
    st.none(), st.text(max_size=9), st.floats(), st.booleans(),
    st.lists(st.one_of(st.integers(), st.text(max_size=3)), max_size=3),
)  # fmt: skip


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from(SOME_NAMES), SOME_VALUES), st.sampled_from([str(s) for s in Source]))
def test_whatever_a_row_states_it_is_taken_or_refused_by_name(values: dict[str, object], source: str) -> None:
    try:
        report = read({**FULL, **values}, source=source)
    except ReportRefusedError as refused:
        RefusalCode(refused.code)
    else:
        assert report_from(json.loads(json.dumps(report.record()))).content_digest() == report.content_digest()


JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=3), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.sampled_from(["type", "coordinates"]), inner)),
    max_leaves=12,
)


@settings(max_examples=200)
@given(st.sampled_from(["Point", "Polygon", "MultiPolygon", "GeometryCollection", None]), JSON_VALUES)
def test_whatever_a_geometry_is_it_is_taken_or_refused_by_name(kind: str | None, coordinates: object) -> None:
    try:
        place = read(geometry={"type": kind, "coordinates": coordinates}).place
    except ReportRefusedError as refused:
        RefusalCode(refused.code)
    else:
        assert place.geom_type in {"Point", "Polygon", "MultiPolygon"}
        assert not place.is_empty


def test_lists_within_lists_without_end_are_one_refused_row(reports, tmp_path) -> None:
    deep = '{"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": %s}}' % ("[" * 900 + "]" * 900)
    (tmp_path / "deep.geojson").write_text(f'{{"type": "FeatureCollection", "features": [{deep}]}}', encoding="utf-8")
    done = reports("import", tmp_path / "deep.geojson", "--source", "geojson")
    assert "1 refused" in done.stdout or "ReportsUnreadableError" in done.stderr


# --- links -------------------------------------------------------------------------------------------------------------


def moved(metres: float) -> shapely.Point:
    x, y = shapely.get_coordinates(reproject(shapely.Point(LON, LAT), WGS84, "EPSG:32720"))[0]
    return reproject(shapely.Point(x + metres, y), "EPSG:32720", WGS84)


def sites(*metres: float) -> dict[str, shapely.Geometry]:
    return {f"s{n}": moved(m).buffer(1e-6) for n, m in enumerate(metres)}


@pytest.mark.parametrize(
    ("accuracy", "found"), [("", ["s0"]), ("4", ["s0"]), ("900", ["s0", "s1"]), ("3000", ["s0", "s1", "s2"])]
)
def test_sites_are_linked_within_the_accuracy_and_at_least_500_m(accuracy: str, found: list[str]) -> None:
    links = linked({"r": read(without(accuracy=accuracy))}, sites(499, 800, 2500, 9000))
    assert [k.site_id for k in links] == found
    assert {k.candidates for k in links} == {len(found)}


def test_sites_beyond_the_antimeridian_are_linked() -> None:
    report = read(without(latitude=-17.0, longitude=179.9995))
    assert [k.site_id for k in linked({"r": report}, {"s": shapely.Point(-179.9995, -17.0)})] == ["s"]


@given(st.floats(-85, 85), st.floats(-179, 179), st.floats(0, 700), st.floats(0, 6.28))
def test_links_do_not_depend_on_where_on_earth(lat: float, lon: float, metres: float, turn: float) -> None:
    from pyproj import Geod

    if lat == 0 and lon == 0:
        return
    east, north, _ = Geod(ellps="WGS84").fwd(lon, lat, turn * 57.3, metres)
    report = read(without(latitude=lat, longitude=lon))
    is_linked = bool(linked({"r": report}, {"s": shapely.Point(east, north)}))
    if abs(metres - 500) > 5 and abs(east - lon) < 1:
        assert is_linked == (metres < 500)


# --- the store and the commands ------------------------------------------------------------------------------------------


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = open_store(tmp_path / "store.sqlite")
    area = made.area_state("tiny", "digest", "model/1")
    far = json.loads(json.dumps(shapely.geometry.mapping(shapely.box(10.0, 50.0, 10.01, 50.01))))
    made.swap_sites("tiny", DAYS[0], [], [payload("a"), {**payload("b"), "geometry": far}], area=area)
    made.note_published(area, DAYS[0], {})
    return made


@pytest.fixture
def reports(overburden, store: Store, tmp_path: Path):  # noqa: F811
    def command(*arguments: object) -> Done:
        return overburden("reports", *arguments, "--store", tmp_path / "store.sqlite")

    return command


def written(folder: Path, rows: list[dict[str, object]], name: str = "reports.csv") -> Path:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(k for row in rows for k in row)))
    writer.writeheader()
    writer.writerows(rows)
    (folder / name).write_text(text.getvalue(), encoding="utf-8")
    return folder / name


def near(**changed: object) -> dict[str, object]:
    """A report beside the site a."""
    x, y = payload("a")["geometry"]["coordinates"][0][0]
    return without(**{"latitude": y, "longitude": x, **changed})


def test_an_import_says_what_became_of_every_row(reports, tmp_path) -> None:
    rows = [near(), near(), near(text="something else"), near(id="r-2", latitude=""), near(id="r-3", consent="")]
    done = reports("import", written(tmp_path, rows), "--source", "csv")
    assert done.returncode == 1
    assert "5 reports: 2 taken, 1 known already, 2 refused" in done.stdout
    assert "refused: line 4 (r-1): id_taken: the id 'r-1' is that of a report taken on" in done.stdout
    assert "refused: line 5: place_unreadable: found no number as latitude" in done.stdout
    assert "note: line 6 (r-3): it states no consent: it stays restricted" in done.stdout
    again = reports("import", written(tmp_path, [near()]), "--source", "csv")
    assert (again.returncode, "0 taken, 1 known already, 0 refused" in again.stdout) == (0, True)


def test_sources_that_number_alike_are_told_apart_by_collection(reports, tmp_path) -> None:
    reports("import", written(tmp_path, [near()]), "--source", "csv")
    other = written(tmp_path, [near(text="another place's first")])
    assert reports("import", other, "--source", "csv").returncode == 1
    assert "1 taken" in reports("import", other, "--source", "csv", "--collection", "upriver").stdout


def test_consent_can_be_required(reports, tmp_path) -> None:
    done = reports("import", written(tmp_path, [near(), near(id="r-2", consent="")]), "--source", "csv", "--require-consent")
    assert "1 taken" in done.stdout
    assert "refused: line 3: without_consent" in done.stdout


FILES: dict[str, tuple[str, bytes, str]] = {
    "absent": ("csv", b"", "empty file"),
    "cut JSON": ("geojson", b'{"type": "FeatureCollection", "features": [{', "cannot be read as JSON"),
    "NaN": ("geojson", b'{"type": "FeatureCollection", "features": [NaN]}', "found NaN"),
    "deep JSON": ("geojson", b"[" * 200_000, "cannot be read as JSON"),
    "another JSON": ("geojson", b'{"a": 1}', "found no FeatureCollection"),
    "another CRS": ("geojson", json.dumps({"type": "FeatureCollection", "features": [], "crs": {
        "type": "name", "properties": {"name": "EPSG:32720"}}}).encode(), "found the crs 'EPSG:32720'"),
    "a CRS that is a link": ("geojson", json.dumps({"type": "FeatureCollection", "features": [], "crs": {
        "type": "link", "properties": {"href": "http://127.0.0.1/x"}}}).encode(), "found the crs"),
    "no feature": ("geojson", b'{"type": "FeatureCollection", "features": []}', "found no report"),
    "spreadsheet": ("kobo", b"PK\x03\x04", "XLSX"),
    "XML": ("kobo", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "found XML"),
    "Latin-1": ("csv", "id,día\n1,año".encode("latin-1"), "no UTF-8"),
    "bytes": ("csv", b"id\0,b", "in no text"),
    "open quote": ("csv", b'id,text\n1,"never closed', "cannot be read as CSV"),
    "column twice": ("csv", b"id,id\n1,2", "the column 'id' twice"),
    "head alone": ("csv", b"id,latitude\n", "found no report"),
    "Kobo without submissions": ("kobo", b'{"detail": "No credentials were provided."}', "no list of submissions"),
}  # fmt: skip


@pytest.mark.parametrize("what", FILES)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(reports, tmp_path, what: str) -> None:
    source, content, words = FILES[what]
    (tmp_path / "file").write_bytes(content)
    done = reports("import", tmp_path / "file", "--source", source)
    assert done.returncode == 2
    assert "ReportsUnreadableError" in done.stderr
    assert words in done.stderr


def test_rows_that_are_cut_are_refused_and_others_taken(reports, tmp_path) -> None:
    path = written(tmp_path, [near(), near(id="r-2")])
    path.write_text(path.read_text(encoding="utf-8") + "r-3,2025-01-01\r\n\r\n", encoding="utf-8")
    done = reports("import", path, "--source", "csv")
    assert "2 taken, 0 known already, 1 refused" in done.stdout
    assert "refused: line 4: row_malformed: found 2 values, expected 11" in done.stdout
    odd = {"type": "FeatureCollection", "features": [7, {"type": "Feature", "geometry": None, "properties": near(id="r-9")}]}
    (tmp_path / "odd.geojson").write_text(json.dumps(odd), encoding="utf-8")
    done = reports("import", tmp_path / "odd.geojson", "--source", "geojson")
    assert "feature 1: row_malformed" in done.stdout
    assert "1 taken" in done.stdout


def test_kobotoolbox_as_table_and_as_json_is_the_same(reports, store, tmp_path) -> None:
    place = near()
    lat, lon = place["latitude"], place["longitude"]
    (tmp_path / "kobo.csv").write_text(
        "\ufeffstart;grupo/Descripción;¿consent?;consent;consent_scope;ubicacion;_ubicacion_latitude;_ubicacion_longitude;"
        "_ubicacion_precision;foto;_id;_uuid;_submission_time;_submitted_by\n"
        f'2025-05-20T08:00:00.000-05:00;"{TEXT.replace(";", ",")}\ny más";ja;si;agency;"{lat} {lon} 0 5";{lat};{lon};5;'
        f"1716.jpg;77;uu-id-1;2025-05-21T01:00:00;{REPORTER}\n", encoding="utf-8",
    )  # fmt: skip
    submission = {
        "_id": 78, "_uuid": "uu-id-2", "start": "2025-05-20T08:00:00.000-05:00", "grupo/descripcion": TEXT, "consent": "si",
        "_geolocation": [lat, lon], "_attachments": [{"filename": "team/attachments/1716.jpg", "download_url": "https://x/1"}],
        "_submission_time": "2025-05-21T01:00:00", "_submitted_by": REPORTER, "consent_scope": "agency",
    }  # fmt: skip
    (tmp_path / "kobo.json").write_text(json.dumps({"count": 1, "results": [submission]}), encoding="utf-8")
    for name in ("kobo.csv", "kobo.json"):
        done = reports("import", tmp_path / name, "--source", "kobo")
        assert (done.returncode, "1 taken" in done.stdout) == (0, True), done.stdout
    held = CommunityBook(store.engine).held()
    assert {h.report.source_id for h in held} == {"uu-id-1", "uu-id-2"}
    for h in held:
        assert (h.report.day, h.report.reporter, str(h.scope)) == (date(2025, 5, 20), REPORTER, "agency")
        assert [p.name for p in h.report.photos] == ["1716.jpg"]
        assert (h.report.place.x, h.report.place.y) == (lon, lat)
    texts = {h.report.text for h in held}
    assert texts == {TEXT, TEXT.replace(";", ",") + "\ny más"}


def test_events_of_earthranger(reports, store, tmp_path) -> None:
    place = near()
    event = {
        "type": "Feature", "geometry": {"type": "Point", "coordinates": [place["longitude"], place["latitude"]]},
        "properties": {
            "id": "5f1c", "serial_number": 12, "event_type": "illegal_mining_rep".replace("ille" + "gal_", ""),
            "time": "2025-05-20T10:00:00+00:00", "priority": 200, "state": "active", "title": "Pits",
            "reported_by": {"content_type": "accounts.user", "username": "rq", "first_name": "Rosa"},
            "event_details": {"consent": "yes", "consent_scope": "partner", "sensitivity": "medium", "pits": 3},
            "notes": [{"text": "Two pits."}, {"text": TEXT}], "updates": [{"message": "Added"}],
        },
    }  # fmt: skip
    (tmp_path / "er.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [event]}), encoding="utf-8")
    assert "1 taken" in reports("import", tmp_path / "er.geojson", "--source", "earthranger").stdout
    (h,) = CommunityBook(store.engine).held()
    assert h.report.text == f"Two pits.\n\n{TEXT}"
    assert (h.report.source_id, h.report.category, str(h.scope)) == ("5f1c", "mining_rep", "partner")
    assert "rq" in str(h.report.reporter)
    assert h.report.answers["event_details/pits"] == "3"
    assert h.report.answers["priority"] == "200"


def test_a_report_without_an_id_is_counted_once(reports, tmp_path) -> None:
    done = reports("import", written(tmp_path, [near(id=""), near(id=""), near(id="", text="other")]), "--source", "csv")
    assert "2 taken, 1 known already, 0 refused" in done.stdout
    assert "without an id" in done.stdout


# --- consent, links and erasure ------------------------------------------------------------------------------------------


def test_a_site_is_shared_as_far_as_every_report_near_it(reports, store, tmp_path) -> None:
    assert sites_from_community(store) == {}
    reports("import", written(tmp_path, [near(), near(id="r-2", consent="")]), "--source", "csv")
    assert sites_from_community(store) == {SITES["a"]: Tier.RESTRICTED}
    held = next(h for h in CommunityBook(store.engine).held() if h.report.source_id == "r-2")
    assert reports("consent", held.id, "--by", "Ana", "--scope", "partner").returncode == 2
    assert reports("consent", held.id, "--by", "Ana", "--scope", "all", "--note", "x").returncode == 2
    done = reports("consent", held.id[:8], "--by", "Ana", "--scope", "public", "--note", "assembly of 3 May")
    assert "may be shared with public" in done.stdout
    assert sites_from_community(store) == {SITES["a"]: Tier.AGENCY}
    reports("consent", held.id, "--by", "Ana", "--scope", "restricted")
    assert sites_from_community(store) == {SITES["a"]: Tier.RESTRICTED}


def test_links_name_every_candidate_and_follow_the_sites(reports, store, tmp_path) -> None:
    reports("import", written(tmp_path, [near(), near(id="r-2", latitude=10.0)]), "--source", "csv")
    told = reports("link").stdout
    assert "the only one" in told
    assert "none within 500 m" in told
    area = store.area_state("tiny", "digest", "model/1")
    grown = {**payload("b", 2, area_ha=9.0), "geometry": payload("a")["geometry"]}
    store.swap_sites("tiny", DAYS[1], [], [grown], area=area)
    assert reports("link").stdout.count("one of 2") == 2
    assert set(sites_from_community(store)) == {SITES["a"], SITES["b"]}


def test_a_link_changes_nothing_of_an_alert(reports, overburden, store, tmp_path) -> None:  # noqa: F811
    address = tmp_path / "store.sqlite"
    before = overburden("alerts", "show", "aaaaaa", "--store", address).stdout
    reports("import", written(tmp_path, [near()]), "--source", "csv")
    assert overburden("alerts", "show", "aaaaaa", "--store", address).stdout == before


def test_what_a_report_says_can_be_erased_and_is_not_taken_again(reports, overburden, store, tmp_path) -> None:  # noqa: F811
    path = written(tmp_path, [near()])
    reports("import", path, "--source", "csv")
    id_ = CommunityBook(store.engine).held()[0].id
    assert "erased" in reports("erase", id_, "--by", "Ana").stdout
    assert "0 reports" in reports("list").stderr
    assert overburden("ledger", "verify", "--store", tmp_path / "store.sqlite").returncode == 0
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        assert not [row for row in connection.execute("SELECT payload FROM journal") if REPORTER in row[0] or TEXT in row[0]]
    connection.close()
    done = reports("import", path, "--source", "csv")
    assert "refused: line 2 (r-1): erased: it was erased on" in done.stdout


TAMPERING = {
    "changed": ("UPDATE community_report SET record = replace(record, 'agency', 'public')", "was changed"),
    "changed with its digest": ("UPDATE community_report SET digest = 'x'", "was changed"),
    "removed": ("DELETE FROM community_report", "was removed: its erasure is not noted"),
    "inserted": (
        "INSERT INTO community_report SELECT 'other', digest, taken_at, record FROM community_report", "was inserted",
    ),
    "consent": ("UPDATE journal SET payload = replace(payload, 'partner', 'public')", "was changed"),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERING)
def test_ledger_verify_finds_what_was_done_to_a_report(reports, overburden, store, tmp_path, what: str) -> None:  # noqa: F811
    reports("import", written(tmp_path, [near()]), "--source", "csv")
    id_ = CommunityBook(store.engine).held()[0].id
    reports("consent", id_, "--by", "Ana", "--scope", "partner", "--note", "said so")
    assert overburden("ledger", "verify", "--store", tmp_path / "store.sqlite").returncode == 0
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute(TAMPERING[what][0])
    connection.close()
    found = overburden("ledger", "verify", "--store", tmp_path / "store.sqlite")
    assert found.returncode == 1
    assert TAMPERING[what][1] in found.stdout


@pytest.mark.parametrize("letters", ["abc", "ffffffff"])
def test_a_report_that_is_not_there_is_named(reports, letters: str) -> None:
    done = reports("consent", letters, "--by", "Ana", "--scope", "agency", "--note", "x")
    assert (done.returncode, "ReportUnknownError" in done.stderr) == (2, True)


# --- what leaves the store -----------------------------------------------------------------------------------------------


def test_the_listing_is_restricted_and_runs_no_formula(reports, tmp_path) -> None:
    rows = [near(text='=HYPERLINK("http://x")', category="\x1b[2J@x"), near(id="r-2", text=TEXT + "\u202e")]
    reports("import", written(tmp_path, rows), "--source", "csv")
    done = reports("list", "--csv", tmp_path / "list.csv")
    assert "RESTRICTED" in done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    with (tmp_path / "list.csv").open(encoding="utf-8", newline="") as file:
        told = list(csv.DictReader(file))
    assert {row["text"] for row in told} == {'\'=HYPERLINK("http://x")', TEXT + "\u202e"}
    assert {row["reporter"] for row in told} == {REPORTER}
    assert (tmp_path / "list.csv").stat().st_mode & 0o077 == 0


@settings(max_examples=8, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    secrets=st.lists(st.text(st.characters(categories=["L"]), min_size=12, max_size=40), min_size=2, max_size=2),
    stated=st.tuples(st.sampled_from(["yes", "no", "", "maybe"]), st.sampled_from([*map(str, Tier), ""])),
)  # fmt: skip
def test_neither_text_nor_reporter_is_in_any_output_but_the_restricted_one(
    reports, overburden, store, tmp_path, secrets, stated  # noqa: F811
) -> None:  # fmt: skip
    address = tmp_path / "store.sqlite"
    (text, reporter), (consent, scope) = secrets, stated
    id_ = f"r-{digest([*secrets, *stated])[:12]}"
    row = near(id=id_, text=text, reporter=reporter, consent=consent, consent_scope=scope)
    done = [
        reports("import", written(tmp_path, [row, {**row, "latitude": "99"}]), "--source", "csv", "--all"), reports("link"),
        overburden("alerts", "list", "--store", address, "--csv", tmp_path / "alerts.csv"),
        overburden("alerts", "show", "aaaaaa", "--store", address),
        overburden("alerts", "export", "--store", address, "--on", DAYS[0], "--out", tmp_path / "alerts.geojson"),
        overburden("review", "labels", "--store", address, "--out", tmp_path / "labels"),
    ]  # fmt: skip
    told = "".join(d.stdout + d.stderr for d in done) + repr(sites_from_community(store))
    told += "".join((tmp_path / name).read_text(encoding="utf-8") for name in ("alerts.csv", "alerts.geojson"))
    for secret in (text, reporter):
        held = next(h.report for h in CommunityBook(store.engine).held() if h.report.source_id == row["id"])
        assert secret not in told
        assert held.text not in told
        assert str(held.reporter) not in told


# --- photos --------------------------------------------------------------------------------------------------------------


def photo(path: Path, lon: float | None, lat: float | None, size: int = 24) -> Path:
    """A JPEG as a phone writes it: turned, with a position, a camera and a comment."""
    image = Image.linear_gradient("L").resize((size, size // 2)).convert("RGB")
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "PhoneMaker-9"
    if lon is not None and lat is not None:
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
        gps[ExifTags.GPS.GPSLatitudeRef], gps[ExifTags.GPS.GPSLatitude] = "S" if lat < 0 else "N", _sexagesimal(lat)
        gps[ExifTags.GPS.GPSLongitudeRef], gps[ExifTags.GPS.GPSLongitude] = "W" if lon < 0 else "E", _sexagesimal(lon)
    image.save(path, "JPEG", exif=exif, comment=b"taken at home", quality=95)
    return path


def _sexagesimal(degrees: float) -> tuple[float, float, float]:
    value = abs(degrees)
    minutes = (value - int(value)) * 60
    return float(int(value)), float(int(minutes)), round((minutes - int(minutes)) * 60, 4)


def test_a_photo_of_the_place_is_taken_and_kept_without_what_it_tells(tmp_path: Path) -> None:
    path = photo(tmp_path / "p.jpg", LON + 0.002, LAT)
    sha256 = look_at(path, shapely.Point(LON, LAT), 500.0)
    kept = keep_stripped(path, tmp_path / "kept", sha256)
    assert kept is not None
    content = kept.read_bytes()
    with Image.open(kept) as image:
        assert dict(image.getexif()) == {}
        assert image.size == (12, 24)
        assert "comment" not in image.info
    for secret in (b"PhoneMaker", b"taken at home", b"Exif", b"GPS"):
        assert secret not in content


def test_a_photo_from_elsewhere_is_refused_and_its_place_not_told(tmp_path: Path) -> None:
    for lon, words in ((LON + 0.1, "11.0 km"), (LON + 40, "more than 100 km")):
        path = photo(tmp_path / "p.jpg", lon, LAT)
        with pytest.raises(ReportRefusedError, match="photo_elsewhere") as refused:
            look_at(path, shapely.Point(LON, LAT), 500.0)
        assert words in str(refused.value)
        assert f"{lon:.1f}" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\xff\xd8\xff\xe0cut"])
def test_what_is_called_a_photo_and_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.jpg").write_bytes(content)
    with pytest.raises(ReportRefusedError, match="photo_unreadable"):
        look_at(tmp_path / "p.jpg", shapely.Point(LON, LAT), 500.0)


def test_a_photo_whose_metadata_is_broken_has_no_position(tmp_path: Path) -> None:
    path = photo(tmp_path / "p.jpg", LON + 5, LAT)
    content = path.read_bytes()
    at = content.index(b"PhoneMaker") - 150
    path.write_bytes(content[:at].replace(b"MM\0*\0\0\0\x08", b"MM\0*\xff\0\0\x08") + content[at:])
    assert len(look_at(path, shapely.Point(LON, LAT), 500.0)) == 64


def test_a_picture_that_unpacks_without_bound_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photo(tmp_path / "p.jpg", None, None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ReportRefusedError, match="photo_unreadable"):
        look_at(path, shapely.Point(LON, LAT), 500.0)


def test_photos_of_an_import(reports, store, tmp_path) -> None:
    folder = tmp_path / "photos"
    (folder / "r-2").mkdir(parents=True)
    here = near()
    photo(folder / "a.jpg", float(str(here["longitude"])), float(str(here["latitude"])))
    photo(folder / "far.jpg", LON + 0.5, LAT)
    photo(folder / "r-2" / "b.jpg", None, None)
    (folder / "secret.jpg").symlink_to("/etc/hostname")
    rows = [
        near(photos="a.jpg"), near(id="r-2", photos="../../r-2/b.jpg|secret.jpg|gone.jpg"), near(id="r-3", photos="far.jpg"),
    ]  # fmt: skip
    done = reports(
        "import", written(tmp_path, rows), "--source", "csv", "--photos", folder, "--keep-photos", tmp_path / "kept", "--all"
    )
    assert "2 taken, 0 known already, 1 refused" in done.stdout
    assert "refused: line 4 (r-3): photo_elsewhere: photo 'far.jpg'" in done.stdout
    assert "photo 'secret.jpg' is not there" in done.stdout
    assert "photo 'gone.jpg' is not there" in done.stdout
    held = {h.report.source_id: h.report for h in CommunityBook(store.engine).held()}
    names = {p.name: p.sha256 for r in held.values() for p in r.photos}
    assert {n for n, value in names.items() if value} == {"a.jpg", "b.jpg"}
    assert {p.stem for p in (tmp_path / "kept").iterdir()} == {names["a.jpg"], names["b.jpg"]}


@settings(max_examples=8, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0.001, 0.004), st.floats(0.001, 0.004))
def test_the_place_of_a_photo_is_in_no_record_and_no_output(reports, store, tmp_path, right: float, up: float) -> None:
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    here = near(id=f"r-{right}-{up}", photos="p.jpg")
    lon, lat = float(str(here["longitude"])) + right, float(str(here["latitude"])) + up
    photo(folder / "p.jpg", lon, lat)
    done = reports("import", written(tmp_path, [here]), "--source", "csv", "--photos", folder, "--all")
    listed = reports("list", "--csv", tmp_path / "list.csv")
    told = done.stdout + done.stderr + listed.stdout + (tmp_path / "list.csv").read_text(encoding="utf-8")
    told += repr([h.report.record() for h in CommunityBook(store.engine).held()]).replace(str(here["id"]), "")
    told = told.replace(str(here["id"]), "")
    for value in (lon, lat):
        assert f"{value:.5f}"[:-1] not in told


def test_ids_are_derived() -> None:
    assert report_id_of(read()) == report_id_of(read(without(text="other")))
    assert report_id_of(read()) != report_id_of(read(collection="upriver"))
