"""Hectares of sites inside titles, against PostGIS: the real titles and detections of Ghana, pair by pair."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
import shapely
from servers.postgis import Postgis, PostgisMissingError, running, skip_or_fail

from pipeline import geo
from pipeline.io.cadastres import find_register, read_titles
from pipeline.tenure import TenureRules, TitleIndex, assess

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(not (SHARED / "detections").is_dir(), reason="../shared/data/detections is absent")

PAIRS = """
SELECT s.id, t.id, ST_Area(ST_Intersection(s.outline, t.outline)::geography, true) / 10000
FROM site s JOIN title t ON ST_Intersects(s.outline, t.outline) ORDER BY 1, 2;
"""
"""Planar cut in degrees, spheroidal area of the piece: the same question by other code."""


@pytest.fixture(scope="module")
def postgis() -> Iterator[Postgis]:
    try:
        with running() as server:
            yield server
    except PostgisMissingError as error:
        skip_or_fail(error)


def table(name: str, outlines: list[shapely.Geometry]) -> str:
    """SQL of a table of outlines, numbered from 0."""
    rows = ",\n".join(f"({n}, '{shapely.to_wkb(g, hex=True, include_srid=False)}')" for n, g in enumerate(outlines))
    return (
        f"CREATE TABLE {name} (id int, outline geometry);\nINSERT INTO {name} VALUES\n{rows};\n"
        f"UPDATE {name} SET outline = ST_SetSRID(outline, 4326);\nCREATE INDEX ON {name} USING gist (outline);\n"
    )


def test_every_pair_of_site_and_title_has_the_hectares_of_postgis(postgis: Postgis) -> None:
    titles, snapshot = read_titles(
        SHARED / "cadastre" / "ghana_small_scale_gold_2025.geojson", retrieved_on=date(2025, 4, 18),
        register=find_register("ghana_mincom"),
    )  # fmt: skip
    names = ("ghana_ashanti_planet_2025-04", "ghana_earth_genome_2024")
    documents = [json.loads((SHARED / "detections" / f"{name}.geojson").read_text(encoding="utf-8")) for name in names]
    shapes = (shapely.geometry.shape(feature["geometry"]) for document in documents for feature in document["features"])
    sites = [geo.polygons_only(outline) for outline in shapes]
    index = TitleIndex(titles)
    number = {id(title): n for n, title in enumerate(titles)}
    own = {}
    for row, site in enumerate(sites):
        finding = assess(site, index, snapshots=[snapshot], on=date(2025, 4, 19), rules=TenureRules(minerals=("gold",)))
        own |= {(row, number[id(t.title)]): t.overlap_ha for t in finding.titles if t.overlap_ha > 0}
    told = postgis.ask(table("site", sites) + table("title", [t.geometry for t in titles]) + PAIRS)
    peer = {(int(s), int(t)): float(ha) for s, t, ha in told}
    assert len(own) > 100
    assert {pair for pair, ha in peer.items() if ha >= 0.0006} - own.keys() == set()
    assert own.keys() - peer.keys() == set()
    assert all(ha == pytest.approx(peer[pair], abs=0.0006) for pair, ha in own.items())
