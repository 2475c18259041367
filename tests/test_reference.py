"""The reference: a level, a season, outliers that do not count, and what is not known."""

from datetime import date, timedelta

import numpy as np
import pytest
import xarray as xr
from worlds import BANDS, FOREST, SPOIL

from pipeline.cube import SceneClass, make_cube
from pipeline.fitting import fit_reference
from pipeline.reference import FLOOR_UNKNOWN, Reference, floor_ndvi, replace_where, stack_strips
from pipeline.stages.watching import SeasonRules, watched_ground

SHAPE = (3, 4)
TWO_YEARS = [date(2022, 1, 5) + timedelta(days=12 * n) for n in range(60)]
NIR = BANDS.index("nir")


def season(days: list[date], level: float, cosine: float, sine: float) -> np.ndarray:
    angle = np.array([2 * np.pi * d.timetuple().tm_yday / 365.25 for d in days])
    return level + cosine * np.cos(angle) + sine * np.sin(angle)


def cube_of(days: list[date], noise: float = 0.0, cloud: np.ndarray | None = None, **bands: np.ndarray) -> xr.Dataset:
    """A forest; bands by name over time, or (time, y, x), replace its own."""
    rng = np.random.default_rng(0)
    shape = (len(days), *SHAPE)
    layers = {}
    for name, value in zip(BANDS, FOREST, strict=True):
        own = np.asarray(bands.get(name, value))
        own = own[:, None, None] if own.ndim == 1 else own
        layers[name] = (np.broadcast_to(own, shape) + rng.normal(0, noise, shape)).astype(np.float32)
    scl = np.full(shape, SceneClass.VEGETATION, "u1")
    if cloud is not None:
        scl[cloud] = SceneClass.CLOUD_HIGH
    return make_cube(days, layers, scl, 0)


def supported(reference: Reference, day: date) -> np.ndarray:
    """Where the past can tell what to expect on a day, however bare the ground is."""
    return watched_ground(reference.on(day), np.ones(reference.looks.shape, bool), SeasonRules(least_ndvi=0.0, leaf_fall=2.0))


def test_a_steady_forest_is_expected_as_it_was() -> None:
    reference = fit_reference(cube_of(TWO_YEARS[:8]))
    assert (reference.looks == 8).all()
    assert not reference.is_seasonal.any()
    for day in (TWO_YEARS[0], date(2024, 7, 1)):
        assert reference.expected(day)[:, 1, 2] == pytest.approx(FOREST, abs=1e-4)
    assert (reference.ndvi_spread == 0).all()


def test_a_season_is_recovered() -> None:
    reference = fit_reference(cube_of(TWO_YEARS, nir=season(TWO_YEARS, 0.30, 0.05, -0.08), noise=0.003))
    assert reference.is_seasonal.all()
    level, cosine, sine = reference.coefficients[:, NIR].astype(float) * 1e-4
    assert level == pytest.approx(np.full(SHAPE, 0.30), abs=0.003)
    assert cosine == pytest.approx(np.full(SHAPE, 0.05), abs=0.003)
    assert sine == pytest.approx(np.full(SHAPE, -0.08), abs=0.003)
    for day in (date(2024, 2, 1), date(2024, 8, 1)):
        assert reference.expected(day)[NIR] == pytest.approx(np.full(SHAPE, season([day], 0.30, 0.05, -0.08)[0]), abs=0.005)


def test_looks_of_half_a_year_tell_no_season() -> None:
    half = TWO_YEARS[:15]
    assert not fit_reference(cube_of(half, nir=season(half, 0.30, 0.05, 0.0))).is_seasonal.any()


def test_clouds_that_the_mask_left_do_not_count() -> None:
    missed = np.full(len(TWO_YEARS), FOREST[NIR])
    missed[[7, 20, 33, 46]] = 0.8
    for days, values in ((TWO_YEARS, missed), (TWO_YEARS[:10], missed[:10])):
        reference = fit_reference(cube_of(days, nir=values, noise=0.003))
        assert reference.expected(date(2024, 5, 1))[NIR] == pytest.approx(np.full(SHAPE, FOREST[NIR]), abs=0.01)


def test_what_the_mask_shows_as_cloud_is_not_looked_at() -> None:
    cloud = np.zeros((len(TWO_YEARS), *SHAPE), bool)
    cloud[::2] = True
    bright = np.where(cloud, 0.9, FOREST[NIR])
    reference = fit_reference(cube_of(TWO_YEARS, cloud=cloud, nir=bright))
    assert (reference.looks == 30).all()
    assert reference.expected(date(2024, 5, 1))[NIR] == pytest.approx(np.full(SHAPE, FOREST[NIR]), abs=1e-3)


