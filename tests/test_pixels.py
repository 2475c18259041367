"""Reading pixels: what stands in the file stands in the cube, against rasterio on the same file."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox
from worlds import BANDS, EPSG, LEFT, TOP, footprint, write_aoi, write_catalog, write_item

from pipeline.errors import SceneEmptyError, SceneUnreadableError
from pipeline.io.areas import read_area
from pipeline.io.catalogs import find_scenes
from pipeline.io.pixels import read_acquisition, read_cube, read_scene
from pipeline.scenes import SCL, Acquisition, choose_scenes

SIZE = 12
DAY = date(2024, 1, 1)


def ramp() -> np.ndarray:
    """Reflectance in which every pixel of every band differs: a wrong axis or a swapped band must fail."""
    return (np.arange(6 * SIZE * SIZE).reshape(6, SIZE, SIZE) + 500) * 1e-4


def grid(row: float = 0, column: float = 0, rows: int = SIZE, columns: int = SIZE, pixel: float = 10.0) -> GeoBox:
    return GeoBox((rows, columns), Affine(pixel, 0, LEFT + 10 * column, 0, -pixel, TOP - 10 * row), f"EPSG:{EPSG}")


def acquisitions(folder: Path, names: list[str]) -> list[Acquisition]:
    area = read_area(write_aoi(folder / "aoi.geojson", footprint(SIZE)))
    scenes, unusable = find_scenes(str(write_catalog(folder, names)), area, until=date.max)
    assert not unusable
    return choose_scenes(scenes)[0]


@pytest.fixture(params=[0.0, -0.1], ids=["no offset", "offset"])
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Acquisition:
    return acquisitions(tmp_path, [write_item(tmp_path, DAY, ramp(), offset=request.param)])[0]


def test_numbers_become_reflectance_whatever_the_offset(one: Acquisition) -> None:
    layers = read_scene(one.scenes[0], grid())
    for n, band in enumerate(BANDS):
        assert layers[band].dtype == np.float32
        assert layers[band] == pytest.approx(ramp()[n], abs=1e-6)


def test_a_window_is_what_rasterio_reads(one: Acquisition) -> None:
    layers = read_scene(one.scenes[0], grid(3, 5, 4, 6))
    assert layers["nir"] == pytest.approx(ramp()[3, 3:7, 5:11], abs=1e-6)


def test_outside_of_the_file_there_is_no_data(one: Acquisition) -> None:
    layers = read_scene(one.scenes[0], grid(-2, 8, 6, 8))
    assert np.isnan(layers["red"][:2]).all()
    assert np.isnan(layers["red"][:, 4:]).all()
    assert layers["red"][2:, :4] == pytest.approx(ramp()[2, 0:4, 8:12], abs=1e-6)
    assert (layers[SCL][:2] == 0).all()


def test_far_outside_there_is_nothing_and_that_is_no_fault(one: Acquisition) -> None:
    cube, failed = read_acquisition(one, grid(500, 500))
    assert failed == {}
    assert cube is None or not cube["clear"].values.any()


def test_coarser_files_are_brought_to_the_grid(tmp_path: Path) -> None:
    name = write_item(tmp_path, DAY, ramp())
    coarse = np.arange(36, dtype="u2").reshape(6, 6) * 100 + 1000
    for band, array in (("swir16", coarse), ("scl", np.where(coarse > 2500, 9, 4).astype("u1"))):
        with rasterio.open(
            tmp_path / name / f"{band}.tif", "w", driver="GTiff", height=6, width=6, count=1, dtype=array.dtype,
            crs=f"EPSG:{EPSG}", transform=Affine(20, 0, LEFT, 0, -20, TOP), nodata=0,
        ) as out:  # fmt: skip
            out.write(array, 1)
    layers = read_scene(acquisitions(tmp_path, [name])[0].scenes[0], grid())
    assert (layers[SCL] == np.where(coarse > 2500, 9, 4).repeat(2, 0).repeat(2, 1)).all()
    assert set(np.unique(layers[SCL])) == {4, 9}
    means = layers["swir16"].reshape(6, 2, 6, 2).mean(axis=(1, 3))
    assert means[1:-1, 1:-1] == pytest.approx(coarse[1:-1, 1:-1] * 1e-4, abs=1e-4)


def test_parts_of_a_split_tile_are_put_together_and_the_first_counts(tmp_path: Path) -> None:
    names = [write_item(tmp_path / part, DAY, ramp() + add) for part, add in (("a", 0.0), ("b", 0.1))]
    for part, name, rows in zip("ab", names, (slice(8, None), slice(0, 4)), strict=True):
        for path in (tmp_path / part / name).glob("*.tif"):
            with rasterio.open(path, "r+") as file:
                array = file.read(1)
                array[rows] = 0
                file.write(array, 1)
    first, second = (acquisitions(tmp_path / part, [name])[0].scenes[0] for part, name in zip("ab", names, strict=True))
    cube, failed = read_acquisition(Acquisition(DAY, (first, second)), grid())
    assert failed == {}
    assert cube is not None
    red = cube["red"].values[0]
    assert red[:8] == pytest.approx(ramp()[2, :8], abs=1e-6)
    assert red[8:] == pytest.approx(ramp()[2, 8:] + 0.1, abs=1e-6)
    assert (cube[SCL].values == 4).all()


def test_a_truncated_file_fails_with_scene_band_and_file(tmp_path: Path) -> None:
    name = write_item(tmp_path, DAY, ramp())
    path = tmp_path / name / "red.tif"
    path.write_bytes(path.read_bytes()[:200])
    (acquisition,) = acquisitions(tmp_path, [name])
    with pytest.raises(SceneUnreadableError, match=rf"scene {name}, band red: .*red\.tif"):
        read_scene(acquisition.scenes[0], grid())
    cube, failed = read_acquisition(acquisition, grid())
    assert cube is None
    assert isinstance(failed[name], SceneUnreadableError)


def test_a_scene_of_zeros_fails_and_the_others_make_the_cube(tmp_path: Path) -> None:
    names = [write_item(tmp_path, date(2024, 1, 1 + n), ramp()) for n in range(3)]
    for path in (tmp_path / names[1]).glob("*.tif"):
        with rasterio.open(path, "r+") as file:
            file.write(np.zeros(file.shape, file.dtypes[0]), 1)
    days = acquisitions(tmp_path, names)
    assert isinstance(read_acquisition(days[1], grid())[1][names[1]], SceneEmptyError)
    cube = read_cube(days, grid())
    assert cube is not None
    assert cube["time"].dt.day.values.tolist() == [1, 3]
    assert cube["red"].values[1] == pytest.approx(ramp()[2], abs=1e-6)
    assert read_cube(days[1:2], grid()) is None


@pytest.mark.parametrize("columns", [SIZE, 5, 2])
def test_where_the_ground_is_cut_does_not_change_what_is_clear(tmp_path: Path, columns: int) -> None:
    cloud = np.zeros((SIZE, SIZE), bool)
    cloud[3:8, 4:8] = True  # every cut meets it
    day = acquisitions(tmp_path, [write_item(tmp_path, DAY, ramp(), cloud=cloud)])[0]
    whole = read_acquisition(day, grid())[0]
    parts = [read_acquisition(day, grid(0, c, SIZE, min(columns, SIZE - c)))[0] for c in range(0, SIZE, columns)]
    assert np.array_equal(np.concatenate([p["clear"].values for p in parts if p is not None], axis=2), whole["clear"].values)
    assert not whole["clear"].values[0, 3:8, 3].any()
