"""Documents: the renderings of alerts for people and machines. Values in, text out; the caller writes."""

from pipeline.delivery.cap import cap_messages
from pipeline.delivery.columns import csv_rows
from pipeline.delivery.document import SharedFile
from pipeline.delivery.geojson import (
    check_alert,
    check_record,
    feature_collection,
    shared_collection,
    sites_collection,
    spoken_again,
)
from pipeline.delivery.geoparquet import geoparquet
from pipeline.delivery.kml import kml
from pipeline.delivery.report import ReportInputs, night_summary, run_report
from pipeline.delivery.schema import alert_schema, properties_markdown, schema_text, shared_schema
from pipeline.delivery.stac import stac_item
from pipeline.delivery.webmap import MapInputs, map_html

__all__ = [
    "MapInputs",
    "ReportInputs",
    "SharedFile",
    "alert_schema",
    "cap_messages",
    "check_alert",
    "check_record",
    "csv_rows",
    "feature_collection",
    "geoparquet",
    "kml",
    "map_html",
    "night_summary",
    "properties_markdown",
    "run_report",
    "schema_text",
    "shared_collection",
    "shared_schema",
    "sites_collection",
    "spoken_again",
    "stac_item",
]
