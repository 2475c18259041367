"""Sentinel Hub through its own client library, against a service on loopback: pixels, prices, faults and secrets."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from servers.faults import Fault
from servers.sentinel_hub import SentinelHubServer, Tile, read_evalscript, sentinel_hub
from shapely.geometry import box

from pipeline import geo
from pipeline.aoi import Area, Grid, working_grid
from pipeline.errors import (
    BudgetSpentError,
    CatalogUnreadableError,
    CredentialsMissingError,
    ProviderAnswerError,
    ProviderForbiddenError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RadiometryUnknownError,
    SceneUnreadableError,
)
from pipeline.io import process_windows
from pipeline.io.process_windows import evalscript, processing_units
from pipeline.io.providers import SourceSettings, Unusable, open_source
from pipeline.io.providers import sentinel_hub as provider
from pipeline.io.providers.sentinel_hub import SentinelHub, provide_credentials
from pipeline.io.web import Patience
from pipeline.scenes import BANDS, Radiometry, Scene, choose_scenes

EPSG = 32720
UTM = f"EPSG:{EPSG}"
PATIENCE = Patience(attempts=3, timeout_s=0.5, first_wait_s=0.01)
SERVICE_BANDS = ("B02", "B03", "B04", "B08", "B11", "B12", "SCL", "CLD")
NIGHT = datetime(2024, 1, 3, 14, 37, 40, tzinfo=UTC)
EVERYTHING = (*BANDS, "scl", "cloud")


def product(
    tile: str, corner: tuple[float, float], *, when: datetime = NIGHT, baseline: str = "0510", **properties: object
) -> Tile:
    """A product of 1.2 km, each number of which is known by its place, band and tile."""
    salt = sum(map(ord, tile + baseline)) + when.day
    bands = {}
    for number, band in enumerate(SERVICE_BANDS):
        side = 120 if number < 4 else 60
        place = np.arange(side * side).reshape(side, side)
        bands[band] = (place * 3 + salt + 500 * number) % (12 if band == "SCL" else 101 if band == "CLD" else 9000) + 1
    west, north = corner
    ground = geo.reproject(box(west, north - 1200.0, west + 1200.0, north), UTM, geo.WGS84)
    name = f"S2B_MSIL2A_{when:%Y%m%d}T143729_N{baseline}_R096_{tile}_{when:%Y%m%d}T175316"
    return Tile(name, when, ground, EPSG, corner, bands, properties)


WEST, EAST = (500_000.0, 9_000_000.0), (501_000.0, 9_000_000.0)
"""Corners of two tiles that overlap by 200 m."""


def both(**said: Any) -> list[Tile]:
    """Both tiles of one pass, eight seconds apart."""
    when = said.pop("when", NIGHT)
    return [product("T20LKP", WEST, when=when, **said), product("T20LLP", EAST, when=when + timedelta(seconds=8), **said)]


def area_of(west: float, south: float, east: float, north: float) -> Area:
    return Area("here", "Here", geo.reproject(box(west, south, east, north), UTM, geo.WGS84), {"grid_epsg": EPSG})


AREA = area_of(500_505.0, 8_999_195.0, 501_995.0, 8_999_805.0)
GRID = working_grid(AREA, 4096)
"""The area in one chunk."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings of the machine, no session of another test."""
    from sentinelhub import SentinelHubDownloadClient

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    for name in ("SH_CLIENT_ID", "SH_CLIENT_SECRET", "SH_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(provider, "_PROVIDED", {})
    SentinelHubDownloadClient.clear_cache()
    yield
    SentinelHubDownloadClient.clear_cache()


@pytest.fixture
def server() -> Iterator[SentinelHubServer]:
    with sentinel_hub(both()) as running:
        yield running


def opened(server: SentinelHubServer, **settings: Any) -> SentinelHub:
    provide_credentials("us", server.client_id, server.client_secret)
    source = open_source(SourceSettings(server.catalog, **{"account": "us", "patience": PATIENCE, **settings}))
    assert isinstance(source, SentinelHub)
    return source


def found(source: SentinelHub, area: Area = AREA, start: date | None = date(2024, 1, 1)) -> list[Scene | Unusable]:
    return list(source.scenes(area, start, date(2024, 12, 31)))


def scene_of(source: SentinelHub) -> Scene:
    (scene,) = found(source)
    assert isinstance(scene, Scene)
    return scene


def fetched(source: SentinelHub, grid: Grid, names: tuple[str, ...] = EVERYTHING) -> Mapping[str, Any]:
    return dict(source.pieces(scene_of(source), names, grid))


def truth(tiles: list[Tile], band: str, transform: Any, shape: tuple[int, int]) -> np.ndarray:
    """What a piece must hold: the tiles' own numbers, the later tile on top."""
    size, out = transform.a, np.zeros(shape, int)
    for tile in tiles:
        numbers = tile.bands[band]
        column, row = round((tile.corner[0] - transform.c) / size), round((transform.f - tile.corner[1]) / size)
        rows = slice(max(row, 0), min(row + numbers.shape[0], shape[0]))
        columns = slice(max(column, 0), min(column + numbers.shape[1], shape[1]))
        out[rows, columns] = numbers[rows.start - row : rows.stop - row, columns.start - column : columns.stop - column]
    return out


def ground_of(request: Mapping[str, Any]) -> tuple[str, Any]:
    return request["evalscript"], box(*request["input"]["bounds"]["bbox"])


# --- scenes --------------------------------------------------------------------------------------------------------


def test_the_tiles_of_a_datatake_are_one_scene(server: SentinelHubServer) -> None:
    scene = scene_of(opened(server))
    assert scene.id == "S2B_20240103T143729_N0510_T20LKP+T20LLP"
    assert (scene.tile, scene.datatake_id, scene.platform) == ("T20LKP+T20LLP", "GS2B_20240103T143729", "sentinel-2b")
    assert (scene.sensed_at, scene.processing_baseline, scene.solar_day) == (NIGHT, "05.10", date(2024, 1, 3))
    assert scene.footprint.equals(shapely.union_all([t.geometry for t in server.tiles]))
    assert list(scene.assets) == list(EVERYTHING)
    assert {scene.assets[b].radiometry for b in BANDS} == {Radiometry(1e-4, -0.1, 0)}
    assert scene.assets["scl"].radiometry is scene.assets["cloud"].radiometry is None
    assert scene.assets["blue"].href == "sentinelhub:blue#2024-01-03T14:37:39Z..2024-01-03T14:37:49Z"
    (asked,) = server.asked("search")
    assert asked["datetime"] == "2023-12-31T00:00:00Z/2025-01-01T23:59:59Z"  # a solar day may begin on the UTC day before
    assert asked["collections"] == ["sentinel-2-l2a"]


def test_satellites_and_datatakes_are_kept_apart() -> None:
    later = both(when=NIGHT + timedelta(days=5))
    other = [replace(t, id=t.id.replace("S2B", "S2A")) for t in both()]
    with sentinel_hub([*both(), *later, *other]) as server:
        scenes = [s for s in found(opened(server)) if isinstance(s, Scene)]
    assert sorted(s.datatake_id for s in scenes) == ["GS2A_20240103T143729", "GS2B_20240103T143729", "GS2B_20240108T143729"]
    assert len({s.id for s in scenes}) == 3
    assert choose_scenes(scenes)[1] == []


def test_an_early_baseline_has_no_offset_and_absent_bands_are_left_out() -> None:
    with sentinel_hub(both(baseline="0301")) as server:
        scene = scene_of(opened(server, absent_bands=("swir22",)))
    assert scene.assets["red"].radiometry == Radiometry(1e-4, 0.0, 0)
    assert "swir22" not in scene.assets


def test_the_stated_baseline_counts_before_the_name() -> None:
    with sentinel_hub(both(baseline="0301", **{"s2:processing_baseline": "05.00"})) as server:
        scene = scene_of(opened(server))
    assert scene.processing_baseline == "05.00"
    assert scene.assets["red"].radiometry == Radiometry(1e-4, -0.1, 0)


def test_tiles_on_both_sides_of_the_offset_are_no_scene() -> None:
    tiles = [product("T20LKP", WEST, baseline="0301"), product("T20LLP", EAST, baseline="0500")]
    with sentinel_hub(tiles) as server:
        (result,) = found(opened(server, offsets={"*": -0.1}))  # no one number is right for both
    assert isinstance(result, Unusable)
    assert isinstance(result.error, RadiometryUnknownError)
    assert "T20LKP 03.01, T20LLP 05.00" in str(result.error)
    assert (result.solar_day, result.tile) == (date(2024, 1, 3), "T20LKP+T20LLP")


def test_one_tile_in_two_versions_with_different_offsets_is_no_scene() -> None:
    with sentinel_hub([product("T20LKP", WEST, baseline="0301"), product("T20LKP", WEST, baseline="0500")]) as server:
        (result,) = found(opened(server))
    assert isinstance(result, Unusable)
    assert isinstance(result.error, RadiometryUnknownError)


def test_without_a_baseline_only_the_operator_knows_the_offset() -> None:
    tiles = [replace(t, id=t.id.replace("_N0510", "")) for t in both()]
    with sentinel_hub(tiles) as server:
        (unknown,) = found(opened(server))
        known = scene_of(opened(server, offsets={"S2B_20240103*": -0.1}))
    assert isinstance(unknown, Unusable)
    assert isinstance(unknown.error, RadiometryUnknownError)
    assert known.assets["nir"].radiometry == Radiometry(1e-4, -0.1, 0)


@pytest.mark.parametrize("broken", [{"id": "landsat"}, {"geometry": shapely.Polygon()}])
def test_an_item_that_is_no_product_is_unusable(broken: dict[str, Any]) -> None:
    tile = replace(both()[0], **broken)
    with sentinel_hub([]) as server:
        server.search = lambda _: {"features": [tile.item() | {"geometry": None}], "context": {}}  # type: ignore[method-assign]
        (result,) = found(opened(server))
    assert isinstance(result, Unusable)
    assert isinstance(result.error, CatalogUnreadableError)


# --- pages of a search ---------------------------------------------------------------------------------------------


def many(count: int = 7) -> list[Tile]:
    return [product("T20LKP", WEST, when=NIGHT + timedelta(days=5 * n)) for n in range(count)]


def test_every_page_is_read() -> None:
    with sentinel_hub(many()) as server:
        server.page_limit = 2
        assert len(found(opened(server))) == 7
        assert [a.get("next") for a in server.asked("search")] == [None, 2, 4, 6]


def test_a_page_without_context_is_the_last(server: SentinelHubServer) -> None:
    server.gives_context = False
    assert len(found(opened(server))) == 1


def test_pages_in_a_loop_end(server: SentinelHubServer) -> None:
    server.has_page_loop = True
    with pytest.raises(ProviderAnswerError, match="leads back to an earlier one"):
        found(opened(server))
    assert len(server.asked("search")) == 2


def test_a_search_that_changes_is_made_again() -> None:
    with sentinel_hub(many(4)) as server:
        server.page_limit, server.changes = 2, 1
        assert len(found(opened(server))) == 4
        assert len(server.asked("search")) == 4
        server.changes = 100
        assert len(found(opened(server))) == 4  # a catalogue that names an item twice, the same every time


# --- pixels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk_px", [32, 64, 1024])
def test_every_number_is_the_tiles_own(server: SentinelHubServer, chunk_px: int) -> None:
    grid = working_grid(AREA, chunk_px)
    pieces = fetched(opened(server), grid)
    assert list(pieces) == list(EVERYTHING)
    for name, band in zip(EVERYTHING, SERVICE_BANDS, strict=True):
        piece = pieces[name]
        assert piece.crs == UTM
        assert piece.transform.a == (10.0 if name in BANDS[:4] else 20.0)
        assert piece.values.dtype == (np.uint16 if name in BANDS else np.uint8)
        assert piece.transform.c <= grid.bounds[0] - 120.0
        assert piece.transform.f >= grid.bounds[3] + 120.0
        np.testing.assert_array_equal(piece.values, truth(server.tiles, band, piece.transform, piece.values.shape))
    assert server.busiest <= PATIENCE.at_once


def test_no_pixel_is_asked_for_twice_and_pads_leave_no_gap(server: SentinelHubServer) -> None:
    l_shape = shapely.union(
        box(500_005.0, 8_999_205.0, 500_315.0, 8_999_995.0), box(500_005.0, 8_999_205.0, 501_195.0, 8_999_315.0)
    )
    grid = working_grid(Area("l", "L", geo.reproject(l_shape, UTM, geo.WGS84), {"grid_epsg": EPSG}), 32)
    list(opened(server).pieces(scene_of(opened(server)), EVERYTHING, grid))
    grounds: dict[str, list[Any]] = {}
    for request in server.asked("process"):
        script, ground = ground_of(request)
        grounds.setdefault(script, []).append(ground)
    wanted = shapely.union_all([box(*c.geobox.boundingbox).buffer(60.0, join_style="mitre") for c in grid.chunks])
    assert len(grounds) == 2
    for asked in grounds.values():
        whole = shapely.union_all(asked)
        assert sum(g.area for g in asked) == pytest.approx(whole.area)
        assert whole.covers(wanted)


def test_what_is_asked(server: SentinelHubServer) -> None:
    fetched(opened(server), GRID)
    fine, coarse = server.asked("process")
    data = fine["input"]["data"][0]
    assert data["type"] == "sentinel-2-l2a"
    assert data["processing"] == {"harmonizeValues": False}
    assert data["dataFilter"]["timeRange"] == {"from": "2024-01-03T14:37:39Z", "to": "2024-01-03T14:37:49Z"}
    setup, returned = read_evalscript(coarse["evalscript"])
    assert setup["input"] == [{"bands": ["B11", "B12", "SCL", "CLD", "dataMask"], "units": ["DN", "DN", "DN", "PERCENT", "DN"]}]
    assert {o["id"]: o["sampleType"] for o in setup["output"]} == {
        "swir16": "UINT16", "swir22": "UINT16", "scl": "UINT8", "cloud": "UINT8", "dataMask": "UINT8",
    }  # fmt: skip
    assert returned == {"swir16": "B11", "swir22": "B12", "scl": "SCL", "cloud": "CLD", "dataMask": "dataMask"}
    for request, metres in ((fine, 10.0), (coarse, 20.0)):
        west, south, east, north = request["input"]["bounds"]["bbox"]
        assert (east - west, north - south) == (request["output"]["width"] * metres, request["output"]["height"] * metres)
        assert {edge % 20.0 for edge in (west, south, east, north)} == {0.0}


def test_only_wanted_names_are_asked_for(server: SentinelHubServer) -> None:
    pieces = fetched(opened(server), GRID, ("red", "nir"))
    assert list(pieces) == ["red", "nir"]
    (asked,) = server.asked("process")
    assert asked["evalscript"] == evalscript(["red", "nir"])


def test_large_windows_are_split(server: SentinelHubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_windows, "LARGEST_PX", 50)
    pieces = fetched(opened(server), GRID)
    assert max(max(a["output"]["width"], a["output"]["height"]) for a in server.asked("process")) <= 50
    assert len(server.asked("process")) == 4 * 2 + 2 * 1
    for name, band in zip(EVERYTHING, SERVICE_BANDS, strict=True):
        piece = pieces[name]
        np.testing.assert_array_equal(piece.values, truth(server.tiles, band, piece.transform, piece.values.shape))


def test_chunks_beyond_the_scene_are_not_paid_for() -> None:
    with sentinel_hub(both()[:1]) as server:
        source = opened(server)
        grid = working_grid(area_of(500_005.0, 8_999_005.0, 504_995.0, 8_999_995.0), 64)
        pieces = dict(source.pieces(scene_of(source), ("red",), grid))
        asked = server.asked("process")
        assert 0 < len(asked) < len(grid.chunks)
        assert pieces["red"].values.shape[1] > 500
        np.testing.assert_array_equal(
            pieces["red"].values, truth(server.tiles, "B04", pieces["red"].transform, pieces["red"].values.shape)
        )


def test_another_night_is_not_mixed_in() -> None:
    with sentinel_hub([*both(), *both(when=NIGHT + timedelta(days=5))]) as server:
        source = opened(server)
        for scene in found(source):
            assert isinstance(scene, Scene)
            tiles = [t for t in server.tiles if t.sensed_at.date() == scene.sensed_at.date()]
            piece = dict(source.pieces(scene, ("blue",), GRID))["blue"]
            np.testing.assert_array_equal(piece.values, truth(tiles, "B02", piece.transform, piece.values.shape))


def test_there_is_no_file_to_open(server: SentinelHubServer) -> None:
    source = opened(server)
    assert source.must_fetch
    with pytest.raises(SceneUnreadableError, match="fetch the scenes first"):
        source.open("sentinelhub:red")


# --- prices --------------------------------------------------------------------------------------------------------


def test_prices_follow_the_published_rule() -> None:
    assert processing_units(512, 512, 3) == 1.0
    assert processing_units(2000, 2000, 2) == pytest.approx(
        10.17, abs=0.01
    )  # the service's own example, without orthorectification
    assert processing_units(4, 4, 4) == pytest.approx(0.01 * 4 / 3)
    assert processing_units(4, 4, 1) == 0.005


@pytest.mark.parametrize("tells_spent", [True, False])
@pytest.mark.parametrize("chunk_px", [32, 1024])
def test_the_estimate_is_what_is_spent(server: SentinelHubServer, chunk_px: int, tells_spent: bool) -> None:
    server.tells_spent = tells_spent
    source, grid = opened(server), working_grid(AREA, chunk_px)
    cost = source.cost(scene_of(source), grid)
    assert source.spent_pu == 0.0
    fetched(source, grid)
    assert source.spent_pu == pytest.approx(cost.processing_units, rel=1e-6)
    fine = [a["output"] for a in server.asked("process") if "B02" in a["evalscript"]]
    assert cost.pixels == sum(o["width"] * o["height"] for o in fine)


def test_a_spent_budget_stops_before_the_request(server: SentinelHubServer) -> None:
    source, grid = opened(server), GRID
    scene = scene_of(source)
    coarse = source.cost(replace(scene, assets={n: a for n, a in scene.assets.items() if n not in BANDS[:4]}), grid)
    source.budget_pu = source.cost(scene, grid).processing_units - coarse.processing_units / 2
    kept = []
    with pytest.raises(BudgetSpentError, match="not sent and what was fetched is kept") as caught:
        kept.extend(name for name, _ in source.pieces(scene, EVERYTHING, grid))
    assert kept == list(BANDS[:4])
    assert len(server.asked("process")) == 1
    assert f"needs {coarse.processing_units:.3f}" in str(caught.value)
    source.budget_pu = None
    assert len(dict(source.pieces(scene, EVERYTHING[4:], grid))) == 4


def test_requests_at_the_same_time_keep_within_the_budget(server: SentinelHubServer) -> None:
    source, grid = opened(server), working_grid(AREA, 32)
    scene = scene_of(source)
    source.budget_pu = source.cost(scene, grid).processing_units / 3
    with pytest.raises(BudgetSpentError):
        list(source.pieces(scene, EVERYTHING, grid))
    assert 0 < source.spent_pu <= source.budget_pu


# --- faults --------------------------------------------------------------------------------------------------------

PASSING = [
    Fault("process", "status", status=429, retry_after="0"),
    Fault("process", "status", status=500),
    Fault("process", "status", status=503),
    Fault("process", "slow", seconds=0.8),
    Fault("process", "cut"),
    Fault("process", "reset"),
    Fault("process", "truncated"),
    Fault("token", "status", status=429),
    Fault("token", "status", status=500),
    Fault("token", "slow", seconds=0.8),
    Fault("token", "cut"),
    Fault("search", "status", status=502),
    Fault("search", "cut"),
    Fault("search", "slow", seconds=0.8),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda f: f"{f.place}-{f.kind}-{f.status}")
def test_what_passes_by_itself_is_tried_again(server: SentinelHubServer, fault: Fault) -> None:
    server.faults.append(replace(fault, times=PATIENCE.attempts - 1))
    pieces = fetched(opened(server), GRID, ("red",))
    np.testing.assert_array_equal(
        pieces["red"].values, truth(server.tiles, "B04", pieces["red"].transform, pieces["red"].values.shape)
    )


@pytest.mark.parametrize("fault", PASSING, ids=lambda f: f"{f.place}-{f.kind}-{f.status}")
def test_what_does_not_pass_ends(server: SentinelHubServer, fault: Fault) -> None:
    server.faults.append(replace(fault, times=1000))
    with pytest.raises(ProviderUnavailableError, match=f"after {PATIENCE.attempts} tries"):
        fetched(opened(server), GRID, ("red",))
    assert len(server.asked(fault.place)) == PATIENCE.attempts


def test_a_tiff_cut_short_in_a_whole_tar_is_asked_for_again_and_paid_for_twice(server: SentinelHubServer) -> None:
    source, grid = opened(server), GRID
    price = source.cost(scene_of(source), grid).processing_units
    server.cut_tiffs = 1
    pieces = fetched(source, grid)
    assert len(server.asked("process")) == 3
    assert source.spent_pu > price
    np.testing.assert_array_equal(
        pieces["red"].values, truth(server.tiles, "B04", pieces["red"].transform, pieces["red"].values.shape)
    )
    server.cut_tiffs = 1000
    with pytest.raises(ProviderUnavailableError, match="no tar of TIFFs"):
        fetched(source, grid)


def test_a_drip_of_bytes_is_not_waited_for_for_ever(server: SentinelHubServer) -> None:
    server.drip_s = 0.02
    source = opened(server, patience=replace(PATIENCE, timeout_s=0.05, attempts=1))
    began = time.monotonic()
    with pytest.raises(ProviderUnavailableError):
        fetched(source, GRID)
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize(("asks", "least_s"), [("1", 1.0), ("1500", 1.5), ("date", 1.0)])
def test_retry_after_is_kept_to(server: SentinelHubServer, asks: str, least_s: float) -> None:
    source = opened(server)
    scene = scene_of(source)
    began = time.monotonic()
    text = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True) if asks == "date" else asks
    server.faults.append(Fault("process", "status", status=429, retry_after=text))
    dict(source.pieces(scene, ("red",), GRID))
    assert least_s <= time.monotonic() - began < least_s + 2.0


