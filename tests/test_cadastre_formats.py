"""Formats as agencies publish them: real bytes, written here, read as titles."""

import contextlib
import shutil
import zipfile

import numpy as np
import pyogrio
import pytest
import shapely

from pipeline.errors import CadastreInvalidError
from pipeline.io.cadastres import read_titles

SQUARE = shapely.box(-1.7, 6.0, -1.6, 6.1)
RING = "-1.7,6,0 -1.6,6,0 -1.6,6.1,0 -1.7,6.1,0 -1.7,6,0"
KML = f"""<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2"><Document>
<Schema name="S" id="S"><SimpleField name="licence_no" type="string"/><SimpleField name="status" type="string"/></Schema>
<Folder><name>large</name><Placemark><name>Alpha</name>
<ExtendedData><SchemaData schemaUrl="#S">
<SimpleData name="licence_no">L1</SimpleData><SimpleData name="status">Active</SimpleData>
</SchemaData></ExtendedData>
<Polygon><outerBoundaryIs><LinearRing><coordinates>{RING}</coordinates></LinearRing></outerBoundaryIs></Polygon>
</Placemark></Folder>
<Folder><name>small</name><Placemark><name>Beta</name>
<ExtendedData><Data name="licence_no"><value>L2</value></Data><Data name="holder"><value>Núñez</value></Data></ExtendedData>
<Polygon><outerBoundaryIs><LinearRing><coordinates>{RING}</coordinates></LinearRing></outerBoundaryIs></Polygon>
</Placemark></Folder></Document></kml>"""


def text(*values):
    return np.array(values, dtype=object)


def write(path, *, crs="EPSG:4326", name="L1", **options):
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb([SQUARE]), geometry_type="Polygon", crs=crs,
        field_data=[text(name), text("exploitation")], fields=["LIC_CODE", "TYPE"], **options,
    )  # fmt: skip
    return path


def zipped(folder, target, *, within=""):
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(folder.iterdir()):
            archive.write(part, within + part.name)
    return target


def pack(target, **members):
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return target


@pytest.mark.parametrize(("name", "options"), [
    ("titles.geojson", {"driver": "GeoJSON"}),
    ("titles.geojsonl", {"driver": "GeoJSONSeq"}),
    ("titles.shp", {"driver": "ESRI Shapefile"}),
    ("titles.gpkg", {"driver": "GPKG"}),
    ("titles.fgb", {"driver": "FlatGeobuf"}),
    ("titles.tab", {"driver": "MapInfo File"}),
    ("titles.mif", {"driver": "MapInfo File", "dataset_options": {"FORMAT": "MIF"}}),
    ("titles.gdb", {"driver": "OpenFileGDB", "layer": "titles"}),
])  # fmt: skip
def test_a_title_is_the_same_in_every_format(tmp_path, name, options):
    (title,), snapshot = read_titles(write(tmp_path / name, **options))
    assert (title.title_id, title.kind.value) == ("L1", "exploitation")
    assert title.geometry.symmetric_difference(SQUARE).area < 1e-9
    assert (snapshot.transformation, snapshot.transformation_m) == ("", 0.0)
    assert snapshot.refused == snapshot.repaired == ()


@pytest.mark.parametrize("within", ["titles.gdb/", "download/titles.gdb/"])
def test_a_zipped_geodatabase_is_read_in_place(tmp_path, within):
    path = write(tmp_path / "titles.gdb", driver="OpenFileGDB", layer="titles", name="Núñez")
    titles, _ = read_titles(zipped(path, tmp_path / "titles.zip", within=within))
    assert [t.title_id for t in titles] == ["Núñez"]


def test_the_layers_of_a_geodatabase_are_read_together(tmp_path):
    path = write(tmp_path / "titles.gdb", driver="OpenFileGDB", layer="mining")
    write(path, driver="OpenFileGDB", layer="prospecting", name="L2", append=True)
    titles, snapshot = read_titles(path)
    assert [t.title_id for t in titles] == ["L1", "L2"]
    assert "layers read together: mining, prospecting" in snapshot.notes


@pytest.mark.parametrize("suffix", [".kml", ".kmz"])
def test_extended_data_of_kml_is_read_as_columns(tmp_path, suffix):
    path = tmp_path / f"titles{suffix}"
    if suffix == ".kml":
        path.write_text(KML, encoding="utf-8")
    else:
        pack(path, doc__kml=KML)
    titles, snapshot = read_titles(path)
    assert [(t.title_id, t.status.value, t.holder, t.name) for t in titles] == [
        ("L1", "active", "", "Alpha"), ("L2", "unknown", "Núñez", "Beta"),
    ]  # fmt: skip
    assert "layers read together: large, small" in snapshot.notes


