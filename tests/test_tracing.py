"""Outlines and components of sparse pixels: by hand, against rasterio and scipy, and what holds for every set."""

import numpy as np
import pytest
import rasterio.features
import shapely
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.transform import Affine
from scipy.sparse.csgraph import connected_components
from shapely.geometry import shape

from pipeline.sites.pixels import components, edge_components, pixel_key
from pipeline.sites.tracing import outline, polygons

GRID = Affine(10.0, 0.0, 0.0, 0.0, -10.0, 0.0)


def keys_of(drawing):
    """Keys of the pixels drawn as #."""
    return pixel_key(*np.nonzero(np.array([list(row) for row in drawing.split()]) == "#"))


def test_two_pixels_have_one_outline_with_four_corners():
    (found,) = polygons(keys_of("##"))
    assert found.equals(shapely.box(0, -10, 20, 0))
    assert len(found.exterior.coords) == 5
    assert found.exterior.is_ccw


def test_pixels_that_meet_at_a_corner_are_two_parts_in_the_order_of_their_first_pixels():
    first, second = polygons(keys_of(".# #."))
    assert first.equals(shapely.box(10, -10, 20, 0))
    assert second.equals(shapely.box(0, -20, 10, -10))
    assert outline(keys_of(".# #.")).geom_type == "MultiPolygon"


def test_a_ring_that_closes_at_a_corner_has_a_hole_and_touches_itself_nowhere():
    (found,) = polygons(keys_of("### #.# ##."))
    assert found.is_valid
    assert len(found.interiors) == 1
    assert found.area == 700


def test_gaps_that_meet_at_a_corner_are_two_holes():
    (found,) = polygons(keys_of("#### #.## ##.# ####"))
    assert found.is_valid
    assert [shapely.Polygon(hole).area for hole in found.interiors] == [100, 100]


def test_what_is_smaller_than_asked_is_left_out_before_it_is_followed():
    assert [part.area for part in polygons(keys_of("##.# ....  ###."), 2)] == [200, 300]
    assert len(polygons(keys_of("#.#"), 2)) == 0
    assert len(polygons(np.zeros(0, np.int64))) == 0


masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


@settings(max_examples=200, deadline=None)
@given(masks)
def test_outlines_are_those_of_rasterio(mask):
    keys = pixel_key(*np.nonzero(mask))
    ours = polygons(keys)
    found = rasterio.features.shapes(mask.astype(np.uint8), mask=mask, transform=GRID)
    theirs = [shapely.make_valid(shape(drawn)) for drawn, _ in found]
    assert all(part.is_valid for part in ours)
    assert sorted(part.area for part in ours) == sorted(part.area for part in theirs)
    assert shapely.union_all(ours).symmetric_difference(shapely.union_all(theirs)).area == 0
    assert sum(part.area for part in ours) == 100 * mask.sum()


def joined_by_hand(mask, reach):
    """Component of each pixel by distance: those at most `reach` apart are linked."""
    at = np.argwhere(mask)
    apart = np.abs(at[:, None] - at[None])
    near = apart.sum(axis=2) <= 1 if reach == 0 else apart.max(axis=2) <= reach
    return connected_components(near, directed=False)[1]


@pytest.mark.parametrize("reach", [0, 1, 2])
@settings(max_examples=100, deadline=None)
@given(mask=masks)
def test_components_are_those_of_scipy_numbered_by_first_pixels(mask, reach):
    keys = pixel_key(*np.nonzero(mask))
    found = (edge_components(keys) if reach == 0 else components(keys, reach)).tolist()
    expected = joined_by_hand(mask, reach).tolist()
    assert len(set(zip(found, expected, strict=True))) == len(set(found)) == len(set(expected))
    assert list(dict.fromkeys(found)) == list(range(len(set(found))))


def test_numbers_of_components_follow_their_first_pixels():
    assert components(keys_of("#.# ... #.#")).tolist() == [0, 1, 2, 3]
    assert components(keys_of("#.# ... #.#"), 2).tolist() == [0, 0, 0, 0]
