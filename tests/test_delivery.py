"""Documents for machines and the report: the contract holds, faults are named, bytes are stable."""

import itertools
import json
import math
import warnings
from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path

import geopandas as gpd
import jsonschema
import pytest
import shapely
from example_alerts import CRS, PROPERTIES, example, outline
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import shape

from pipeline.alerts import ALERT_PROPERTIES, Alert
from pipeline.delivery import ReportInputs, alert_schema, check_alert, feature_collection, properties_markdown, run_report
from pipeline.delivery.report import unseen_pct
from pipeline.errors import DeliveryInvalidError
from pipeline.ledger import LedgerRow, Outcome

AS_OF = date(2024, 4, 10)
DOCS = Path(__file__).parents[1] / "docs" / "alert-properties.md"


def written(*alerts):
    return feature_collection(alerts, aoi_id="test-area", as_of=AS_OF, manifest={"model_id": "m", "cadastre": []})


def signed_area(ring):
    """Shoelace: positive counter-clockwise."""
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in itertools.pairwise(ring)) / 2.0


# --- GeoJSON ---------------------------------------------------------------------------------------------------------


def test_the_file_is_rfc_7946():
    document = json.loads(written(example()))
    assert list(document) == ["type", "overburden", "features"]
    assert document["overburden"]["as_of"] == "2024-04-10"
    (feature,) = document["features"]
    exterior, hole = feature["geometry"]["coordinates"]
    assert signed_area(exterior) > 0 > signed_area(hole)
    assert exterior[0] == exterior[-1]
    assert all(-180 <= x <= 180 and -90 <= y <= 90 and round(x, 7) == x and round(y, 7) == y for x, y in exterior)
    assert list(feature["properties"]) == [p.name for p in ALERT_PROPERTIES]


def test_clockwise_outlines_are_turned():
    wrong = shapely.Polygon([(0, 0), (0, 1), (1, 1), (1, 0)], [[(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]])
    exterior, hole = json.loads(written(example(geometry=wrong)))["features"][0]["geometry"]["coordinates"]
    assert signed_area(exterior) == 1.0
    assert signed_area(hole) == pytest.approx(-0.36)


def test_every_file_fits_the_schema_and_a_wrong_one_does_not():
    validator = jsonschema.Draft202012Validator(alert_schema())
    document = json.loads(written(example(), example("b", growth_30d_ha=1.0, priority=3)))
    assert [e.message for e in validator.iter_errors(document)] == []
    assert [e.message for e in validator.iter_errors(json.loads(written()))] == []
    document["features"][0]["properties"]["tenure_status"] = "guilty"
    assert len(list(validator.iter_errors(document))) == 1


def test_other_readers_open_it_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = gpd.read_file(BytesIO(written(example(), example("b", geometry=outline(50.0, 900.0), priority=5)).encode()))
        empty = gpd.read_file(BytesIO(written().encode()))
    assert frame.crs.to_epsg() == 4326
    assert list(frame["id"]) == ["11111111-1111-5111-8111-111111111111", "b"]
    assert frame.geometry[0].equals_exact(example().geometry, 1e-9, normalize=True)
    assert frame["area_ha"].tolist() == [3.0, 3.0]
    assert frame["protected_areas"][0][0]["name"] == "Parque São José"
    assert frame["priority_terms"][0] == {"area": 5.5, "tenure": 56.0}
    assert list(frame["change_types"][0]) == ["tailings", "pond"]
    assert len(empty) == 0


def test_most_urgent_first_in_bytes_that_do_not_depend_on_the_order():
    low, high = example("a", priority=1.0, site_id="a"), example("b", priority=9.0, site_id="b")
    even = example("c", priority=9.0, site_id="c")
    assert written(low, even, high) == written(high, low, even)
    assert [f["id"] for f in json.loads(written(low, even, high))["features"]] == ["b", "c", "a"]


def test_a_line_holds_one_property_or_one_outline():
    lines = written(example()).splitlines()
    assert len(lines) == len(ALERT_PROPERTIES) + 24
    assert sum('"coordinates": [' in line for line in lines) == 1


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"area_ha": math.nan}, "area_ha is nan, expected number"),
        ({"area_ha": None}, "area_ha is null, expected number"),
        ({"area_ha": True}, "area_ha is True, expected number"),
        ({"revision": 1.5}, "revision is 1.5, expected integer"),
        ({"confirmed_on": "2024-02-30"}, "confirmed_on is '2024-02-30', expected date"),
        ({"confirmed_on": date(2024, 3, 15)}, "expected date"),
        ({"state": "certain"}, "expected one of provisional, confirmed, closed, withdrawn"),
        ({"scenes": "S2A"}, "scenes is 'S2A', expected strings"),
        ({"titles": [{"overlap_ha": math.inf}]}, "titles is [{'overlap_ha': inf}], expected objects"),
        ({"priority_terms": {"area": {1, 2}}}, "priority_terms is"),
        ({"hectares": 3}, "hectares is not in the table"),
    ],
)  # fmt: skip
def test_a_wrong_property_is_named(changed, told):
    with pytest.raises(DeliveryInvalidError) as error:
        check_alert(example(**changed))
    assert told in str(error.value)
    assert "alert-properties.md" in str(error.value)


