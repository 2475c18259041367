"""Outlines cut by outlines without making geometries, against shapely and by hand."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate, translate

from pipeline import geo
from pipeline.tenure import AreaIndex, AreaKind, ProtectedArea, Sites
from pipeline.tenure.clipping import FEW, Relation, cut, edges_of
from pipeline.tenure.index import laid_over

SQUARE = shapely.box(0.0, 0.0, 1.0, 1.0)
RING = shapely.box(-2.0, -2.0, 3.0, 3.0).difference(shapely.box(-1.0, -1.0, 2.0, 2.0))
CASES = {
    "inside": (SQUARE, shapely.box(-1.0, -1.0, 2.0, 2.0), Relation.WHOLE, 0.0),
    "apart": (SQUARE, shapely.box(2.0, 2.0, 3.0, 3.0), Relation.APART, 0.0),
    "in a hole": (SQUARE, RING, Relation.APART, 0.0),
    "around": (SQUARE, shapely.box(0.25, 0.25, 0.75, 0.75), Relation.PARTLY, 0.25),
    "a corner": (SQUARE, shapely.box(0.5, 0.5, 2.0, 2.0), Relation.PARTLY, 0.25),
    "a part with a hole": (SQUARE, RING.union(shapely.box(0.25, 0.25, 0.75, 0.75)), Relation.PARTLY, 0.25),
    "a hole inside": (SQUARE, shapely.box(-1, -1, 2, 2).difference(shapely.box(0.25, 0.25, 0.75, 0.75)), Relation.PARTLY, 0.75),
    "a shared edge": (SQUARE, shapely.box(1.0, -1.0, 2.0, 2.0), Relation.UNSURE, 0.0),
    "the same": (SQUARE, SQUARE, Relation.UNSURE, 0.0),
    "a touching corner": (SQUARE, shapely.Polygon([(1, 1), (3, 2), (2, 3)]), Relation.UNSURE, 0.0),
}  # fmt: skip


def cut_one(site, outline):
    """The relation and the enclosed area in square units of one pair."""
    relation, _, pieces = cut(
        edges_of(np.array([site])), edges_of(np.array([outline])).by_height(), *np.zeros((2, 1), np.int64)
    )
    return relation[0], float((pieces[:, 0] * pieces[:, 3] - pieces[:, 2] * pieces[:, 1]).sum() / 2)


@pytest.mark.parametrize("name", CASES)
def test_a_pair_lies_as_drawn(name):
    site, outline, relation, area = CASES[name]
    assert cut_one(site, outline) == (relation, pytest.approx(area))
    assert cut_one(site.reverse(), outline.reverse()) == (relation, pytest.approx(area))


def test_every_relation_has_an_example():
    assert {case[2] for case in CASES.values()} == set(Relation)


CORNERS = st.integers(3, 12)


@st.composite
def star(draw, corners=CORNERS):
    """A polygon about the origin, sometimes with a hole, turned and moved."""
    count = draw(corners)
    radii = draw(st.lists(st.floats(0.5, 1.0), min_size=count, max_size=count))
    angles = 2 * np.pi * np.arange(count) / count
    outer = shapely.Polygon(np.column_stack([radii * np.cos(angles), radii * np.sin(angles)]))
    shape = outer.difference(shapely.Point(0, 0).buffer(0.15)) if draw(st.booleans()) else outer
    return translate(rotate(shape, draw(st.floats(0, 90))), draw(st.floats(-1.2, 1.2)), draw(st.floats(-1.2, 1.2)))


@settings(max_examples=200, deadline=None)
@given(star(), star())
def test_what_is_cut_is_what_shapely_says(a, b):
    relation, area = cut_one(a, b)
    if relation == Relation.UNSURE:
        return
    assert (relation == Relation.WHOLE) == b.contains(a)
    assert (relation == Relation.APART) == (not b.intersects(a))
    if relation == Relation.PARTLY:
        assert area == pytest.approx(a.intersection(b).area, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(star(st.just(FEW + 50)), star())
def test_outlines_of_many_edges_are_searched_with_the_same_result(many, few):
    for site, outline in ((few, many), (many, few)):
        relation, area = cut_one(site, outline)
        if relation == Relation.PARTLY:
            assert area == pytest.approx(site.intersection(outline).area, abs=1e-9)
        assert relation == Relation.UNSURE or (relation == Relation.WHOLE) == outline.contains(site)


@settings(max_examples=50, deadline=None)
@given(st.lists(star(), min_size=1, max_size=4), st.lists(star(), min_size=1, max_size=4), st.sampled_from([0.001, 0.01, 0.5]))
def test_hectares_of_pairs_are_those_of_their_intersections(sites, outlines, scale):
    def placed(shape):
        return shapely.transform(shape, lambda p: p * scale + [-60.0, -8.0])

    ground = Sites.of([placed(s) for s in sites])
    index = AreaIndex([ProtectedArea(str(i), "", AreaKind.PROTECTED_AREA, placed(o)) for i, o in enumerate(outlines)])
    laid = laid_over(ground, index)
    for site, row, hectares in zip(laid.site, laid.row, laid.hectares, strict=True):
        shared = geo.polygons_only(ground.outlines[site].intersection(index.records[row].geometry))
        assert hectares == pytest.approx(geo.geodesic_area_ha(shared), rel=1e-6, abs=1e-6)
