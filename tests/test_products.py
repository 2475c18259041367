"""Product folders: what each product becomes, or the named reason why it is not used."""

import shutil
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from hypothesis import given
from hypothesis import strategies as st
from safe_products import CODES, numbers, write_image, write_product, zip_product

from pipeline import geo
from pipeline.aoi import Area, working_grid
from pipeline.errors import (
    CatalogEmptyError,
    CatalogUnreadableError,
    ProductInvalidError,
    RadiometryUnknownError,
    SceneAssetMissingError,
)
from pipeline.io import safe
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import read_scene
from pipeline.io.providers import Source, SourceSettings, Unusable, open_source
from pipeline.io.providers.products import PROVIDER
from pipeline.io.safe import leads_outside, tags_of
from pipeline.scenes import Scene, choose_scenes

AREA = Area("a", "A", geo.reproject(shapely.box(600_100, 4_999_500, 600_500, 4_999_900), "EPSG:32632", geo.WGS84))


def opened(folder: Path, **settings) -> Source:
    source = open_source(SourceSettings(str(folder), **settings))
    assert source.name == "product folder"
    assert not source.must_fetch
    return source


def found(folder: Path, **settings) -> list[Scene | Unusable]:
    return list(opened(folder, **settings).scenes(AREA, None, date.max))


def scene(folder: Path, **settings) -> Scene:
    (only,) = found(folder, **settings)
    assert isinstance(only, Scene), only.error
    return only


def reason(folder: Path, error: type[Exception], *words: str, **settings) -> Unusable:
    """The only thing that a folder holds: a product that cannot be used, with its error and what the message says."""
    (only,) = found(folder, **settings)
    assert isinstance(only, Unusable)
    assert type(only.error) is error, only.error
    for word in words:
        assert word in str(only.error)
    return only


# --- what a product becomes ---------------------------------------------------------------------------------------


def test_new_baseline_states_its_offset(tmp_path: Path) -> None:
    write_product(tmp_path)
    got = scene(tmp_path)
    assert got.id == "S2A_MSIL2A_20240103T101401_N0509_R022_T32TQM_20240103T131401"
    assert got.sensed_at == datetime(2024, 1, 3, 10, 14, 8, 24000, UTC)  # of the tile, 7 s into the datatake
    assert (got.platform, got.tile, got.processing_baseline) == ("sentinel-2a", "MGRS-32TQM", "05.09")
    assert got.datatake_id == "GS2A_20240103T101401_044581"
    assert got.created == "2024-01-03T13:14:01.024Z"
    assert got.footprint.contains(AREA.geometry)
    assert set(got.assets) == set(CODES)
    assert got.assets["scl"].radiometry is None
    # Pixel in row 2, column 3 of the red band, 64 wide: 2 * 64 + 3 + 1001 + 200 = 1332; (1332 - 1000) / 10000.
    with opened(tmp_path).open(got.assets["red"].href) as source:
        values = got.assets["red"].radiometry.to_reflectance(source.read(1))
    assert values[2, 3] == pytest.approx(0.0332, abs=1e-7)


def test_old_baseline_has_no_offset_and_another_layout(tmp_path: Path) -> None:
    write_product(tmp_path, baseline="02.05", offset=None, is_old=True)
    got = scene(tmp_path)
    assert got.datatake_id == "GS2A_20240103T101401_044581"
    # Row 1, column 0 of swir16, 32 wide: 32 + 1001 + 400 = 1433; 1433 / 10000.
    with opened(tmp_path).open(got.assets["swir16"].href) as source:
        assert source.res == (20.0, 20.0)
        values = got.assets["swir16"].radiometry.to_reflectance(source.read(1))
    assert values[1, 0] == pytest.approx(0.1433, abs=1e-7)


def test_files_hold_every_number_as_written(tmp_path: Path) -> None:
    write_product(tmp_path)
    got = scene(tmp_path)
    for band, asset in got.assets.items():
        with opened(tmp_path).open(asset.href) as source:
            assert (source.read(1) == numbers(band)).all()
            assert source.crs.to_epsg() == 32632