def test_nobody_waits_for_years(server: SentinelHubServer) -> None:
    text = format_datetime(datetime.now(UTC) + timedelta(days=3650), usegmt=True)
    server.faults.append(Fault("process", "status", status=429, retry_after=text))
    with pytest.raises(ProviderUnavailableError, match="asks to wait"):
        fetched(opened(server), GRID, ("red",))
    assert len(server.asked("process")) == 1


def test_a_token_that_ends_in_mid_run_is_renewed_once(server: SentinelHubServer) -> None:
    source = opened(server)
    scene = scene_of(source)
    server.revoke()
    assert len(dict(source.pieces(scene, EVERYTHING, GRID))) == len(EVERYTHING)
    assert len(server.tokens) == 2
    server.faults.append(Fault("process", "status", status=401, times=1000))
    server.requests.clear()
    with pytest.raises(ProviderRefusedError, match="also with a new token"):
        dict(source.pieces(scene, ("red",), GRID))
    assert len(server.asked("process")) == 2


def test_a_refusal_is_told_at_once(server: SentinelHubServer) -> None:
    server.faults.append(Fault("process", "status", status=403))
    with pytest.raises(ProviderForbiddenError, match="may use this service"):
        fetched(opened(server), GRID, ("red",))
    assert len(server.asked("process")) == 1


