"""The map: it needs no network, runs nothing that files bring, and shows what it was given (in a browser, if any)."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
import shapely
from example_alerts import CENTRE, CRS, example, outline

from pipeline import geo
from pipeline.delivery import MapInputs, map_html
from pipeline.evidence import true_colour_png
from pipeline.tenure import AreaKind, ProtectedArea, Title, TitleKind, TitleStatus

BOUNDS = (CENTRE[0] - 1000.0, CENTRE[1] - 500.0, CENTRE[0] + 1000.0, CENTRE[1] + 500.0)
EVIL = "</script><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">{{SCRIPT}}"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def lonlat(*bounds):
    return geo.to_lonlat(shapely.box(*bounds), CRS)


def title(title_id, geometry, name=""):
    return Title(title_id, name, EVIL, TitleKind.EXPLOITATION, TitleStatus.ACTIVE, date(2020, 1, 1), None, ("gold",), geometry)


PICTURE = true_colour_png({n: np.full((100, 200), v, np.float32) for n, v in (("red", 0.03), ("green", 0.05), ("blue", 0.03))})
INPUTS = MapInputs(
    title="A belt: suspected extraction",
    as_of=date(2024, 4, 10),
    aoi_id="test-area",
    aoi_name="A belt",
    is_simulated=False,
    grid_crs=CRS,
    bounds=BOUNDS,
    before_png=PICTURE,
    after_png=PICTURE,
    before_label="2024-02-24",
    after_label="2024-04-04",
    area=lonlat(*BOUNDS),
    alerts=[
        example("a"),
        example("b", geometry=outline(20.0, 600.0, 300.0), site_id="b" * 8, state="provisional", priority=2.0),
    ],
    disturbances=[example("d", geometry=outline(80.0, -600.0), likely_cause="burn", evidence=None)],
    titles=[title("T1", lonlat(CENTRE[0] - 300, CENTRE[1] - 300, CENTRE[0] + 300, CENTRE[1] + 300))],
    protected=[
        ProtectedArea("P1", "", AreaKind.INDIGENOUS_TERRITORY, lonlat(CENTRE[0] - 900, CENTRE[1], CENTRE[0], CENTRE[1] + 400))
    ],
    attribution="Contains modified Copernicus Sentinel data",
)


def data_of(page):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL).group(1))


def test_the_same_inputs_give_the_same_page_with_nothing_from_elsewhere():
    page = map_html(INPUTS)
    assert page == map_html(INPUTS)
    assert re.findall(r"(?:src|href)\s*=\s*[\"'](?!data:)", page) == []
    assert re.findall(r"https?://", page) == []
    assert page.count("{{SCRIPT}}") == 1  # the one in the name of a holder: what names hold is never filled in


def test_the_policy_allows_this_script_and_style_only():
    page = map_html(INPUTS)
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', page).group(1)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    for kind, text in (("script", script), ("style", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_names_from_files_cannot_become_markup():
    alerts = [
        example("a", tenure_reasons=[EVIL], model_id=EVIL, protected_areas=[{"name": EVIL, "kind": EVIL, "overlap_ha": 1.0}])
    ]
    page = map_html(replace(INPUTS, title=EVIL, aoi_name=EVIL, attribution=EVIL, before_label=EVIL, alerts=alerts,
                            titles=[title(EVIL, INPUTS.titles[0].geometry, EVIL)]))  # fmt: skip
    clean = map_html(INPUTS)
    assert page.lower().count("<script") == clean.lower().count("<script") == 2
    assert page.lower().count("<img") == 0
    assert page.count("</script") == 2
    assert data_of(page)["title"] == EVIL
    assert data_of(page)["titles"][0]["facts"][0] == ["Holder", EVIL]
    assert "\u2028" not in map_html(replace(INPUTS, title="a\u2028b"))


@pytest.mark.parametrize(
    ("evidence", "link"),
    [
        ("evidence/abc-r1.zip", "evidence/abc-r1.zip"),
        (None, None),
        ("javascript:alert(1)", None),
        ("//elsewhere.example/x", None),
        ("../secret", None),
        ("evidence/../../x", None),
        ("/etc", None),
    ],
)
def test_the_evidence_link_stays_below_the_map(evidence, link):
    page = map_html(replace(INPUTS, alerts=[example("a", evidence=evidence)]))
    assert data_of(page)["alerts"][0]["evidence"] == link


def test_positions_by_hand():
    data = data_of(map_html(INPUTS))
    (x0, y0), (x1, y1) = np.min(data["alerts"][0]["rings"][0], axis=0), np.max(data["alerts"][0]["rings"][0], axis=0)
    assert (x0, y0, x1, y1) == pytest.approx((900, 400, 1100, 600), abs=0.2)  # right of and below the upper left corner
    assert data["north_deg"] == pytest.approx(0.0, abs=0.01)
    assert data["corners"][0] == pytest.approx([-63.0091, -9.0423], abs=0.001)  # 999,500 m / 0.9996 / 110.58 km per degree


def test_far_titles_are_left_out_and_wide_ones_are_cut():
    wide = shapely.box(-75.0, -20.0, -50.0, 0.0)
    far = lonlat(CENTRE[0] + 50_000, CENTRE[1], CENTRE[0] + 51_000, CENTRE[1] + 1000)
    titles = data_of(map_html(replace(INPUTS, titles=[title("far", far), title("wide", wide)])))["titles"]
    assert [t["name"] for t in titles] == ["wide"]
    assert np.abs(titles[0]["rings"][0]).max() < 20_000


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(tmp_path):
    """The page's document after its script ran."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine")

    def run(page, fragment=""):
        file = tmp_path / "map.html"
        file.write_text(page, encoding="utf-8")
        quiet = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync --disable-background-networking"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        how = f"--disable-component-update --virtual-time-budget=1500 --window-size=1280,800 --dump-dom {profile}"
        command = [BROWSER, "--headless", *quiet.split(), *how.split(), f"{file.as_uri()}{fragment}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return html.unescape(re.sub(r"(?s)<(script|style).*?</\1>", "", done.stdout))

    return run


def test_the_list_and_the_legend_say_what_was_given(shown):
    dom = shown(map_html(replace(INPUTS, is_simulated=True)))
    assert "Alerts (2)" in dom
    assert "Other disturbances (1)" in dom
    assert "Indigenous territories (1)" in dom
    assert '<strong id="simulated">SIMULATED DATA' in dom
    assert len(re.findall(r"<button data-id=", dom)) == 2
    assert re.search(r"lon -63\.0\d+, lat -9\.0\d+", dom)


def test_an_alert_opens_with_its_facts_and_the_page_is_not_taken(shown):
    dom = shown(
        map_html(
            replace(INPUTS, titles=[title(EVIL, INPUTS.titles[0].geometry)], alerts=[example("a", tenure_reasons=[EVIL])])
        ),
        "#a",
    )
    assert "<title>A belt: suspected extraction</title>" in dom
    assert "Looks like mining: 3.00 ha" in dom
    assert 'href="evidence/11111111-1111-5111-8111-111111111111-r2.zip"' in dom
    assert "Parque São José (protected area): 1.25 ha" in dom
    assert "after 2024-02-24, seen by 2024-03-05" in dom
    assert '<strong id="simulated" hidden' in dom