def test_folder_and_zip_are_the_same_scene(tmp_path: Path) -> None:
    root = write_product(tmp_path / "a #b {c}")
    zip_product(Path(shutil.copytree(root, tmp_path / "z" / root.name)))
    folder, zipped = (scene(tmp_path / sub) for sub in ("a #b {c}", "z"))
    assert zipped.id == folder.id
    grid = working_grid(AREA).chunks[0].geobox
    one, other = (read_scene(s, grid, opened(tmp_path / "z").open) for s in (folder, zipped))
    assert np.isfinite(one["red"]).all()
    for band in CODES:
        np.testing.assert_array_equal(one[band], other[band])
    (tmp_path / "both").mkdir()
    (tmp_path / "a #b {c}").rename(tmp_path / "both" / "2023")
    (tmp_path / "z").rename(tmp_path / "both" / "2024")
    acquisitions, superseded = choose_scenes([f for f in found(tmp_path / "both") if isinstance(f, Scene)])
    assert [len(a.scenes) for a in acquisitions] == [1]
    assert len(superseded) == 1


def test_pieces_are_the_files_own_pixels(tmp_path: Path) -> None:
    write_product(tmp_path, zipped=True)
    source, got, grid = opened(tmp_path), scene(tmp_path), working_grid(AREA)
    pieces = dict(source.pieces(got, ("red", "scl"), grid))
    assert set(pieces) == {"red", "scl"}
    column, row = (round(v) for v in ((pieces["red"].transform.c - 600_000) / 10, (5_000_040 - pieces["red"].transform.f) / 10))
    height, width = pieces["red"].values.shape
    assert (pieces["red"].values == numbers("red")[row : row + height, column : column + width]).all()
    assert source.cost(got, grid).pixels >= height * width
    assert source.cost(got, grid).processing_units == 0


def test_every_tile_of_a_product_is_a_scene(tmp_path: Path) -> None:
    write_product(tmp_path, also={"32TQN": (600_000.0, 5_200_000.0)}, has_pixels=False)
    first, second = found(tmp_path)
    assert (first.tile, second.tile) == ("MGRS-32TQM", "MGRS-32TQN")
    assert (first.id[-7:], second.id[-7:]) == ("_T32TQM", "_T32TQN")
    assert first.footprint.contains(AREA.geometry)
    assert not second.footprint.contains(AREA.geometry)
    assert "T32TQN" in second.assets["red"].href


def test_tile_outside_of_its_products_footprint_has_all_of_it(tmp_path: Path) -> None:
    far = {"32TQN": (600_000.0, 5_200_000.0)}
    write_product(tmp_path, also=far, has_pixels=False, positions="0 0 0 1 1 1 1 0 0 0")
    assert [f.footprint.bounds for f in found(tmp_path)] == [(0, 0, 1, 1)] * 2


@pytest.mark.parametrize("is_zip", [False, True])
def test_images_that_are_named_without_a_path_are_found(tmp_path: Path, is_zip: bool) -> None:
    def without_paths(text: str) -> str:
        start, *rest = text.split("<IMAGE_FILE>")
        return start + "".join(f"<IMAGE_ID>{r.partition('</')[0].rpartition('/')[2]}</IMAGE_ID>"
                               + r.partition("</IMAGE_FILE>")[2] for r in rest)  # fmt: skip

    write_product(tmp_path, edit=without_paths, has_pixels=False, has_tile_metadata=False, zipped=is_zip)
    assert scene(tmp_path).assets["nir"].href.endswith("/IMG_DATA/R10m/T32TQM_20240103T101401_B08_10m.jp2")


def test_names_without_a_size_count_by_their_folder(tmp_path: Path) -> None:
    root = write_product(tmp_path, has_pixels=False, edit=lambda t: t.replace("_10m<", "<").replace("_20m<", "<"))
    for path in list(root.rglob("*.jp2")):
        path.rename(path.with_name(path.name.replace("_10m", "").replace("_20m", "")))
    got = scene(tmp_path)
    assert got.assets["blue"].href.endswith("/R10m/T32TQM_20240103T101401_B02.jp2")
    assert got.assets["scl"].href.endswith("/R20m/T32TQM_20240103T101401_SCL.jp2")


def test_coarser_copies_without_a_size_in_their_names_are_never_taken(tmp_path: Path) -> None:
    def coarse_first(text: str) -> str:
        fine = "GRANULE/L2A_T32TQM_A044581_20240103T101401/IMG_DATA/R10m/T32TQM_20240103T101401_B02"
        both = f"<IMAGE_FILE>{fine.replace('R10m', 'R20m')}</IMAGE_FILE><IMAGE_FILE>{fine}</IMAGE_FILE>"
        return text.replace(f"<IMAGE_FILE>{fine}_10m</IMAGE_FILE>", both)

    root = write_product(tmp_path, has_pixels=False, edit=coarse_first)
    for size in ("10m", "20m"):
        (root / f"GRANULE/L2A_T32TQM_A044581_20240103T101401/IMG_DATA/R{size}/T32TQM_20240103T101401_B02.jp2").touch()
    assert scene(tmp_path).assets["blue"].href.endswith("/R10m/T32TQM_20240103T101401_B02.jp2")


