"""Identity of sites: grown, met, absorbed, cut, and never a rim."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from worlds import square, table

from pipeline.monitor import PixelCode, day_number
from pipeline.sites import PixelTable, Site, SiteRules, advance, components, concatenate, outline, pixel_key
from pipeline.sites.pixels import within

RULES = SiteRules(mmu_ha=0.09, provisional_ha=0.09, join_gap_px=1, max_extent_m=300)
DAY = date(2024, 5, 1)


def step(sites: list[Site], pixels: PixelTable, days: int = 0) -> list[Site]:
    return advance(sites, pixels, DAY + timedelta(days=days), "area", RULES)[0]


def test_a_site_keeps_its_id_while_it_grows() -> None:
    small = step([], table(square(0, 0, 4)))
    grown = step(small, table(square(0, 0, 6)), 10)
    assert [s.id for s in grown] == [s.id for s in small]
    assert len(grown[0].keys) == 36
    assert grown[0].first_detected_on == DAY


def test_a_rim_one_pixel_wide_is_no_site() -> None:
    assert step([], table(square(0, 0, 40, 1))) == []


def test_two_confirmed_sites_that_meet_stay_two() -> None:
    two = step([], table(np.concatenate([square(0, 0, 5), square(0, 9, 5)])))
    met = step(two, table(square(0, 0, 14, 5)), 10)
    assert {s.id for s in met} == {s.id for s in two}
    assert sum(len(s.keys) for s in met) == 70


def test_a_provisional_site_that_touches_is_absorbed() -> None:
    old = step([], table(square(0, 0, 6)))
    near = np.concatenate([square(0, 0, 6), square(0, 7, 4, 6)])
    codes = np.where(np.isin(np.sort(near), square(0, 7, 4, 6)), PixelCode.PROVISIONAL, PixelCode.CONFIRMED).astype(np.uint8)
    pixels = table(near)
    both = step(old, PixelTable(**{**{f: getattr(pixels, f) for f in pixels.__dataclass_fields__}, "code": codes}), 10)
    assert len(both) == 2
    one = step(both, table(square(0, 0, 11, 6), PixelCode.PROVISIONAL), 20)
    assert len(one) == 1
    assert one[0].id == old[0].id
    assert len(one[0].merged_from) == 1


def test_a_site_that_falls_apart_leaves_its_lineage() -> None:
    whole = step([], table(square(0, 0, 14, 5)))
    parts = step(whole, table(np.concatenate([square(0, 0, 8, 5), square(0, 10, 4, 5)])), 10)
    assert len(parts) == 2
    assert {s.split_from for s in parts} == {None, whole[0].id}


def test_no_site_is_longer_than_allowed() -> None:
    sites = step([], table(square(0, 0, 100, 5)))
    assert len(sites) == 4
    assert sum(len(s.keys) for s in sites) == 500


def test_the_order_of_sites_and_the_cut_into_chunks_do_not_matter() -> None:
    first = step([], table(np.concatenate([square(0, 0, 5), square(0, 12, 5)])))
    whole = table(np.concatenate([square(0, 0, 7), square(0, 12, 7)]))
    halves = concatenate([whole.take(whole.key % 2 == 0), whole.take(whole.key % 2 == 1)])
    a, b = step(first, whole, 10), step(first[::-1], halves, 10)
    assert [(s.id, s.keys.tolist()) for s in a] == [(s.id, s.keys.tolist()) for s in b]


def test_pixels_that_touch_at_a_corner_are_one_component() -> None:
    keys = np.sort(pixel_key(np.array([0, 1, 5]), np.array([0, 1, 5])))
    assert components(keys).tolist() == [0, 0, 1]


def test_an_outline_has_the_area_of_its_pixels() -> None:
    ring = np.setdiff1d(square(-3, -3, 5), square(-1, -1, 1))
    shape = outline(ring)
    assert shape.is_valid
    assert shape.area == 24 * 100
    assert shape.bounds == (-30.0, -20.0, 20.0, 30.0)


def test_a_few_pixels_that_changed_before_do_not_date_the_site() -> None:
    pixels = table(square(0, 0, 8))
    early = within(square(0, 0, 3), pixels.key)
    first = pixels.first_changed_on.copy()
    first[early] = day_number(DAY - timedelta(days=50))
    few = step([], replace(pixels, first_changed_on=first))[0]
    assert few.first_detected_on == DAY  # 9 of 64 pixels
    half = within(square(0, 0, 8, 4), pixels.key)
    first[half] = day_number(DAY - timedelta(days=50))
    many = step([], replace(pixels, first_changed_on=first))[0]
    assert many.first_detected_on == DAY - timedelta(days=50)


def test_small_ground_opens_a_site_once_confirmed_and_large_ground_at_once() -> None:
    rules = SiteRules(mmu_ha=0.09, provisional_ha=0.25, join_gap_px=1, max_extent_m=300)
    small, large = square(0, 0, 4), square(20, 20, 5)
    provisional, confirmed = PixelCode.PROVISIONAL, PixelCode.CONFIRMED
    first, _ = advance([], table(np.concatenate([small, large]), provisional), DAY, "a", rules)
    assert [len(s.keys) for s in first] == [25]
    then, _ = advance(first, table(np.concatenate([small, large]), confirmed), DAY + timedelta(days=5), "a", rules)
    assert sorted(len(s.keys) for s in then) == [16, 25]