def test_too_few_looks_are_no_reference() -> None:
    days = TWO_YEARS[:8]
    cloud = np.zeros((8, *SHAPE), bool)
    cloud[:5, 0, 0] = True
    reference = fit_reference(cube_of(days, cloud=cloud), min_looks=4)
    assert reference.looks[0, 0] == 0
    assert np.isnan(reference.expected(days[0])[:, 0, 0]).all()
    assert not supported(reference, days[0])[0, 0]
    assert (reference.looks.ravel()[1:] == 8).all()


def test_a_season_fitted_on_summers_says_nothing_of_winter() -> None:
    summers = [d for d in TWO_YEARS if d.month in {4, 5, 6, 7, 8, 9}]
    reference = fit_reference(cube_of(summers))
    assert reference.is_seasonal.all()
    assert supported(reference, date(2024, 6, 15)).all()
    assert not supported(reference, date(2024, 1, 15)).any()
    assert (reference.floor[0] == FLOOR_UNKNOWN).all()
    assert np.isnan(floor_ndvi(reference.on(date(2024, 1, 15)).floor)).all()


def test_an_evergreen_forest_is_watched_in_the_months_that_clouds_hid() -> None:
    dry = [d for d in TWO_YEARS if d.month not in {1, 2, 3}]
    reference = fit_reference(cube_of(dry))
    assert supported(reference, date(2024, 2, 15)).all()
    assert np.array_equal(floor_ndvi(reference.on(date(2024, 2, 15)).floor), floor_ndvi(reference.on(date(2024, 9, 15)).floor))
    leaves = np.where([d.month in {10, 11, 12} for d in dry], 0.06, FOREST[NIR])
    deciduous = fit_reference(cube_of(dry, nir=leaves))
    assert (
        floor_ndvi(deciduous.on(date(2024, 2, 15)).floor) < floor_ndvi(deciduous.peak) - 0.2
    ).all()  # like December, not like June


def test_leaf_fall_is_told_within_a_fortnight() -> None:
    """Looks every four days; leaves fall on 15 October: a window of three months would call bare twigs usual in September."""
    days = [date(2022, 1, 3) + timedelta(days=4 * n) for n in range(182)]
    leaves = np.where([d.timetuple().tm_yday > 288 for d in days], 0.06, FOREST[NIR])
    past = fit_reference(cube_of(days, nir=leaves))
    green = (FOREST[NIR] - FOREST[2]) / (FOREST[NIR] + FOREST[2])
    assert floor_ndvi(past.on(date(2024, 9, 20)).floor) == pytest.approx(np.full(SHAPE, green), abs=0.01)
    assert (floor_ndvi(past.on(date(2024, 10, 25)).floor) < 0.5).all()
    assert floor_ndvi(past.peak) == pytest.approx(np.full(SHAPE, green), abs=0.01)


def test_the_floor_of_a_steady_forest_is_its_ndvi() -> None:
    ndvi = (FOREST[3] - FOREST[2]) / (FOREST[3] + FOREST[2])
    floor = floor_ndvi(fit_reference(cube_of(TWO_YEARS)).on(date(2024, 6, 15)).floor)
    assert floor == pytest.approx(np.full(SHAPE, ndvi), abs=0.5 / 200 + 1e-6)


def test_a_band_that_the_provider_lacks_is_zero() -> None:
    reference = fit_reference(cube_of(TWO_YEARS).drop_vars("swir22"))
    assert (reference.coefficients[:, BANDS.index("swir22")] == 0).all()
    assert (reference.coefficients[0, NIR] > 0).all()


def arrays(reference: Reference) -> dict[str, np.ndarray]:
    return {name: getattr(reference, name) for name in reference.__dataclass_fields__}


def test_strips_add_up_to_the_whole() -> None:
    cube = cube_of(TWO_YEARS, noise=0.01)
    whole = fit_reference(cube)
    parts = stack_strips([fit_reference(cube.isel(y=slice(0, 1))), fit_reference(cube.isel(y=slice(1, 3)))])
    for name, array in arrays(whole).items():
        if name != "near":
            assert np.array_equal(array, arrays(parts)[name]), name
    assert np.abs(whole.near.astype(int) - parts.near).max() <= 1


def test_open_sites_keep_their_past() -> None:
    old = fit_reference(cube_of(TWO_YEARS[:8]))
    new = fit_reference(cube_of(TWO_YEARS[:8], **{b: np.full(8, v) for b, v in zip(BANDS, SPOIL, strict=True)}))
    quiet = np.ones(SHAPE, bool)
    quiet[1, 1] = False
    mixed = replace_where(old, new, quiet).expected(date(2024, 5, 1))
    assert mixed[:, 1, 1] == pytest.approx(FOREST, abs=1e-4)
    assert mixed[:, 0, 0] == pytest.approx(SPOIL, abs=1e-4)