def test_coarser_copies_of_a_band_are_never_taken(tmp_path: Path) -> None:
    def coarse(text: str) -> str:
        listed = "IMG_DATA/R20m/T32TQM_20240103T101401_B02_20m"
        return text.replace("<IMAGE_FILE>", f"<IMAGE_FILE>GRANULE/L2A_T32TQM_A044581_20240103T101401/{listed}</IMAGE_FILE>"
                            "<IMAGE_FILE>", 1)  # fmt: skip

    write_product(tmp_path, edit=coarse, has_pixels=False)
    assert "_B02_10m" in scene(tmp_path).assets["blue"].href


def test_without_tile_metadata_the_product_says_when(tmp_path: Path) -> None:
    write_product(tmp_path, has_tile_metadata=False, has_pixels=False)
    assert scene(tmp_path).sensed_at == datetime(2024, 1, 3, 10, 14, 1, 24000, UTC)


def test_years_and_months_are_searched_and_products_are_not(tmp_path: Path) -> None:
    root = write_product(tmp_path / "2023" / "07", has_pixels=False)
    write_product(root, tile="32TQN", has_pixels=False)  # a product in a product is no product of the folder
    write_product(tmp_path / "2024", sensed_at=datetime(2024, 7, 1, 10, 14, tzinfo=UTC), has_pixels=False, zipped=True)
    write_product(tmp_path / "a" / "b" / "c", has_pixels=False)  # too deep
    assert [f.id[11:19] for f in found(tmp_path)] == ["20240103", "20240701"]


def test_hidden_files_are_no_products(tmp_path: Path) -> None:
    path = write_product(tmp_path, has_pixels=False, zipped=True)
    (tmp_path / f"._{path.name}").write_bytes(b"what macOS leaves beside files")
    assert scene(tmp_path).id == path.stem


def test_first_layout_of_granules_is_read_too(tmp_path: Path) -> None:
    def first(text: str) -> str:
        return (
            text.replace("<Granule ", "<Granules ").replace("</Granule>", "</Granules>").replace("</IMAGE_F", ".jp2</IMAGE_F")
        )

    write_product(tmp_path, edit=first, has_pixels=False)
    assert scene(tmp_path).assets["red"].href.endswith("_B04_10m.jp2")


def test_order_is_that_of_names(tmp_path: Path) -> None:
    for day in (9, 2, 5):
        write_product(tmp_path / str(10 - day), sensed_at=datetime(2024, 2, day, 10, tzinfo=UTC), has_pixels=False)
    assert [f.sensed_at.day for f in found(tmp_path)] == [2, 5, 9]


def test_one_product_is_a_catalogue_too(tmp_path: Path) -> None:
    assert (
        scene(write_product(tmp_path / "a", has_pixels=False)).id
        == scene(write_product(tmp_path / "b", has_pixels=False, zipped=True)).id
    )


def test_renamed_product_keeps_its_id(tmp_path: Path) -> None:
    root = write_product(tmp_path, has_pixels=False)
    root.rename(tmp_path / "copy of the one in july")
    assert scene(tmp_path).id == root.stem


@pytest.mark.parametrize(("catalog", "is_taken"), [
    (".", True), ("absent", False), ("absent.SAFE", True), ("absent.zip", True), ("absent.ZIP", True),
    ("catalog.json", False), ("https://example.org/x.zip", False), ("sentinelhub+https://example.org", False),
])  # fmt: skip
def test_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: str, is_taken: bool) -> None:
    monkeypatch.chdir(tmp_path)
    assert PROVIDER.takes(catalog) is is_taken


def test_absent_product_is_the_caller_s_error(tmp_path: Path) -> None:
    with pytest.raises(CatalogUnreadableError, match="no such folder or product"):
        found(tmp_path / "absent.SAFE")


