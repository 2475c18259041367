"""Documents: the renderings of alerts for people and machines. Values in, text out; the caller writes."""

from pipeline.delivery.geojson import check_alert, feature_collection, sites_collection
from pipeline.delivery.report import ReportInputs, night_summary, run_report
from pipeline.delivery.schema import alert_schema, properties_markdown
from pipeline.delivery.webmap import MapInputs, map_html

__all__ = [
    "MapInputs",
    "ReportInputs",
    "alert_schema",
    "check_alert",
    "feature_collection",
    "map_html",
    "night_summary",
    "properties_markdown",
    "run_report",
    "sites_collection",
]