def test_csv_with_wkt_is_read_with_the_crs_that_is_passed(tmp_path):
    path = tmp_path / "titles.csv"
    path.write_text(f'WKT;licence_no;titular\n"{SQUARE.wkt}";L1;Núñez\n', encoding="utf-8")
    (title,), _ = read_titles(path, crs="EPSG:4326")
    assert (title.title_id, title.holder) == ("L1", "Núñez")
    assert title.geometry.equals(SQUARE)


def test_several_shapefiles_in_one_zip_are_read_together(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in (1, 2):
        write(folder / f"part{number}.shp", name=f"L{number}")
    titles, _ = read_titles(zipped(folder, tmp_path / "titles.zip"))
    assert [t.title_id for t in titles] == ["L1", "L2"]


# --- encodings of shapefiles ------------------------------------------------------------------------------------------


def legacy(folder, *, encoding, has_cpg, language=0, name="Peñón"):
    """A shapefile whose .dbf holds a name in an old encoding, said by a .cpg, a language driver, or nothing."""
    folder.mkdir()
    path = write(folder / "titles.shp", name=name, encoding=encoding)
    head = bytearray(path.with_suffix(".dbf").read_bytes())
    head[29] = language
    path.with_suffix(".dbf").write_bytes(head)
    if not has_cpg:
        path.with_suffix(".cpg").unlink()
    return path


@pytest.mark.parametrize("is_zipped", [False, True])
@pytest.mark.parametrize(("encoding", "has_cpg", "language"), [
    ("ISO-8859-1", True, 0), ("CP1252", True, 0), ("CP850", True, 0), ("UTF-8", True, 0),
    ("CP1252", False, 0x03), ("CP850", False, 0x02), ("ISO-8859-1", False, 0x57),
])  # fmt: skip
def test_what_a_shapefile_says_of_its_encoding_is_followed(tmp_path, encoding, has_cpg, language, is_zipped):
    path = legacy(tmp_path / "a", encoding=encoding, has_cpg=has_cpg, language=language)
    assert "Peñón".encode(encoding) in path.with_suffix(".dbf").read_bytes()
    (title,), snapshot = read_titles(zipped(path.parent, tmp_path / "titles.zip") if is_zipped else path)
    assert title.title_id == "Peñón"
    assert snapshot.notes == ()


@pytest.mark.parametrize("is_zipped", [False, True])
def test_a_shapefile_that_does_not_say_its_encoding_is_noted(tmp_path, is_zipped):
    path = legacy(tmp_path / "a", encoding="UTF-8", has_cpg=False)
    _, snapshot = read_titles(zipped(path.parent, tmp_path / "titles.zip") if is_zipped else path)
    (note,) = snapshot.notes
    assert note.startswith("neither a .cpg nor the .dbf says the encoding")
    assert "as UTF-8 would be 'Peñón'" in note


def test_plain_letters_need_no_encoding(tmp_path):
    _, snapshot = read_titles(legacy(tmp_path / "a", encoding="UTF-8", has_cpg=False, name="L1"))
    assert snapshot.notes == ()


def test_texts_that_contradict_their_cpg_raise(tmp_path):
    path = legacy(tmp_path / "a", encoding="ISO-8859-1", has_cpg=True)
    path.with_suffix(".cpg").write_text("UTF-8")
    with pytest.raises(CadastreInvalidError, match="cannot be read"):
        read_titles(path)


def test_a_geodatabase_that_lacks_its_tables_raises(tmp_path):
    path = write(tmp_path / "titles.gdb", driver="OpenFileGDB", layer="titles")
    shutil.rmtree(path)
    path.mkdir()
    with pytest.raises(CadastreInvalidError, match=r"titles\.gdb: cannot be read"):
        read_titles(path)


def test_a_prj_that_is_not_in_utf_8_raises_and_says_so(tmp_path):
    path = write(tmp_path / "titles.shp", crs="EPSG:32718")
    text = path.with_suffix(".prj").read_text().replace("WGS_1984_UTM_Zone_18S", "Zona_Española")
    path.with_suffix(".prj").write_text(text, encoding="latin-1")
    with pytest.raises(CadastreInvalidError, match="the name of its CRS, are not in the encoding"):
        read_titles(path)


@pytest.mark.parametrize(
    "name", ["titles.shp", "titles.gpkg", "titles.fgb", "titles.kml", "titles.geojson", "titles.zip", "titles.kmz"]
)
def test_a_file_that_was_cut_anywhere_is_read_or_refused_by_name(tmp_path, name):
    """A download that stopped: never another error than one of ours."""
    path = tmp_path / name
    if name.endswith((".zip", ".kmz")):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("doc.kml", KML)
    elif name.endswith(".kml"):
        path.write_text(KML, encoding="utf-8")
    else:
        write(path)
    whole = path.read_bytes()
    for share in range(0, 100, 9):
        path.write_bytes(whole[: len(whole) * share // 100])
        with contextlib.suppress(CadastreInvalidError):
            assert read_titles(path)[1].title_count > 0
