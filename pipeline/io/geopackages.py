"""GeoPackages of shared files: a layer each, styled for QGIS, the same bytes for the same records."""

import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyogrio
import shapely

from pipeline import geo
from pipeline.delivery.columns import GEOMETRY, columns, has_places, outlines
from pipeline.delivery.document import SharedFile
from pipeline.delivery.qml import qgis_style

VERSION = "1.2"
"""What readers of 2018 and later know; nothing newer is used."""
PLACE = "geom"
"""Column of the outlines."""
_STYLES = """
CREATE TABLE layer_styles (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, f_table_catalog TEXT(256),
 f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT,
 styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30), update_time DATETIME)
"""


def geopackage(layers: Mapping[str, SharedFile]) -> bytes:
    """Return the bytes of a GeoPackage with these layers; a layer without places is a plain table.

    Times in it are those of the day that the file speaks for, not of its writing.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "alerts.gpkg"
        for name, file in layers.items():
            _write_layer(path, name, file)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _write_styles(connection, layers)
        return _with_fixed_counters(path.read_bytes())


def _with_fixed_counters(data: bytes) -> bytes:
    """A database whose two counters of changes are 1: how often it was written depends on the instant, not on the records.

    https://www.sqlite.org/fileformat2.html, sections 1.3.9 and 1.3.20; they must agree with each other, no more.
    """
    one = (1).to_bytes(4, "big")
    return data[:24] + one + data[28:92] + one + data[96:]


def _write_layer(path: Path, name: str, file: SharedFile) -> None:
    """Add a layer."""
    held, place, named = columns(file), {}, {}
    if has_places(file):
        held[GEOMETRY] = pa.array([shapely.to_wkb(s, flavor="iso") for s in outlines(file)], pa.binary())
        place = {"geometry_name": GEOMETRY, "geometry_type": "MultiPolygon", "crs": geo.WGS84}
        named = {"GEOMETRY_NAME": PLACE}
    table = pa.table(held)
    pyogrio.write_arrow(
        table, path, layer=name, driver="GPKG", append=path.exists(), dataset_options={"VERSION": VERSION},
        layer_options={"DESCRIPTION": f"{file.aoi_id} as of {file.as_of.isoformat()}, tier {file.tier}", **named}, **place,
    )  # fmt: skip


def _write_styles(connection: sqlite3.Connection, layers: Mapping[str, SharedFile]) -> None:
    """Add the styles and fix the times."""
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute(_STYLES)
    connection.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description) "
        "VALUES ('layer_styles', 'attributes', 'layer_styles', '')"
    )
    for name, file in layers.items():
        noted = f"{file.as_of.isoformat()}T00:00:00.000Z"
        if has_places(file):
            names = [p.name for p in file.fields]
            connection.execute(
                "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
                "styleQML, useAsDefault, description, owner, update_time) VALUES ('', '', ?, ?, 'tenure', ?, 1, ?, '', ?)",
                (name, PLACE, qgis_style(names), "Filled by tenure finding, dashed where provisional", noted),
            )
        connection.execute("UPDATE gpkg_contents SET last_change = ?", (noted,))
    connection.execute("VACUUM")