@pytest.mark.parametrize("name", [p.name for p in ALERT_PROPERTIES])
def test_a_missing_property_is_named(name):
    properties = {k: v for k, v in PROPERTIES.items() if k != name}
    with pytest.raises(DeliveryInvalidError, match=f"{name} is missing"):
        check_alert(Alert("x", outline(), properties))


@pytest.mark.parametrize(
    ("geometry", "told"),
    [
        (shapely.Point(0, 0), "is Point, expected a polygon"),
        (shapely.Polygon(), "EMPTY, expected a polygon"),
        (shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), "crosses itself"),
        (shapely.box(500_000, 0, 500_100, 100), "expected lon/lat degrees"),
    ],
)
def test_a_wrong_outline_is_named(geometry, told):
    with pytest.raises(DeliveryInvalidError, match=told):
        check_alert(example(geometry=geometry))


def test_one_alert_stands_once_and_the_manifest_is_plain():
    with pytest.raises(DeliveryInvalidError, match="stands twice"):
        written(example("a"), example("a"))
    with pytest.raises(DeliveryInvalidError, match="manifest is no plain JSON"):
        feature_collection([], aoi_id="a", as_of=AS_OF, manifest={"share": math.nan})


@given(st.lists(st.tuples(st.floats(-170, 170), st.floats(-80, 80)), min_size=3, max_size=9, unique=True), st.text(max_size=20))
def test_outlines_and_texts_come_back(points, name):
    hull = shapely.set_precision(shapely.MultiPoint(points).convex_hull, 1e-7)
    if hull.geom_type != "Polygon" or not hull.is_valid or hull.area < 1e-6:
        return
    text = written(example(geometry=hull, protected_areas=[{"name": name}]))
    (feature,) = json.loads(text)["features"]
    assert shape(feature["geometry"]).symmetric_difference(hull).area < 1e-4
    assert feature["properties"]["protected_areas"] == [{"name": name}]


def test_the_documentation_is_what_the_table_says():
    command = "python -c \"import pathlib, pipeline.delivery as d; pathlib.Path('docs/alert-properties.md').write_text(d.properties_markdown(), encoding='utf-8')\""  # noqa: E501
    assert DOCS.read_text(encoding="utf-8") == properties_markdown(), f"stale; renew it with: {command}"


# --- report ----------------------------------------------------------------------------------------------------------


def row(day, *, scene="S2A_1", chunk="c0", outcome=Outcome.MONITORED, clear=None, cloudy=None, missing=None, reason=""):
    sensed = date(2024, 4, day) if day else None
    return LedgerRow(
        "test-area", chunk, scene, sensed, "2024-04-01T14:00:00Z", "05.10", outcome, clear, cloudy, missing, reason
    )


