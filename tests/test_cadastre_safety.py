"""Files that reach beyond themselves: each refused by name, before GDAL opens it."""

import http.server
import json
import sqlite3
import stat
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely

from pipeline.errors import CadastreInvalidError, CadastreUnsafeError
from pipeline.io.cadastres import archives, read_titles

RING = [[-1.7, 6.0], [-1.6, 6.0], [-1.6, 6.1], [-1.7, 6.1], [-1.7, 6.0]]
FEATURE = {"type": "Feature", "properties": {"id": "L1"}, "geometry": {"type": "Polygon", "coordinates": [RING]}}
TITLES = json.dumps({"type": "FeatureCollection", "features": [FEATURE]})


def kml(*, before="", name="L1", more=""):
    corners = " ".join(f"{x},{y}" for x, y in RING)
    return (
        f'<?xml version="1.0"?>{before}<kml xmlns="http://www.opengis.net/kml/2.2"><Document>{more}<Placemark><name>{name}</name>'
        f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{corners}</coordinates></LinearRing></outerBoundaryIs></Polygon>"
        "</Placemark></Document></kml>"
    )


def pack(path, *members, compress=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compress) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def vector(path, driver):
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([shapely.Polygon(RING)]), geometry_type="Polygon", crs="EPSG:4326",
        field_data=[np.array(["L1"], dtype=object)], fields=["id"], driver=driver,
    )  # fmt: skip
    return path


def refused(path, match):
    """The file is refused and nothing beside it appears."""
    before = sorted(p.relative_to(path.parent) for p in path.parent.rglob("*"))
    with pytest.raises(CadastreUnsafeError, match=match) as caught:
        read_titles(path)
    assert sorted(p.relative_to(path.parent) for p in path.parent.rglob("*")) == before
    return str(caught.value)


