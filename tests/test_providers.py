"""The same ground through every provider gives the same cube; a further provider needs one file and nothing else."""

import importlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from safe_products import write_product
from servers.sentinel_hub import Tile, sentinel_hub
from servers.stac import Manner, stac_api
from shapely.geometry import box, mapping
from worlds import write_aoi, write_catalog

from pipeline import geo
from pipeline.config import RunConfig
from pipeline.errors import CatalogUnreadableError
from pipeline.io import providers
from pipeline.io.pixels import Reading, read_acquisition
from pipeline.io.providers import SourceSettings, open_source
from pipeline.io.providers.sentinel_hub import provide_credentials
from pipeline.scenes import BANDS, SCL, choose_scenes
from pipeline.stages.scenes import fetch, localised, search

EPSG, LEFT, TOP, SIZE = 32720, 500_040.0, 9_000_000.0, 120
UTM = f"EPSG:{EPSG}"
SENSED_AT = datetime(2024, 1, 3, 14, 37, 40, tzinfo=UTC)
ESA = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08", "swir16": "B11", "swir22": "B12", SCL: "SCL"}
FINE = ("blue", "green", "red", "nir")
PRODUCT = "S2B_MSIL2A_20240103T143729_N0510_R096_T20LKP_20240103T175316"
OUTLINE = geo.reproject(box(LEFT, TOP - 10 * SIZE, LEFT + 10 * SIZE, TOP), UTM, geo.WGS84)


