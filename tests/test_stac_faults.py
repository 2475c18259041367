"""What a STAC API and its file server can do wrong, and what becomes of it. The table in docs/providers.md names these."""

import logging
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.windows import Window
from servers.faults import Fault
from servers.stac import PAGE, StacApi, stac_api
from worlds import ground, write_aoi, write_catalog, write_item

from pipeline.aoi import Area, working_grid
from pipeline.errors import (
    PipelineError,
    ProviderAnswerError,
    ProviderForbiddenError,
    ProviderRefusedError,
    ProviderUnavailableError,
    SceneGoneError,
    SceneUnreadableError,
)
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import read_scene
from pipeline.io.providers import Source, SourceSettings, open_source
from pipeline.io.remote import open_remote
from pipeline.io.web import Patience, Web, retry_after_s, wait_s
from pipeline.scenes import Scene

QUICK = Patience(attempts=3, timeout_s=0.4, first_wait_s=0.01, longest_wait_s=5.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("stac")
    image = ground(np.random.default_rng(3), has_pit=True)
    names = [write_item(place, date(2024, 1, n + 1), image, offset=-0.1) for n in range(2 * PAGE + 5)]
    write_catalog(place, names)
    return place


@pytest.fixture(scope="module")
def area(folder: Path) -> Area:
    return read_area(write_aoi(folder / "aoi.geojson"))


@pytest.fixture
def api(folder: Path) -> StacApi:
    with stac_api(folder) as server:
        yield server


def opened(api: StacApi, **more: object) -> Source:
    return open_source(SourceSettings(api.url, patience=QUICK, **more))


def ids(source: Source, area: Area) -> list[str]:
    scenes, unusable = find_scenes(source, area, until=date(2024, 12, 31))
    assert unusable == []
    return sorted(s.id for s in scenes)


def one(source: Source, area: Area) -> Scene:
    return find_scenes(source, area, until=date(2024, 12, 31))[0][0]


def nir(source: Source, area: Area) -> np.ndarray:
    (chunk,) = working_grid(area).chunks
    return read_scene(one(source, area), chunk.geobox, source.open)["nir"]


# --- the search -----------------------------------------------------------------------------------------------------

PASSING = [
    Fault("search", "status", 500),
    Fault("search", "status", 503),
    Fault("search", "status", 429, retry_after="0"),
    Fault("search", "cut"),
    Fault("search", "reset"),
    Fault("search", "slow", seconds=0.6),
    Fault("landing", "status", 502),
]


@pytest.mark.parametrize("fault", PASSING, ids=lambda f: f"{f.place} {f.kind} {f.status}")
def test_what_passes_by_itself_is_asked_again(api: StacApi, area: Area, fault: Fault) -> None:
    api.faults.append(Fault(**vars(fault)))
    assert len(ids(opened(api), area)) == 2 * PAGE + 5


LASTING = [
    (Fault("search", "status", 401, times=9), ProviderRefusedError, "status 401, expected to be let in"),
    (Fault("search", "status", 403, times=9), ProviderForbiddenError, "status 403, expected to be let in"),
    (Fault("search", "status", 500, times=9), ProviderUnavailableError, "status 500 after 3 tries"),
    (Fault("search", "status", 429, times=9), ProviderUnavailableError, "status 429 after 3 tries"),
    (Fault("search", "slow", seconds=0.6, times=9), ProviderUnavailableError, r"no answer within 0\.4 s after 3 tries"),
    (Fault("search", "cut", times=9), ProviderUnavailableError, "after 3 tries"),
    (Fault("search", "html", times=9), ProviderAnswerError, "found text/html that begins '<html>"),
    (Fault("landing", "html", times=9), ProviderAnswerError, "found text/html that begins '<html>"),
]


@pytest.mark.parametrize(
    ("fault", "error", "text"), LASTING, ids=lambda v: f"{v.place} {v.kind}" if isinstance(v, Fault) else ""
)
def test_what_does_not_pass_is_named(api: StacApi, area: Area, fault: Fault, error: type[PipelineError], text: str) -> None:
    api.faults.append(Fault(**vars(fault)))
    with pytest.raises(error, match=text):
        ids(opened(api), area)


def test_a_wait_that_is_too_long_stops_the_run_at_once(api: StacApi, area: Area) -> None:
    api.faults.append(Fault("search", "status", 429, retry_after="3600", times=9))
    with pytest.raises(ProviderUnavailableError, match="after 1 tries, and asks to wait 3600 s"):
        ids(opened(api), area)


def test_retry_after_is_obeyed(api: StacApi, area: Area, caplog: pytest.LogCaptureFixture) -> None:
    api.faults.append(Fault("search", "status", 429, retry_after="1"))
    with caplog.at_level(logging.WARNING):
        assert len(ids(opened(api), area)) == 2 * PAGE + 5
    assert "status 429; try 2 of 3 in 1.0 s" in caplog.text


def test_pages_in_a_loop_end_with_a_named_error(api: StacApi, area: Area) -> None:
    api.has_page_loop = True
    with pytest.raises(ProviderAnswerError, match="leads back to an earlier one, expected an end"):
        ids(opened(api), area)


def test_a_search_that_changes_between_pages_is_made_again(api: StacApi, area: Area) -> None:
    everything = ids(opened(api), area)
    api.changes = [[], everything[:3]]  # the second page comes when three items are gone: three others would be missed
    asked = len(api.searches)
    assert ids(opened(api), area) == everything
    assert len(api.searches) == asked + 3 + 3


def test_a_search_that_never_stands_still_stops_the_run(api: StacApi, area: Area) -> None:
    everything = ids(opened(api), area)
    api.changes = [gone for n in (1, 3, 5) for gone in ([], everything[:n], everything[: n + 1])]
    with pytest.raises(ProviderUnavailableError, match=r"changed each of 3 times .* items may be missing"):
        ids(opened(api), area)


# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [Fault("files", "status", 503), Fault("files", "status", 429, retry_after="0"), Fault("files", "cut"),
     Fault("files", "reset"), Fault("files", "slow", seconds=0.6)],
    ids=lambda f: f"{f.kind} {f.status}",
)  # fmt: skip
def test_a_file_that_comes_at_the_second_try_is_whole(api: StacApi, area: Area, fault: Fault) -> None:
    source = opened(api)
    quiet = nir(source, area)
    api.faults.append(Fault(**vars(fault)))
    assert np.array_equal(nir(source, area), quiet)
    assert api.faults[0].times == 0


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        (Fault("files:red", "status", 404, times=9), SceneGoneError, "band red: .*red.tif is listed by the catalogue"),
        (Fault("files:red", "status", 403, times=9), SceneGoneError, "band red: .*red.tif is listed by the catalogue"),
        (Fault("files:red", "html", times=9), SceneUnreadableError, "band red: .*red.tif cannot be read"),
        (Fault("files:red", "truncated", times=9), SceneUnreadableError, "band red: .*red.tif cannot be read"),
        (Fault("files:red", "status", 401, times=9), ProviderRefusedError, "status 401"),
        (Fault("files:red", "status", 500, times=9), ProviderUnavailableError, "status 500 after 3 tries"),
        (Fault("files:red", "slow", seconds=0.6, times=9), ProviderUnavailableError, "no answer within"),
    ],
    ids=["404", "403", "html", "truncated", "401", "500", "slow"],
)
def test_a_fault_of_one_file_is_the_scenes_and_a_fault_of_the_server_is_not(
    api: StacApi, area: Area, fault: Fault, error: type[PipelineError], text: str
) -> None:
    source = opened(api)
    api.faults.append(Fault(**vars(fault)))
    with pytest.raises(error, match=text):
        nir(source, area)