@contextmanager
def listener():
    """An address, and the requests that came to it."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


# --- archives ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [
    "../titles.geojson", "/etc/titles.geojson", "a/../../titles.geojson", "..\\titles.geojson", "C:/titles.geojson",
])  # fmt: skip
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    refused(pack(tmp_path / "titles.zip", ("titles.geojson", TITLES), (name, TITLES)), "leads out of the archive")


@pytest.mark.parametrize("name", ["vsicurl/http/127.0.0.1/titles.geojson", "a}/titles.geojson", "{b/titles.geojson"])
def test_a_member_that_gdal_reads_as_another_place_is_refused(tmp_path, name):
    refused(pack(tmp_path / "titles.zip", (name, TITLES)), "reads as another place")


def test_a_link_in_an_archive_is_refused(tmp_path):
    link = zipfile.ZipInfo("titles.geojson")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    refused(pack(tmp_path / "titles.zip", (link, "/etc/passwd")), "a symbolic link")


@pytest.mark.parametrize("name", ["inner.zip", "inner.kmz", "inner.tar", "deep/inner.7z"])
def test_an_archive_in_an_archive_is_refused(tmp_path, name):
    inner = pack(tmp_path / "inner.zip", ("titles.geojson", TITLES)).read_bytes()
    refused(pack(tmp_path / "titles.zip", ("titles.geojson", TITLES), (name, inner)), "an archive inside of the archive")


def test_a_member_that_unpacks_without_bound_is_refused(tmp_path):
    path = pack(tmp_path / "titles.zip", ("titles.geojson", b" " * (65 << 20)))
    refused(path, r"'titles.geojson', packed 1\d\d\d times, expected at most 200")


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_UNPACKED_BYTES", 2 * len(TITLES))
    path = pack(tmp_path / "titles.zip", *((f"{n}.geojson", TITLES) for n in range(2)))
    assert len(read_titles(path)[0]) == 2
    refused(pack(tmp_path / "more.zip", *((f"{n}.geojson", TITLES) for n in range(3))), "bytes unpacked, expected at most")


def test_two_members_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = pack(tmp_path / "titles.zip", ("titles.geojson", TITLES), ("titles.geojson", TITLES))
    refused(path, "two members of one name")


def test_a_member_whose_size_is_a_lie_is_refused(tmp_path):
    path = pack(tmp_path / "titles.zip", ("titles.geojson", TITLES), compress=zipfile.ZIP_STORED)
    size, data = len(TITLES).to_bytes(4, "little"), path.read_bytes()
    path.write_bytes(data.replace(size, (1 << 31).to_bytes(4, "little")))
    with pytest.raises(CadastreInvalidError):
        read_titles(path)


# --- XML --------------------------------------------------------------------------------------------------------------

LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
OUTSIDE = '<!DOCTYPE l [<!ENTITY c SYSTEM "file:///etc/hostname">]>'
PLACES = {
    "plain": kml(before=LAUGHS, name="&c;").encode(),
    "external": kml(before=OUTSIDE, name="&c;").encode(),
    "no entity": kml(before='<!DOCTYPE kml SYSTEM "http://127.0.0.1:9/kml.dtd">').encode(),
    "far down": kml(before=f"<!--{'x' * 10_000}-->{OUTSIDE}", name="&c;").encode(),
    "UTF-16": kml(before=LAUGHS, name="&c;").replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16"),
    "parameter": kml(before='<!DOCTYPE l [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p">%p;]>').encode(),
}


@pytest.mark.parametrize("is_packed", [False, True], ids=["kml", "kmz"])
@pytest.mark.parametrize("place", sorted(PLACES))
def test_entities_and_document_types_are_refused(tmp_path, place, is_packed):
    content = PLACES[place]
    path = pack(tmp_path / "t.kmz", ("doc.kml", content)) if is_packed else written(tmp_path, "t.kml", content)
    refused(path, "references to other files, or entities")


def test_kml_in_utf_16_without_entities_is_read(tmp_path):
    content = kml().replace('"1.0"', '"1.0" encoding="UTF-16"').encode("utf-16")
    assert read_titles(written(tmp_path, "t.kml", content))[0][0].name == "L1"


def test_a_network_link_is_refused_and_not_followed(tmp_path):
    with listener() as (url, asked):
        link = f"<NetworkLink><Link><href>{url}/more.kml</href></Link></NetworkLink>"
        refused(written(tmp_path, "t.kml", kml(more=link)), "a NetworkLink, behind which titles may lie")
        assert asked == []


# --- files under another name -----------------------------------------------------------------------------------------


def virtual(target):
    return (
        f"<OGRVRTDataSource><OGRVRTLayer name='other'><SrcDataSource>{target}</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )


@pytest.mark.parametrize("name", ["t.geojson", "t.json", "t.csv", "t.kml", "t.tab", "t.mif", "t.shp", "t.gpkg", "t.fgb"])
def test_a_virtual_dataset_under_another_name_is_refused(tmp_path, name):
    other = written(tmp_path, "other.geojson", TITLES)
    refused(written(tmp_path, name, virtual(other)), "references to other files|another kind of file|NetworkLink")


def test_a_virtual_dataset_after_other_text_is_refused(tmp_path):
    other = written(tmp_path, "other.geojson", TITLES)
    refused(written(tmp_path, "t.csv", f"a,b\n{'x' * 900}{virtual(other)}"), "references to other files")
    refused(pack(tmp_path / "t.zip", ("t.csv", f"a,b\n{virtual(other)}")), "references to other files")


@pytest.mark.parametrize("name", ["t.json", "t.geojson", "t.csv"])
def test_a_pipeline_of_commands_is_refused(tmp_path, name):
    other = written(tmp_path, "other.geojson", TITLES)
    command = f"gdal vector pipeline ! read {other} ! write --of stream streamed_dataset"
    refused(written(tmp_path, name, json.dumps({"type": "gdal_streamed_alg", "command_line": command})), "other files")


def test_a_service_description_is_refused_and_not_asked(tmp_path):
    with listener() as (url, asked):
        refused(written(tmp_path, "t.json", f"<OGRWFSDataSource><URL>{url}</URL></OGRWFSDataSource>"), "other files")
        assert asked == []


@pytest.mark.parametrize("spelled", ['"crs"', '"\\u0063rs"'])
@pytest.mark.parametrize(("kind", "key"), [("link", "href"), ("url", "url"), ("URL", "url")])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_crs_that_is_a_link_is_refused_and_not_fetched(tmp_path, kind, key, spelled, is_packed):
    with listener() as (url, asked):
        crs = json.dumps({"type": kind, "properties": {key: f"{url}/crs"}})
        text = f'{{"type":"FeatureCollection",{spelled}:{crs},"features":[{json.dumps(FEATURE)}]}}'
        path = pack(tmp_path / "t.zip", ("t.json", text)) if is_packed else written(tmp_path, "t.geojson", text)
        refused(path, "a crs that is a")
        assert asked == []


def test_a_crs_that_stands_twice_is_looked_at_both_times(tmp_path):
    named = json.dumps({"type": "name", "properties": {"name": "EPSG:4326"}})
    linked = json.dumps({"type": "link", "properties": {"href": "http://127.0.0.1:9/"}})
    text = f'{{"type":"FeatureCollection","crs":{linked},"crs":{named},"features":[{json.dumps(FEATURE)}]}}'
    refused(written(tmp_path, "t.geojson", text), "a crs that is a link")


@pytest.mark.parametrize("line", [
    'open table "../other.tab"', 'File "/etc/passwd"', 'create view v as select * from other', '"\\IsSeamless" = "TRUE"',
])  # fmt: skip
def test_a_mapinfo_table_that_names_another_file_is_refused(tmp_path, line):
    path = vector(tmp_path / "t.tab", "MapInfo File")
    path.write_text(path.read_text() + line + "\n")
    refused(path, "names other files")


@pytest.mark.parametrize(("statement", "what"), [
    ("CREATE VIEW v AS SELECT * FROM t", "the view 'v'"),
    ("CREATE VIRTUAL TABLE v USING fts5(a)", "the table 'v'"),
    ("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT load_extension('/tmp/x.so'); END", "the trigger 'r'"),
    ("CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT gdal_get_pixel_value('x', 1, 'p', 0, 0); END", "the trigger 'r'"),
])  # fmt: skip
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_geopackage_that_holds_more_than_tables_is_refused(tmp_path, statement, what, is_packed):
    path = vector(tmp_path / "t.gpkg", "GPKG")
    base = sqlite3.connect(path)
    base.execute(statement)
    base.commit()
    base.close()
    refused(pack(tmp_path / "t.zip", ("t.gpkg", path.read_bytes())) if is_packed else path, what)


def test_a_geopackage_as_gdal_writes_it_is_read(tmp_path):
    assert read_titles(vector(tmp_path / "t.gpkg", "GPKG"))[0][0].title_id == "L1"


def test_changes_beside_a_geopackage_are_refused(tmp_path):
    path = vector(tmp_path / "t.gpkg", "GPKG")
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("CREATE VIEW v AS SELECT * FROM t")
    base.commit()
    refused(path, "found changes beside it in 't.gpkg-wal'")
    base.close()


def test_a_geopackage_with_a_write_ahead_log_leaves_nothing_beside_it(tmp_path):
    path = vector(tmp_path / "t.gpkg", "GPKG")
    base = sqlite3.connect(path)
    base.execute("PRAGMA journal_mode=WAL")
    base.close()
    before = path.read_bytes()
    assert len(read_titles(path)[0]) == 1
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.gpkg"]


# --- links ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".dbf", ".shx", ".prj", ".cpg"])
def test_a_part_that_is_a_link_into_another_folder_is_refused(tmp_path, suffix):
    (tmp_path / "a").mkdir()
    (tmp_path / "elsewhere").mkdir()
    path = vector(tmp_path / "a" / "t.shp", "ESRI Shapefile")
    part = path.with_suffix(suffix)
    part.rename(tmp_path / "elsewhere" / part.name)
    part.symlink_to(tmp_path / "elsewhere" / part.name)
    refused(path, f"found the part 't{suffix}', a link")


def test_a_geodatabase_with_a_link_is_refused(tmp_path):
    path = vector(tmp_path / "t.gdb", "OpenFileGDB")
    (path / "a0000000f.gdbtable").symlink_to("/etc/hostname")
    refused(path, "a link into another folder")


def test_the_folder_of_a_cadastre_may_be_a_link(tmp_path):
    (tmp_path / "disk").mkdir()
    vector(tmp_path / "disk" / "t.shp", "ESRI Shapefile")
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    assert len(read_titles(tmp_path / "data" / "t.shp")[0]) == 1


def test_a_name_that_is_read_as_a_member_of_another_archive_is_refused(tmp_path):
    pack(tmp_path / "x.zip", ("y.geojson", TITLES.replace("L1", "another")))
    refused(written(tmp_path, "x.zip!y.geojson", TITLES), "read as an archive and its member")


@pytest.mark.parametrize(
    "name", ["/vsicurl/http://127.0.0.1:9/t.geojson", "/vsimem/t.geojson", "GeoJSON:http://127.0.0.1:9/t.json"]
)
def test_names_that_gdal_would_fetch_are_no_files(name):
    with pytest.raises(CadastreInvalidError, match="no such file"):
        read_titles(Path(name))
