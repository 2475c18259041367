"""Rivers: lines or polygons of water that a law keeps a strip along."""

from pathlib import Path

from pipeline.errors import CadastreInvalidError
from pipeline.io.cadastres.files import read_vector
from pipeline.io.cadastres.registers import match_columns
from pipeline.tenure import River

RIVER_COLUMNS = {"name": ("name", "river", "river_name", "nombre", "nome", "nom", "id")}
_LINES = {"LineString", "MultiLineString", "LinearRing"}


def read_rivers(path: Path, *, crs: str | None = None) -> list[River]:
    """Return the rivers of a vector file, in its order.

    Raises
    ------
    CadastreInvalidError
        The file cannot be opened, or a feature is neither line nor polygon: a strip would be missed.
    CadastreWithoutCrsError
        The file does not say its CRS, or its numbers contradict it.
    """
    file = read_vector(path, crs=crs)
    columns = match_columns(RIVER_COLUMNS, file.columns)
    names = file.columns[columns["name"]] if "name" in columns else (None,) * len(file)
    rivers = []
    for row, (outline, name) in enumerate(zip(file.outlines, names, strict=True), start=1):
        is_line = outline.location is not None and outline.location.geom_type in _LINES
        water = outline.geometry if outline.geometry is not None else outline.location if is_line else None
        if water is None:
            raise CadastreInvalidError(
                f"{path}: feature {row} ({name or 'without a name'}) is a {outline.geometry_type}, expected a line or "
                "polygon of water; take it out of the file, or draw it"
            )
        rivers.append(River(name or f"feature {row}", water))
    return rivers
