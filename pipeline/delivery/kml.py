"""KML 2.2 of a shared file: typed data, a style for each tenure finding, and no text that a viewer would run."""

import xml.etree.ElementTree as ET

import shapely
from shapely.geometry.base import BaseGeometry

from pipeline.alerts import DISCLAIMER
from pipeline.delivery.colours import OTHER, STATUS_COLOURS, Colour
from pipeline.delivery.columns import outlines
from pipeline.delivery.document import SharedFile, headline, xml_text
from pipeline.sharing import SharedAlert

_TYPES = {"integer": "int", "number": "double"}
_SCHEMA = "alert"
_NO_MARKUP = str.maketrans({"<": "‹", ">": "›"})
"""Viewers show texts as HTML: without these two signs there is no element."""


def kml(file: SharedFile) -> bytes:
    """Return the bytes of a KML document.

    References
    ----------
    OGC 12-007r2, KML 2.3; what is used here is the same in 2.2.
    """
    root = ET.Element("kml", {"xmlns": "http://www.opengis.net/kml/2.2"})
    document = ET.SubElement(root, "Document")
    _add(document, "name", f"{file.aoi_id} as of {file.as_of.isoformat()}, tier {file.tier}")
    _add(document, "description", ("SIMULATED PIXELS. " if file.is_simulated else "") + DISCLAIMER)
    for name, colour in {**{str(status): c for status, c in STATUS_COLOURS.items()}, "other": OTHER}.items():
        _style(document, name, colour)
    schema = ET.SubElement(document, "Schema", {"name": _SCHEMA, "id": _SCHEMA})
    for known in file.fields:
        ET.SubElement(schema, "SimpleField", {"type": _TYPES.get(known.type, "string"), "name": known.name})
    folder, shapes = ET.SubElement(document, "Folder"), iter(outlines(file))
    _add(folder, "name", "alerts")
    for record in file.records:
        _placemark(folder, record, file, None if record.geometry is None else next(shapes))
    return ET.tostring(root, encoding="UTF-8", xml_declaration=True)


def _plain(value: object) -> str:
    """A value as text without markup."""
    return xml_text(value).translate(_NO_MARKUP)


def _add(parent: ET.Element, name: str, text: object) -> ET.Element:
    """An element with text."""
    element = ET.SubElement(parent, name)
    element.text = _plain(text)
    return element


def _style(document: ET.Element, name: str, colour: Colour) -> None:
    """A style: KML writes colours as alpha, blue, green, red."""
    style = ET.SubElement(document, "Style", {"id": f"tenure-{name}"})
    red, green, blue = colour
    line = ET.SubElement(style, "LineStyle")
    _add(line, "color", f"ff{blue:02x}{green:02x}{red:02x}")
    _add(line, "width", "2")
    _add(ET.SubElement(style, "PolyStyle"), "color", f"66{blue:02x}{green:02x}{red:02x}")


def _placemark(folder: ET.Element, record: SharedAlert, file: SharedFile, shape: BaseGeometry | None) -> None:
    """One alert."""
    mark = ET.SubElement(folder, "Placemark", {"id": f"alert-{_plain(record.id)}"})
    _add(mark, "name", headline(record, file.aoi_id))
    status = record.properties.get("tenure_status")
    _add(mark, "styleUrl", f"#tenure-{status if status in STATUS_COLOURS else 'other'}")
    data = ET.SubElement(ET.SubElement(mark, "ExtendedData"), "SchemaData", {"schemaUrl": f"#{_SCHEMA}"})
    for known in file.fields:
        if record.properties[known.name] is not None:
            value = ET.SubElement(data, "SimpleData", {"name": known.name})
            value.text = _plain(record.properties[known.name])
    if shape is not None:
        many = ET.SubElement(mark, "MultiGeometry")
        for part in shapely.get_parts(shape).tolist():
            _polygon(many, part)


def _polygon(parent: ET.Element, part: shapely.Polygon) -> None:
    """One polygon."""
    polygon = ET.SubElement(parent, "Polygon")
    rings = [("outerBoundaryIs", part.exterior), *(("innerBoundaryIs", ring) for ring in part.interiors)]
    for name, ring in rings:
        text = " ".join(f"{x:.7f},{y:.7f}" for x, y in ring.coords)
        _add(ET.SubElement(ET.SubElement(polygon, name), "LinearRing"), "coordinates", text)