def test_wrong_credentials_are_told_at_once(server: SentinelHubServer) -> None:
    provide_credentials("us", server.client_id, "a-wrong-secret")
    source = open_source(SourceSettings(server.catalog, account="us", patience=PATIENCE))
    with pytest.raises(ProviderRefusedError, match="check client id and secret") as caught:
        list(source.scenes(AREA, None, date(2024, 12, 31)))
    assert "a-wrong-secret" not in str(caught.value)
    assert len(server.asked("token")) == 1


@pytest.mark.parametrize("place", ["token", "search", "process"])
def test_a_page_for_people_is_no_answer(server: SentinelHubServer, place: str) -> None:
    server.faults.append(Fault(place, "html"))
    with pytest.raises(ProviderAnswerError, match="found text/html that begins '<html>"):
        fetched(opened(server), GRID, ("red",))
    assert len(server.asked(place)) == 1


def test_numbers_of_another_type_are_no_answer(server: SentinelHubServer) -> None:
    server.sample_type = "float32"
    with pytest.raises(ProviderAnswerError, match="type float32, expected"):
        fetched(opened(server), GRID, ("red",))


def test_a_request_that_the_service_does_not_understand_is_told(
    server: SentinelHubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_windows, "UNITS", {})
    with pytest.raises(ProviderAnswerError, match=r"status 400 \(refused\)"):
        fetched(opened(server), GRID)