INPUTS = ReportInputs(
    aoi_id="test-area",
    aoi_name="Test | area <b>",
    is_simulated=False,
    as_of=AS_OF,
    previous_as_of=date(2024, 4, 8),
    model_id="test/0.1.0",
    config_digest="c0ffee",
    software="overburden 0.1.0",
    alerts=[example()],
    disturbances=[],
    changed=[example(revision=1)],
    ledger=[],
    findings=["titles.shp: title 7 refused: it is a point"],
    cadastre=[],
)


def test_the_report_says_what_ran_and_what_was_found():
    text = run_report(INPUTS)
    assert text.startswith("# Test \\| area &lt;b>, as of 2024-04-10\n")
    for part in ("`test/0.1.0`", "`c0ffee`", "overburden 0.1.0", "## Open alerts: 1", "0f0f0f0f", "61.5", "since 2024-04-08: 1",
                 "title 7 refused", "every tenure status is `unknown`", "only an authority decides"):  # fmt: skip
        assert part in text
    assert "ille" + "gal" not in text.lower()
    assert run_report(INPUTS) == text
    assert "Simulated data" not in text
    assert "**Simulated data" in run_report(replace(INPUTS, is_simulated=True))


def test_the_ledger_of_two_chunks_and_two_days():
    ledger = [
        row(2, chunk="c0", clear=80.0, cloudy=20.0, missing=0.0),
        row(2, chunk="c1", clear=40.0, cloudy=0.0, missing=60.0),
        row(7, chunk="c0", clear=10.0, cloudy=90.0, missing=0.0),
        row(7, chunk="c1", clear=90.0, cloudy=10.0, missing=0.0),
    ]
    text = run_report(replace(INPUTS, ledger=ledger))
    assert "| 2024-04-02 | 1 | 60 | 10 | 30 |" in text
    assert "| 2024-04-07 | 1 | 50 | 50 | 0 |" in text
    # c0 was hidden in 20 % on its clearest day and in 10 % at least, c1 in 10 % and in none at least
    assert unseen_pct(ledger, AS_OF) == (5.0, 15.0)
    assert "between 5 % and 15 %" in text


def test_a_month_without_a_look_is_not_a_month_with_nothing_there():
    old = [replace(row(2, clear=100.0, cloudy=0.0, missing=0.0), solar_day=date(2024, 1, 5))]
    assert unseen_pct(old, AS_OF) == (100.0, 100.0)
    assert unseen_pct([], AS_OF) == (100.0, 100.0)
    text = run_report(replace(INPUTS, ledger=old))
    assert "100 % of the area had no clear look" in text
    assert "| 2024-01 | 1 | 100 | 0 | 0 |" in text


def test_what_was_not_used_is_told_with_its_reason():
    ledger = [
        row(2, chunk="c0", scene="A", outcome=Outcome.FAILED, reason="SceneUnreadableError: nir.tif is truncated"),
        row(2, chunk="c1", scene="A", outcome=Outcome.FAILED, reason="SceneUnreadableError: nir.tif is truncated"),
        row(3, scene="B", chunk="", outcome=Outcome.SUPERSEDED, reason="C is of a newer processing baseline"),
        row(4, scene="D", outcome=Outcome.EMPTY, clear=0.0, cloudy=0.0, missing=100.0),
    ]
    text = run_report(replace(INPUTS, ledger=ledger, findings=[]))
    assert text.count("nir.tif is truncated") == 1
    assert "B superseded: C is of a newer processing baseline" in text
    assert "1 failed, 1 superseded, 1 empty" in text
    assert "None." in run_report(replace(INPUTS, ledger=[], findings=[])).split("## Scenes and inputs")[1]


def test_changes_say_what_is_new():
    changed = [example(revision=1), example("b", site_id="beef0000", revision=4, state="closed", priority=2.0)]
    part = run_report(replace(INPUTS, changed=changed)).split("## New or changed")[1]
    assert "1 new, 1 changed" in part


def test_crs_of_the_examples_is_the_one_of_the_file():
    assert CRS == "EPSG:32720"
    assert shapely.get_coordinates(example().geometry)[:, 0] == pytest.approx(-63.0, abs=0.01)