def numbers() -> dict[str, np.ndarray]:
    """Raw numbers of each band in its own pixels; every pixel of every band differs from its neighbours."""
    rng = np.random.default_rng(4)
    found = {b: rng.integers(1050, 5000, (SIZE if b in FINE else SIZE // 2,) * 2).astype("u2") for b in BANDS}
    found["nir"][:5] = 0  # no data in the north
    classes = np.full((SIZE // 2, SIZE // 2), 4, "u1")
    classes[10:14, 20:30] = 9
    return {**found, SCL: classes}


NUMBERS = numbers()


def write_local(folder: Path) -> Path:
    """The ground as a static catalogue in the form of Earth Search."""
    (folder / PRODUCT).mkdir(parents=True)
    record = {"nodata": 0, "scale": 0.0001, "offset": -0.1}
    assets = {}
    for band, array in NUMBERS.items():
        pixel = 10 if band in FINE else 20
        with rasterio.open(
            folder / PRODUCT / f"{band}.tif", "w", driver="GTiff", height=array.shape[0], width=array.shape[1], count=1,
            dtype=array.dtype, crs=UTM, transform=Affine(pixel, 0, LEFT, 0, -pixel, TOP), nodata=0,
        ) as out:  # fmt: skip
            out.write(array, 1)
        assets[band] = {"href": f"./{band}.tif", **({"raster:bands": [record]} if band != SCL else {})}
    properties = {
        "datetime": "2024-01-03T14:37:40Z", "platform": "sentinel-2b", "grid:code": "MGRS-20LKP",
        "s2:processing_baseline": "05.10", "s2:datatake_id": "GS2B_20240103T143729_035698_N05.10",
        "earthsearch:boa_offset_applied": False,
    }  # fmt: skip
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": PRODUCT, "collection": "sentinel-2-l2a",
        "geometry": mapping(OUTLINE), "links": [], "properties": properties, "assets": assets,
    }  # fmt: skip
    (folder / PRODUCT / f"{PRODUCT}.json").write_text(json.dumps(item), encoding="utf-8")
    return write_catalog(folder, [PRODUCT])


def write_safe(folder: Path, *, zipped: bool) -> Path:
    """The ground as a product to download."""
    values = {b: a for b, a in NUMBERS.items() if b != SCL}
    write_product(
        folder, tile="20LKP", sensed_at=SENSED_AT, baseline="05.10", values=values, scl=NUMBERS[SCL], epsg=EPSG, left=LEFT,
        top=TOP, zipped=zipped,
    )  # fmt: skip
    return folder


def cube_of(folder: Path, catalog: str, **section: object) -> xr.Dataset:
    """Reflectance of the area through whichever provider takes the catalogue."""
    aoi = write_aoi(folder / "aoi.geojson", geo.reproject(box(LEFT + 200, TOP - 900, LEFT + 800, TOP), UTM, geo.WGS84))
    config = RunConfig.model_validate({
        "areas": [{"aoi": str(aoi), "catalog": catalog, **section}], "out": str(folder / "out"),
        "fetch": {"attempts": 2, "timeout_s": 5, "first_wait_s": 0.01},
    })  # fmt: skip
    found = search(config.areas[0], config, folder / "out", start=date(2024, 1, 1), until=date(2024, 1, 31))
    if found.is_kept:
        found = localised(found, fetch(found).failed)
    (acquisition,), _ = choose_scenes(found.scenes)
    cube, failed = read_acquisition(acquisition, found.grid.chunks[0].geobox, Reading(found.source.open, has_dark_check=False))
    assert failed == {}
    assert cube is not None
    return cube


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """No settings of the machine, no session of another test."""
    from sentinelhub import SentinelHubDownloadClient

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    SentinelHubDownloadClient.clear_cache()
    yield
    SentinelHubDownloadClient.clear_cache()


def through_api(manner: Manner) -> Callable[[Path, ExitStack], xr.Dataset]:
    def read(folder: Path, stack: ExitStack) -> xr.Dataset:
        write_local(folder / "served")
        api = stack.enter_context(stac_api(folder / "served", manner))
        signing = {"sign_url": api.sign_url, "has_plain_numbers": True} if manner == "planetary-computer" else {}
        return cube_of(folder, api.url, **signing)

    return read


def through_sentinel_hub(folder: Path, stack: ExitStack) -> xr.Dataset:
    bands = {ESA[b]: a for b, a in NUMBERS.items()} | {"CLD": np.zeros((SIZE // 2, SIZE // 2), "u1")}
    server = stack.enter_context(sentinel_hub([Tile(PRODUCT, SENSED_AT, OUTLINE, EPSG, (LEFT, TOP), bands)]))
    provide_credentials("us", server.client_id, server.client_secret)
    return cube_of(folder, server.catalog, account="us")


WAYS: dict[str, Callable[[Path, ExitStack], xr.Dataset]] = {
    "Earth Search": through_api("earth-search"),
    "Planetary Computer": through_api("planetary-computer"),
    "Copernicus Data Space STAC": through_api("copernicus"),
    "Sentinel Hub": through_sentinel_hub,
    "product folder": lambda folder, _: cube_of(folder, str(write_safe(folder / "products", zipped=False))),
    "product zip": lambda folder, _: cube_of(folder, str(write_safe(folder / "products", zipped=True))),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_ground_gives_the_same_cube(way: str, tmp_path: Path) -> None:
    local = cube_of(tmp_path / "local", str(write_local(tmp_path / "local" / "catalog")))
    assert local["nir"].values[0, 10, 10] == pytest.approx((int(NUMBERS["nir"][10, 30]) - 1000) / 10_000, abs=1e-6)
    assert np.isnan(local["nir"].values[0, :5]).all()
    with ExitStack() as stack:
        (tmp_path / "other").mkdir()
        other = WAYS[way](tmp_path / "other", stack)
    for name in (*BANDS, SCL, "clear"):
        assert np.array_equal(other[name].values, local[name].values, equal_nan=name in BANDS), name
    assert other["time"].equals(local["time"])


def test_object_storage_is_read_with_the_keys_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = cube_of(tmp_path / "local", str(write_local(tmp_path / "local" / "catalog")))
    write_local(tmp_path / "served")
    with stac_api(tmp_path / "served", "copernicus") as api:
        keys = {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_S3_ENDPOINT": api.url.removeprefix("http://"), "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        }  # fmt: skip
        for name, value in keys.items():
            monkeypatch.setenv(name, value)
        stored = cube_of(tmp_path / "served", api.url)
        assert api.ranges
    assert stored.equals(local)


FIFTH = """
from pipeline.io.providers import Provider
from pipeline.io.providers.local_catalog import LocalCatalog


def _takes(catalog):
    return catalog.startswith("fifth://")


def _open(settings):
    from dataclasses import replace

    return LocalCatalog(replace(settings, catalog=settings.catalog.removeprefix("fifth://")), name="fifth provider")


PROVIDER = Provider("fifth provider", _takes, _open)
"""


def test_a_fifth_provider_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "fifth.py").write_text(FIFTH, encoding="utf-8")
    monkeypatch.setattr(providers, "__path__", [*providers.__path__, str(tmp_path / "modules")])
    providers.providers.cache_clear()
    importlib.invalidate_caches()
    try:
        local = cube_of(tmp_path / "a", str(write_local(tmp_path / "a" / "catalog")))
        fifth = cube_of(tmp_path / "a", f"fifth://{tmp_path / 'a' / 'catalog' / 'catalog.json'}")
    finally:
        providers.providers.cache_clear()
    assert fifth.equals(local)


def test_a_catalogue_that_nobody_takes_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnreadableError, match=r"no provider would read it; expected the path of a catalog\.json"):
        open_source(SourceSettings(str(tmp_path / "absent")))
