"""The QGIS style of alerts: filled by tenure finding, dashed where provisional."""

import xml.etree.ElementTree as ET
from collections.abc import Collection

from pipeline.delivery.colours import OTHER, STATUS_COLOURS, Colour

_DASHED = "CASE WHEN \"state\" = 'provisional' THEN 'dash' ELSE 'solid' END"


def qgis_style(names: Collection[str]) -> str:
    """Return the QML of a layer with these fields."""
    root = ET.Element("qgis", {"version": "3.34.0", "styleCategories": "Symbology"})
    attr = "tenure_status" if "tenure_status" in names else "id"
    renderer = ET.SubElement(root, "renderer-v2", {"type": "categorizedSymbol", "attr": attr, "forceraster": "0",
                                                   "symbollevels": "0", "enableorderby": "0"})  # fmt: skip
    kinds = {str(s): c for s, c in STATUS_COLOURS.items()} if attr == "tenure_status" else {}
    categories, symbols = ET.SubElement(renderer, "categories"), ET.SubElement(renderer, "symbols")
    for k, (value, colour) in enumerate({**kinds, "": OTHER}.items()):
        label = value.replace("_", " ") or "other"
        ET.SubElement(categories, "category", {"value": value, "label": label, "symbol": str(k), "render": "true",
                                               "type": "string"})  # fmt: skip
        _symbol(symbols, str(k), colour, is_dashed="state" in names)
    ET.SubElement(root, "layerGeometryType").text = "2"
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + ET.tostring(root, encoding="unicode")


def _symbol(symbols: ET.Element, name: str, colour: Colour, *, is_dashed: bool) -> None:
    """A fill."""
    symbol = ET.SubElement(symbols, "symbol", {"name": name, "type": "fill", "alpha": "1", "clip_to_extent": "1",
                                               "force_rhr": "0"})  # fmt: skip
    layer = ET.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
    rgb = ",".join(map(str, colour))
    options = ET.SubElement(layer, "Option", {"type": "Map"})
    for key, value in (
        ("color", f"{rgb},100"), ("outline_color", f"{rgb},255"), ("outline_style", "solid"), ("outline_width", "0.5"),
        ("outline_width_unit", "MM"), ("style", "solid"),
    ):  # fmt: skip
        ET.SubElement(options, "Option", {"type": "QString", "name": key, "value": value})
    if is_dashed:
        _by_expression(layer, "outlineStyle", _DASHED)


def _by_expression(layer: ET.Element, name: str, expression: str) -> None:
    """A property of a symbol that an expression gives."""
    outer = ET.SubElement(ET.SubElement(layer, "data_defined_properties"), "Option", {"type": "Map"})
    ET.SubElement(outer, "Option", {"type": "QString", "name": "name", "value": ""})
    held = ET.SubElement(outer, "Option", {"type": "Map", "name": "properties"})
    one = ET.SubElement(held, "Option", {"type": "Map", "name": name})
    for key, kind, value in (("active", "bool", "true"), ("expression", "QString", expression), ("type", "int", "3")):
        ET.SubElement(one, "Option", {"type": kind, "name": key, "value": value})
    ET.SubElement(outer, "Option", {"type": "QString", "name": "type", "value": "collection"})