def test_a_server_without_ranges_is_read_as_a_whole(api: StacApi, area: Area) -> None:
    quiet = nir(opened(api), area)
    api.knows_ranges = False
    assert np.array_equal(nir(opened(api), area), quiet)


# --- signed addresses -----------------------------------------------------------------------------------------------


def test_signatures_are_made_once_renewed_when_they_end_and_never_shown(
    folder: Path, area: Area, caplog: pytest.LogCaptureFixture
) -> None:
    with stac_api(folder, "planetary-computer") as api, caplog.at_level(logging.DEBUG):
        source = opened(api, sign_url=api.sign_url, has_plain_numbers=True)
        first = nir(source, area)
        assert api.signed == 1
        old, api.signature = api.signature, "another-signature-of-the-present"
        assert np.array_equal(nir(source, area), first)
        assert api.signed == 2
        api.faults.append(Fault("sign", "status", 500, times=9))
        source = opened(api, sign_url=api.sign_url, has_plain_numbers=True)
        with pytest.raises(ProviderUnavailableError) as failed:
            nir(source, area)
    said = f"{failed.value}{one(source, area)!r}"
    logged = "\n".join(r.getMessage() for r in caplog.records if r.name.startswith("pipeline"))
    assert not any(secret in text for secret in (old, "another-signature-of-the-present") for text in (said, logged))


# --- waits ----------------------------------------------------------------------------------------------------------


def test_waits_double_with_jitter_and_stay_within_their_limit() -> None:
    patience = Patience(first_wait_s=1.0, longest_wait_s=10.0)
    assert [wait_s(n, None, patience, 1.0) for n in (1, 2, 3, 4, 5, 6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert [wait_s(n, None, patience, 0.0) for n in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert wait_s(1, 7.0, patience, 0.0) == 7.0


def test_retry_after_that_nobody_understands_is_no_wait() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert retry_after_s("soon", now) is None
    assert retry_after_s(None, now) is None
    assert retry_after_s("Wed, 31 Dec 2025 23:59:00 GMT", now) == 0.0


# --- JPEG 2000 ------------------------------------------------------------------------------------------------------


def test_a_jpeg_2000_of_many_tiles_is_read_on_a_server_as_on_disk(tmp_path: Path) -> None:
    numbers = np.random.default_rng(8).integers(1, 9000, (256, 256)).astype("u2")
    path = tmp_path / "x" / "red.jp2"
    path.parent.mkdir()
    with rasterio.open(path, "w", driver="JP2OpenJPEG", height=256, width=256, count=1, dtype="uint16", crs="EPSG:32720",
                       transform=Affine(10, 0, 500_000, 0, -10, 9_000_000), QUALITY="100", REVERSIBLE="YES",
                       BLOCKXSIZE=64, BLOCKYSIZE=64) as out:  # fmt: skip
        out.write(numbers, 1)
    with stac_api(tmp_path) as api, open_remote(Web("test", QUICK), f"{api.url}/files/x/red.jp2") as source:
        assert np.array_equal(source.read(1), numbers)
        assert np.array_equal(source.read(1, window=Window(40, 50, 120, 130)), numbers[50:180, 40:160])