def test_folder_without_products_is_empty(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none yet", encoding="utf-8")
    assert found(tmp_path) == []
    with pytest.raises(CatalogEmptyError):
        find_scenes(opened(tmp_path), AREA, until=date.max)


def test_catalogue_filters_by_area_and_period(tmp_path: Path) -> None:
    for day in (1, 5):
        write_product(tmp_path, sensed_at=datetime(2024, 3, day, 10, tzinfo=UTC), has_pixels=False)
    write_product(tmp_path, tile="32TQN", top=5_100_000.0, sensed_at=datetime(2024, 3, 5, 10, tzinfo=UTC), has_pixels=False)
    scenes, unusable = find_scenes(opened(tmp_path), AREA, until=date(2024, 3, 9), start=date(2024, 3, 2))
    assert [(s.tile, s.solar_day) for s in scenes] == [("MGRS-32TQM", date(2024, 3, 5))]
    assert unusable == []


# --- footprints ---------------------------------------------------------------------------------------------------


def test_footprint_is_cut_at_the_antimeridian(tmp_path: Path) -> None:
    write_product(tmp_path, tile="01KAB", has_pixels=False, positions="-17 179.5 -17 -179.5 -18 -179.5 -18 179.5 -17 179.5")
    got = scene(tmp_path).footprint
    expected = shapely.union(shapely.box(179.5, -18, 180, -17), shapely.box(-180, -18, -179.5, -17))
    assert got.equals(expected)


def test_footprint_that_would_cross_itself_at_the_antimeridian_keeps_its_form(tmp_path: Path) -> None:
    # The eastern tip reaches further north than the edge that jumps: as plain numbers the ring crosses itself.
    write_product(tmp_path, has_pixels=False, positions="1 179.5 1.2 -179.9 2 -179 0 -179.9 0 179.5 1 179.5")
    plain = shapely.Polygon([(179.5, 1), (180.1, 1.2), (181, 2), (180.1, 0), (179.5, 0)])
    assert scene(tmp_path).footprint.symmetric_difference(geo.split_antimeridian(plain)).area < 1e-9


@given(
    lon=st.floats(-180, 180), lat=st.floats(-80, 80), width=st.floats(0.01, 2), height=st.floats(0.01, 2),
    start=st.integers(0, 3),
)  # fmt: skip
def test_footprint_is_the_same_ground_wherever_its_ring_begins(lon, lat, width, height, start) -> None:
    corners = [(lat, lon), (lat, lon + width), (lat - height, lon + width), (lat - height, lon)]
    ring = [*corners[start:], *corners[:start], corners[start]]
    text = " ".join(f"{y!r} {(x + 180) % 360 - 180!r}" for y, x in ring)
    tags = tags_of(f"<a><EXT_POS_LIST>{text}</EXT_POS_LIST></a>".encode(), "here")
    got = safe._footprint(tags, "here")
    assert got.area == pytest.approx(width * height, rel=1e-6)
    assert got.bounds[0] >= -180
    assert got.bounds[2] <= 180


@pytest.mark.parametrize(
    "positions", ["1 2 3", "1 2 3 4 5 6", "91 0 91 1 90 1 91 0", "nan 0 1 1 0 1 0 0", "north west", "0 0 1 1 2 2 0 0"]
)
def test_footprint_that_is_none(tmp_path: Path, positions: str) -> None:
    write_product(tmp_path, positions=positions, has_pixels=False)
    reason(tmp_path, ProductInvalidError, "footprint", "EXT_POS_LIST")


# --- radiometry ---------------------------------------------------------------------------------------------------


def radiometry(folder: Path, band: str = "red", **settings) -> tuple[float, float, int]:
    stated = scene(folder, **settings).assets[band].radiometry
    assert stated is not None
    return stated.scale, stated.offset, stated.nodata


def test_offset_is_the_bands_own(tmp_path: Path) -> None:
    write_product(tmp_path, offsets={n: -1000 - n for n in range(13)}, has_pixels=False)
    got = [radiometry(tmp_path, band)[1] for band in ("blue", "green", "red", "nir", "swir16", "swir22")]
    assert got == pytest.approx([-0.1001, -0.1002, -0.1003, -0.1007, -0.1011, -0.1012])


def test_offset_follows_the_products_own_numbers_of_bands(tmp_path: Path) -> None:
    def swapped(text: str) -> str:
        return text.replace('bandId="3" physicalBand="B4"', 'bandId="9" physicalBand="B4"').replace(
            'bandId="9" physicalBand="B9"', 'bandId="3" physicalBand="B9"'
        )

    write_product(tmp_path, offsets={n: -1000 - n for n in range(13)}, edit=swapped, has_pixels=False)
    assert radiometry(tmp_path)[1] == pytest.approx(-0.1009)


def test_without_a_list_of_bands_the_numbers_are_esa_s(tmp_path: Path) -> None:
    write_product(tmp_path, offsets={n: -1000 - n for n in range(13)}, is_old=True, has_pixels=False)
    assert radiometry(tmp_path)[1] == pytest.approx(-0.1003)


def test_stated_offset_counts_under_an_old_baseline_too(tmp_path: Path) -> None:
    write_product(tmp_path, baseline="03.01", offset=-500, has_pixels=False)
    assert radiometry(tmp_path) == (pytest.approx(1e-4), pytest.approx(-0.05), 0)


def test_quantification_and_nodata_are_the_products_own(tmp_path: Path) -> None:
    write_product(tmp_path, quantification="20000.0", nodata="7", has_pixels=False)
    assert radiometry(tmp_path) == (pytest.approx(5e-5), pytest.approx(-0.05), 7)


@pytest.mark.parametrize("baseline", ["04.00", "05.09", "99.99", "", "unknown"])
def test_new_or_unknown_baseline_without_offset(tmp_path: Path, baseline: str) -> None:
    write_product(tmp_path, baseline=baseline, offset=None, has_pixels=False)
    got = reason(tmp_path, RadiometryUnknownError, "BOA_ADD_OFFSET", baseline or "unknown", "04.00")
    assert got.solar_day == date(2024, 1, 3)
    assert got.sensed_at == "2024-01-03T10:14:08.024000Z"
    assert got.tile == "MGRS-32TQM"
    assert got.footprint is not None


def test_last_baseline_before_the_offset_needs_none(tmp_path: Path) -> None:
    write_product(tmp_path, baseline="03.01", offset=None, has_pixels=False)
    assert radiometry(tmp_path)[1] == 0.0


@pytest.mark.parametrize("offsets", [
    {n: -1000 for n in range(13) if n != 3}, {n: "none" if n == 3 else -1000 for n in range(13)},
    {n: "nan" if n == 3 else -1000 for n in range(13)}, {n: -10000 if n == 3 else -1000 for n in range(13)},
])  # fmt: skip
def test_band_without_its_own_offset_among_others_that_have_one(tmp_path: Path, offsets: dict) -> None:
    write_product(tmp_path, offsets=offsets, has_pixels=False)
    reason(tmp_path, RadiometryUnknownError, "band B04", "band_id 3")


def test_two_offsets_for_one_band(tmp_path: Path) -> None:
    more = '<BOA_ADD_OFFSET band_id="3">0</BOA_ADD_OFFSET>'
    write_product(tmp_path, has_pixels=False, edit=lambda t: t.replace("</BOA_ADD_OFFSET_V", f"{more}</BOA_ADD_OFFSET_V"))
    reason(tmp_path, RadiometryUnknownError, "-1000 and 0")


@pytest.mark.parametrize("quantification", [None, "", "ten thousand", "0", "-10000", "inf", "nan"])
def test_quantification_that_is_none(tmp_path: Path, quantification: str | None) -> None:
    write_product(tmp_path, quantification=quantification, has_pixels=False)
    reason(tmp_path, RadiometryUnknownError, "BOA_QUANTIFICATION_VALUE", quantification or "absent")


@pytest.mark.parametrize("nodata", ["", "none", "-1", "0.5"])
def test_nodata_that_is_none(tmp_path: Path, nodata: str) -> None:
    write_product(tmp_path, nodata=nodata, has_pixels=False)
    reason(tmp_path, RadiometryUnknownError, "NODATA")


def test_operator_s_offset_replaces_the_products(tmp_path: Path) -> None:
    write_product(tmp_path, has_pixels=False)
    assert radiometry(tmp_path, offsets={"S2B_*": 0.5, "*_T32TQM_*": -0.2})[1] == -0.2
    assert radiometry(tmp_path, offsets={"S2B_*": 0.5})[1] == -0.1


def test_operator_s_offset_stands_in_for_an_absent_one(tmp_path: Path) -> None:
    write_product(tmp_path, offset=None, has_pixels=False)
    assert radiometry(tmp_path, offsets={"*": -0.1})[1] == -0.1


@given(
    offset=st.integers(-9999, 9999), quantification=st.integers(10_000, 65_535), dn=st.integers(1, 65_535),
)  # fmt: skip
def test_reflectance_is_esa_s_formula(tmp_path_factory: pytest.TempPathFactory, offset, quantification, dn) -> None:
    folder = tmp_path_factory.mktemp("p")
    write_product(folder, offset=offset, quantification=str(quantification), has_pixels=False)
    stated = scene(folder).assets["nir"].radiometry
    assert stated.to_reflectance(np.array([dn], "u2"))[0] == pytest.approx((dn + offset) / quantification, abs=1e-6)


# --- products that are not whole ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_zip", [False, True])
def test_listed_image_without_a_file(tmp_path: Path, is_zip: bool) -> None:
    write_product(tmp_path, drop=("swir16",), has_pixels=False, zipped=is_zip)
    reason(tmp_path, SceneAssetMissingError, "swir16", "R20m/T32TQM_20240103T101401_B11_20m.jp2")


def test_image_that_is_not_listed(tmp_path: Path) -> None:
    write_product(tmp_path, unlisted=("scl",), has_pixels=False)
    reason(tmp_path, SceneAssetMissingError, "scl (no SCL of 20m in its Granule_List)")


def test_absent_band_is_excused(tmp_path: Path) -> None:
    write_product(tmp_path, drop=("swir22",), has_pixels=False)
    reason(tmp_path, SceneAssetMissingError, "swir22")
    assert set(scene(tmp_path, absent_bands=("swir22",)).assets) == set(CODES) - {"swir22"}


def test_one_bad_product_stops_no_other(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        write_product(tmp_path, sensed_at=datetime(2024, 5, day, 10, tzinfo=UTC), has_pixels=False)
    bad = next(tmp_path.glob("*20240502T*.SAFE"))
    (bad / "MTD_MSIL2A.xml").write_bytes(b"")
    first, second, third = found(tmp_path)
    assert isinstance(first, Scene)
    assert isinstance(third, Scene)
    assert isinstance(second, Unusable)
    assert (second.scene_id, second.sensed_at, second.tile) == (bad.stem, "2024-05-02T10:00:00Z", "MGRS-32TQM")
    assert second.solar_day == date(2024, 5, 2)


def test_bad_product_has_the_solar_day_of_its_tile(tmp_path: Path) -> None:
    root = write_product(tmp_path, tile="60HTE", sensed_at=datetime(2024, 5, 2, 22, 30, tzinfo=UTC), has_pixels=False)
    (root / "MTD_MSIL2A.xml").unlink()
    assert reason(tmp_path, ProductInvalidError).solar_day == date(2024, 5, 3)  # 10:18 of the next day at 177 degrees east


def test_folder_that_cannot_be_listed_stops_no_product(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_product(tmp_path, has_pixels=False)
    (tmp_path / "lost+found").mkdir()
    plain = Path.iterdir

    def iterdir(self: Path):
        if self.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return plain(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    first, second = found(tmp_path)
    assert isinstance(first, Scene)
    assert isinstance(second, Unusable)
    assert "lost+found: Permission denied" in str(second.error)


def test_product_that_states_less_is_read_by_what_lies_there(tmp_path: Path) -> None:
    (whole,) = found(write_product(tmp_path / "whole").parent)
    root = write_product(tmp_path / "less")
    for old in ("IMAGE_FILE", "EXT_POS_LIST", "PROCESSING_LEVEL"):
        _put(root, old, "OTHER")
    (less,) = found(root.parent)
    assert isinstance(whole, Scene)
    assert isinstance(less, Scene)
    assert {b: a.radiometry for b, a in less.assets.items()} == {b: a.radiometry for b, a in whole.assets.items()}
    assert [Path(a.href).name for a in less.assets.values()] == [Path(a.href).name for a in whole.assets.values()]
    assert less.footprint.symmetric_difference(whole.footprint).area < 0.01 * whole.footprint.area


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no metadata": (lambda root: (root / "MTD_MSIL2A.xml").unlink(), "no MTD_MSIL2A.xml"),
    "empty metadata": (lambda root: (root / "MTD_MSIL2A.xml").write_bytes(b" \n"), "the file is empty"),
    "half of the metadata": (lambda root: _cut(root / "MTD_MSIL2A.xml"), "expected the XML"),
    "no XML": (lambda root: (root / "MTD_MSIL2A.xml").write_bytes(b"\x00\xff junk"), "expected the XML"),
    "unknown encoding": (lambda root: _put(root, "UTF-8", "EBCDIC-9"), "expected the XML"),
    "no time": (lambda root: _put(root, "PRODUCT_START_TIME", "OTHER_TIME"), "PRODUCT_START_TIME"),
    "no images": (lambda root: (_put(root, "IMAGE_FILE", "OTHER_FILE"), [p.unlink() for p in root.rglob("*.jp2")]), "no image"),
    "no tile": (lambda root: _put(root, "T32TQM", "tile"), "name of a tile"),
    "no footprint": (lambda root: _put(root, "EXT_POS_LIST", "OTHER_LIST"), "states no footprint"),
    "other document": (lambda root: _put(root, "Level-2A_User_Product", "Level-2A_Tile_ID"), "expected Level-2A"),
    "level 1C inside": (lambda root: _put(root, "<PROCESSING_LEVEL>Level-2A", "<PROCESSING_LEVEL>Level-1C"), "Level-1C"),
    "level 1C": (lambda root: (root / "MTD_MSIL2A.xml").rename(root / "MTD_MSIL1C.xml"), "level 1C"),
    "broken tile metadata": (lambda root: _cut(next(root.rglob("MTD_TL.xml"))), "MTD_TL.xml"),
    "image above": (lambda root: _put(root, "<IMAGE_FILE>GRANULE/", "<IMAGE_FILE>../"), "inside the product"),
    "image deep above": (lambda root: _put(root, "/IMG_DATA/", "/../../../x/"), "inside the product"),
    "image elsewhere": (lambda root: _put(root, "<IMAGE_FILE>GRANULE/", "<IMAGE_FILE>/etc/"), "inside the product"),
    "image on a drive": (lambda root: _put(root, "<IMAGE_FILE>GRANULE/", "<IMAGE_FILE>C:/"), "inside the product"),
}


def _put(root: Path, old: str, new: str) -> None:
    path = root / "MTD_MSIL2A.xml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("kind", BROKEN)
def test_broken_product(tmp_path: Path, kind: str, is_zip: bool) -> None:
    breaks, word = BROKEN[kind]
    root = write_product(tmp_path, has_pixels=False)
    breaks(root)
    path = zip_product(root) if is_zip else root
    got = reason(tmp_path, ProductInvalidError, word, str(path))
    assert got.scene_id == root.stem
    assert got.solar_day == date(2024, 1, 3)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_metadata_with_a_doctype_are_refused_before_an_entity_grows(tmp_path: Path, encoding: str) -> None:
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    doctype = f'<!DOCTYPE x [<!ENTITY l0 "ha"><!ENTITY file SYSTEM "file:///etc/passwd">{laughs}]>'
    root = write_product(tmp_path, has_pixels=False)
    text = (root / "MTD_MSIL2A.xml").read_text(encoding="utf-8")
    head, body = text.split("\n", 1)
    body = body.replace("<BOA_QUANTIFICATION", "&l9;&file;<BOA_QUANTIFICATION")
    (root / "MTD_MSIL2A.xml").write_text(f"{head.replace('UTF-8', encoding)}{doctype}{body}", encoding=encoding)
    reason(tmp_path, ProductInvalidError, "DOCTYPE")


@pytest.mark.parametrize("is_zip", [False, True])
def test_metadata_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_zip: bool) -> None:
    monkeypatch.setattr(safe, "LARGEST_METADATA", 100_000)
    root = write_product(tmp_path, has_pixels=False)
    with (root / "MTD_MSIL2A.xml").open("a", encoding="utf-8") as file:
        file.write(" " * 10_000_000)  # a thousand times smaller in a zip
    if is_zip:
        assert zip_product(root).stat().st_size < 100_000
    reason(tmp_path, ProductInvalidError, "more than 100000 bytes")


def test_image_of_another_format_is_not_opened(tmp_path: Path) -> None:
    root = write_product(tmp_path)
    got = scene(tmp_path)
    other = tmp_path / "other.tif"
    with rasterio.open(other, "w", driver="GTiff", width=4, height=4, count=1, dtype="uint16", crs="EPSG:32632",
                       transform=rasterio.Affine(10, 0, 600_000, 0, -10, 5_000_040)) as out:  # fmt: skip
        out.write(np.ones((1, 4, 4), "uint16"))
    Path(got.assets["red"].href).write_text(
        '<VRTDataset rasterXSize="4" rasterYSize="4"><GeoTransform>0,1,0,0,0,-1</GeoTransform>'
        '<VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{other}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>",
        encoding="utf-8",
    )
    with rasterio.open(got.assets["red"].href) as source:
        assert source.driver == "VRT"  # what GDAL would do by itself: read any file that the image names
    with pytest.raises(rasterio.errors.RasterioIOError), opened(tmp_path).open(str(root / got.assets["red"].href)):
        pass


# --- zips -----------------------------------------------------------------------------------------------------------


def tree(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(p.relative_to(folder)), p.stat().st_mtime_ns) for p in folder.rglob("*"))


@pytest.mark.parametrize("entry", [
    "../escaped.txt", "X.SAFE/../../escaped.txt", "/tmp/escaped.txt", "..\\escaped.txt", "X.SAFE\\MTD_MSIL2A.xml",  # noqa: S108
    "C:/escaped.txt", "c:escaped.txt", "X.SAFE/a\x00b",
])  # fmt: skip
def test_zip_that_leads_outside_is_refused_and_writes_nothing(tmp_path: Path, entry: str) -> None:
    path = write_product(tmp_path / "up" / "catalog", has_pixels=False, zipped=True)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("placeholder")
        info.filename = entry  # as it is, whatever ZipInfo would make of it
        archive.writestr(info, "x")
    before = tree(tmp_path)
    reason(path.parent, ProductInvalidError, repr(entry), "Nothing was unpacked", str(path))
    assert tree(tmp_path) == before
    assert not Path("/tmp/escaped.txt").exists()  # noqa: S108


@given(st.text(st.sampled_from("ab./\\:C\x00"), max_size=8))
def test_path_that_does_not_lead_outside_stays_below(name: str) -> None:
    if not leads_outside(name):
        assert (Path("/root/x") / name).resolve().is_relative_to("/root/x")


def test_reading_zips_writes_nothing(tmp_path: Path) -> None:
    write_product(tmp_path, zipped=True)
    before = tree(tmp_path)
    source, got = opened(tmp_path), scene(tmp_path)
    read_scene(got, working_grid(AREA).chunks[0].geobox, source.open)
    dict(source.pieces(got, tuple(CODES), working_grid(AREA)))
    assert tree(tmp_path) == before


@given(share=st.floats(0.0, 0.999))
def test_zip_cut_anywhere_is_named(tmp_path_factory: pytest.TempPathFactory, share: float) -> None:
    folder = tmp_path_factory.mktemp("cut")
    path = write_product(folder, has_pixels=False, zipped=True)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    reason(folder, ProductInvalidError, str(path), "download it again")


@given(data=st.data())
def test_zip_with_any_byte_changed_is_named_or_still_whole(tmp_path_factory: pytest.TempPathFactory, data) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    path = write_product(folder, has_pixels=False, zipped=True)
    whole = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    (only,) = found(folder)
    assert isinstance(only, Scene) or isinstance(only.error, ProductInvalidError | SceneAssetMissingError)


def test_zip_of_anything_else(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cadastre.zip", "w") as archive:
        archive.writestr("titles.shp", "x")
    got = reason(tmp_path, ProductInvalidError, "no MTD_MSIL2A.xml", "cadastre.zip")
    assert (got.scene_id, got.solar_day) == ("cadastre", None)


def test_zip_of_two_products(tmp_path: Path) -> None:
    first = write_product(tmp_path, has_pixels=False)
    second = write_product(tmp_path, tile="32TQN", has_pixels=False)
    shutil.move(second, first / second.name)
    zip_product(first)
    reason(tmp_path, ProductInvalidError, "2 of MTD_MSIL2A.xml")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_with_one_entry_twice(tmp_path: Path) -> None:
    path = write_product(tmp_path, has_pixels=False, zipped=True)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(next(n for n in archive.namelist() if n.endswith("_B04_10m.jp2")), "other pixels")
    reason(tmp_path, ProductInvalidError, "_B04_10m.jp2", "twice")


def test_zip_whose_entries_begin_with_a_dot(tmp_path: Path) -> None:
    root = write_product(tmp_path)
    with zipfile.ZipFile(tmp_path / f"{root.stem}.zip", "w") as archive:
        for file in (p for p in root.rglob("*") if p.is_file()):
            archive.writestr(f"./{file.relative_to(tmp_path)}", file.read_bytes())
    with zipfile.ZipFile(tmp_path / f"{root.stem}.zip") as archive:
        assert archive.namelist()[0].startswith("./S2A")
    shutil.rmtree(root)
    with opened(tmp_path).open(scene(tmp_path).assets["red"].href) as source:
        assert (source.read(1) == numbers("red")).all()


def test_zip_without_a_folder_inside(tmp_path: Path) -> None:
    root = write_product(tmp_path)
    with zipfile.ZipFile(tmp_path / f"{root.stem}.zip", "w") as archive:
        for file in (p for p in root.rglob("*") if p.is_file()):
            archive.write(file, str(file.relative_to(root)))
    shutil.rmtree(root)
    got = scene(tmp_path)
    assert got.id == root.stem
    with opened(tmp_path).open(got.assets["red"].href) as source:
        assert (source.read(1) == numbers("red")).all()


def test_image_writer_is_lossless(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 65_536, (64, 64)).astype("u2")
    write_image(tmp_path / "x.jp2", noise, 32632, (600_000.0, 5_000_040.0), 10)
    with rasterio.open(tmp_path / "x.jp2") as source:
        assert (source.read(1) == noise).all()