def test_a_service_that_is_gone_is_named() -> None:
    with sentinel_hub([]) as server:
        source = opened(server)
    with pytest.raises(ProviderUnavailableError, match="connection lost"):
        found(source)


# --- credentials and secrets ---------------------------------------------------------------------------------------


def test_without_credentials_the_three_places_are_named(server: SentinelHubServer) -> None:
    with pytest.raises(CredentialsMissingError) as caught:
        open_source(SourceSettings(server.catalog, account="mine"))
    for place in ("account mine", "prefect:NAME", "SH_CLIENT_ID and SH_CLIENT_SECRET", "config.toml", "no such profile"):
        assert place in str(caught.value)


def test_credentials_come_from_the_environment_or_a_profile(server: SentinelHubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from sentinelhub import SHConfig

    SHConfig(sh_client_id=server.client_id, sh_client_secret=server.client_secret).save("mine")
    settings = SourceSettings(server.catalog, account="mine", patience=PATIENCE)
    assert len(list(open_source(settings).scenes(AREA, None, date(2024, 12, 31)))) == 1
    monkeypatch.setenv("SH_CLIENT_ID", server.client_id)
    monkeypatch.setenv("SH_CLIENT_SECRET", server.client_secret)
    for account in (None, "no-such-profile"):
        source = open_source(replace(settings, account=account))
        assert len(list(source.scenes(AREA, None, date(2024, 12, 31)))) == 1


def test_the_token_address_follows_the_service_or_the_profile() -> None:
    from sentinelhub import SHConfig

    provide_credentials("us", "id", "secret")
    SHConfig(sh_token_url="https://login.example.org/token").save("own")  # noqa: S106 - an address
    provide_credentials("own", "id", "secret")

    def settings(host: str, account: str) -> SourceSettings:
        return SourceSettings(f"sentinelhub+https://{host}", account=account)

    urls = {
        (host, account): SentinelHub(settings(host, account))._service.config.sh_token_url
        for host, account in (
            ("sh.dataspace.copernicus.eu", "us"), ("services.sentinel-hub.com", "us"), ("eu.example.org", "us"),
            ("eu.example.org", "own"),
        )
    }  # fmt: skip
    assert list(urls.values()) == [
        "https://identity.dataspace.copernicus.eu/auth/realms/CDSE/protocol/openid-connect/token",
        "https://services.sentinel-hub.com/auth/realms/main/protocol/openid-connect/token",
        "https://eu.example.org/auth/realms/main/protocol/openid-connect/token",
        "https://login.example.org/token",
    ]


def test_secrets_do_not_travel_in_the_open() -> None:
    provide_credentials("us", "id", "secret")
    with pytest.raises(CatalogUnreadableError, match="no https"):
        open_source(SourceSettings("sentinelhub+http://services.sentinel-hub.com", account="us"))


def test_no_secret_is_ever_written(server: SentinelHubServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] in {"sentinelhub", "urllib3", "requests_oauthlib", "oauthlib", "requests", "pipeline"}:
            caplog.set_level(logging.DEBUG, name)
    source, grid = opened(server), GRID
    scene = scene_of(source)
    list(source.pieces(scene, EVERYTHING, grid))
    said = [repr(source), repr(source._service), repr(provider._PROVIDED), repr(source._service.config)]
    faults = [
        Fault("process", "html"),
        Fault("process", "status", status=403),
        Fault("process", "status", status=401, times=2),
        Fault("process", "status", status=500, times=3),
        Fault("process", "reset", times=3),
        Fault("process", "slow", times=3),
    ]
    for fault in faults:
        server.faults[:] = [fault]
        with pytest.raises(Exception, match=r"127\.0\.0\.1") as caught:
            list(source.pieces(scene, ("red",), grid))
        said += [str(caught.getrepr(style="long", chain=True)), repr(caught.value)]
    everything = "\n".join([caplog.text, *said])
    assert "sentinelhub.download" in caplog.text
    assert "urllib3" in caplog.text
    assert len(server.tokens) > 1
    for secret in (server.client_secret, *server.tokens):
        assert secret not in everything


def test_the_library_itself_would_write_the_secret(server: SentinelHubServer, caplog: pytest.LogCaptureFixture) -> None:
    """Why its logger has a filter: when this fails, the filter can go."""
    from pipeline.io.processing import _is_worth_telling

    logger = logging.getLogger("requests_oauthlib.oauth2_session")
    logger.removeFilter(_is_worth_telling)
    try:
        with caplog.at_level(logging.DEBUG, logger.name):
            found(opened(server))
    finally:
        logger.addFilter(_is_worth_telling)
    assert server.client_secret in caplog.text


def test_requests_at_once_are_limited(server: SentinelHubServer) -> None:
    fetched(opened(server, patience=replace(PATIENCE, at_once=1)), working_grid(AREA, 32), ("red",))
    assert server.busiest == 1


def test_the_address_says_whose_it_is() -> None:
    takes = provider.PROVIDER.takes
    assert takes("sentinelhub+https://sh.dataspace.copernicus.eu")
    assert not takes("https://sh.dataspace.copernicus.eu")
    assert not takes("sentinelhub+https://")


def test_a_fetched_scene_is_the_same_scene_in_a_local_catalogue(server: SentinelHubServer, tmp_path: Path) -> None:
    from pipeline.io.fetching import fetch_scene, is_fetched, write_catalog

    source = opened(server)
    scene = scene_of(source)
    fetch_scene(source, scene, GRID, tmp_path)
    assert is_fetched(scene_of(source), GRID, tmp_path, is_thorough=True)
    local = open_source(SourceSettings(str(write_catalog(tmp_path))))
    (copy,) = local.scenes(AREA, None, date.max)
    assert isinstance(copy, Scene)
    assert (copy.id, copy.tile, copy.datatake_id) == (scene.id, scene.tile, scene.datatake_id)
    assert (copy.sensed_at, copy.processing_baseline) == (scene.sensed_at, scene.processing_baseline)
    assert {n: a.radiometry for n, a in copy.assets.items()} == {
        n: a.radiometry for n, a in scene.assets.items() if n != "cloud"
    }
    with local.open(copy.assets["swir16"].href) as raster:
        np.testing.assert_array_equal(raster.read(1), truth(server.tiles, "B11", raster.transform, raster.shape))
