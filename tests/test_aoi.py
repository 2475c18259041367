"""Areas and their working grid: pixels on multiples of ten metres, chunks on the lattice of the CRS."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from pipeline.aoi import Area, working_grid
from pipeline.errors import AoiInvalidError

UTM20S = "EPSG:32720"


def lonlat(bounds, crs, decimals=7):
    """A rectangle of a projected CRS as a lon/lat polygon of four rounded corners (pyproj is the oracle)."""
    left, bottom, right, top = bounds
    change = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform
    corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
    return shapely.Polygon([tuple(round(v, decimals) for v in change(*c)) for c in corners])


def area(geometry, **properties):
    return Area("here", "Here", geometry, properties)


def extent(grid):
    """Bounds of all chunks together."""
    boxes = shapely.union_all([shapely.box(*c.geobox.boundingbox) for c in grid.chunks])
    return boxes, sum(c.shape[0] * c.shape[1] for c in grid.chunks)


def test_an_area_says_its_crs_minerals_and_whether_it_is_simulated():
    here = area(shapely.box(-63.1, -9.1, -63.0, -9.0))
    assert (here.crs, here.minerals, here.is_simulated) == (UTM20S, (), False)
    told = area(here.geometry, minerals=["gold", "tin"], grid_epsg=3035, is_simulated=True)
    assert (told.crs, told.minerals, told.is_simulated) == ("EPSG:3035", ("gold", "tin"), True)
    assert area(here.geometry, minerals="gold").minerals == ("gold",)


@pytest.mark.parametrize("decimals", [6, 7, 12])
def test_a_rectangle_of_whole_pixels_in_rounded_degrees_gets_exactly_these_pixels(decimals):
    bounds = (300_000.0, 8_999_000.0, 306_000.0, 9_005_000.0)
    grid = working_grid(area(lonlat(bounds, UTM20S, decimals)))
    assert (grid.crs, grid.bounds) == (UTM20S, bounds)
    assert sum(c.inside.sum() for c in grid.chunks) == 600 * 600


@settings(max_examples=40, deadline=None)
@given(
    st.integers(20_000, 70_000), st.integers(880_000, 990_000), st.integers(3, 400), st.integers(3, 400),
    st.integers(64, 300),
)  # fmt: skip
def test_chunks_tile_a_rectangle_without_gap_or_overlap(column, row, width, height, chunk_px):
    bounds = tuple(10.0 * v for v in (column, row, column + width, row + height))
    grid = working_grid(area(lonlat(bounds, UTM20S, 9)), chunk_px)
    boxes, pixels = extent(grid)
    assert grid.bounds == bounds
    assert boxes.bounds == pytest.approx(bounds)
    assert boxes.area == pytest.approx(width * height * 100.0)
    assert pixels == width * height  # no overlap: pixels add up
    assert len({c.id for c in grid.chunks}) == len(grid.chunks)
    assert all(max(c.shape) <= chunk_px for c in grid.chunks)


def test_chunk_ids_are_places_of_the_crs_and_outlive_a_redrawn_area():
    small = (301_000.0, 9_001_000.0, 304_000.0, 9_003_000.0)
    large = (300_000.0, 8_999_000.0, 306_000.0, 9_005_000.0)
    first, second = (working_grid(area(lonlat(b, UTM20S)), 128) for b in (small, large))
    origin = {c.id: (c.transform.c // 1280, c.transform.f // 1280) for c in second.chunks}
    assert {c.id for c in first.chunks} <= set(origin)
    chunk = first.chunks[0]
    crs, column, row = chunk.id.split("_")
    assert crs == "32720"
    assert int(column) == chunk.transform.c // 1280
    assert int(row) == -chunk.transform.f // 1280
    assert np.allclose(np.array([c.transform.c for c in second.chunks]) % 10, 0)


def test_chunks_without_a_pixel_of_the_area_are_left_out():
    bounds = (300_000.0, 9_000_000.0, 310_240.0, 9_010_240.0)
    square = lonlat(bounds, UTM20S, 12)
    west, south, east, north = square.bounds
    triangle = shapely.Polygon([(west, south), (east, south), (west, north)])
    whole, half = (working_grid(area(g), 128) for g in (square, triangle))
    assert len(half.chunks) < len(whole.chunks)
    assert all(c.inside.any() for c in half.chunks)
    by_hand = [c.id for c in whole.chunks if shapely.box(*c.geobox.boundingbox).intersects(half.chunks[0].outline)]
    assert {c.id for c in half.chunks} <= set(by_hand)


def test_pixels_count_by_their_centre():
    grid = working_grid(area(lonlat((300_000.0, 9_000_000.0, 300_034.0, 9_000_020.0), UTM20S, 12)))
    (chunk,) = grid.chunks
    assert chunk.shape == (2, 4)  # the fourth column is touched
    assert chunk.inside.tolist() == [[True, True, True, False]] * 2  # but its centre, at 35 m, is outside


def test_an_area_across_the_antimeridian_has_a_small_grid():
    grid = working_grid(area(shapely.box(179.95, -17.05, 180.05, -17.0)))
    left, bottom, right, top = grid.bounds
    assert grid.crs in {"EPSG:32760", "EPSG:32701"}
    assert 10_000 < right - left < 11_500
    assert 5_000 < top - bottom < 6_500
    assert len(grid.chunks) <= 9


@pytest.mark.parametrize("epsg", [4326, 3857, 2263, 999_999, "none"])
def test_a_grid_without_true_metres_is_refused(epsg):
    with pytest.raises(AoiInvalidError, match="grid_epsg"):
        working_grid(area(shapely.box(-63.1, -9.1, -63.0, -9.0), grid_epsg=epsg))


def test_an_area_between_pixel_centres_is_refused():
    with pytest.raises(AoiInvalidError, match="no pixel of 10 m"):
        working_grid(area(lonlat((300_001.0, 9_000_001.0, 300_004.0, 9_000_004.0), UTM20S, 12)))
