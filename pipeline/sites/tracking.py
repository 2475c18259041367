"""Site identity from night to night: grown, split, merged, never chained without limit.

New ground joins the site that it touches; where it touches several, the one that grew last. Two confirmed sites that
come to touch stay two, since both ids are already with an agency; a provisional one is absorbed and named in
`merged_from`. A site never grows past `max_extent_m`: what lies beyond is a site of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from pipeline.monitor import PixelCode, day_number, day_of
from pipeline.provenance import derive_id
from pipeline.sites.pixels import (
    PIXEL_HA,
    ROW_SHIFT,
    PixelTable,
    components,
    extent_m,
    massive,
    offsets,
    row_column,
    within,
)

CONTACT_SHARE = 1.0
"""Share of a piece of new ground's width (the root of its pixels) along which it must touch a site to belong to it.
Ground that spreads around a pit touches it along twice its width; a clearing that meets it at a corner does not."""

BODY_SHARE = 0.3
"""Share of a site that must be three pixels wide: a road that swells at one bend, or trails that meet, are no site."""

BEGUN_SHARE = 0.25
"""Share of a site's first pixels that had changed on the day from which it is dated."""


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What counts as a site and when sites belong together."""

    mmu_ha: float = 0.3
    """Minimum mapping unit: 0.5 ha is where published systems trust themselves, 0.2 ha where radar does."""
    provisional_ha: float = 0.3
    """Ground that one look showed, and none confirmed yet, opens a site from here on."""
    join_gap_px: int = 2
    """New ground this near to a site, or to other new ground, belongs to it."""
    max_extent_m: float = 3000.0
    """Longest side of a site."""


@dataclass(frozen=True, slots=True)
class Site:
    """One tracked ground object on one day."""

    id: str
    keys: np.ndarray
    """int64: its pixels, sorted."""
    opened_on: date
    """Day on which it became a site."""
    grown_on: date
    """Day on which ground was last added."""
    first_detected_on: date
    """First clear look that showed the change on a quarter of its first ground: see `_began`."""
    last_unchanged_on: date | None
    """Last clear look before that on which its first pixels were unchanged; None where there was none."""
    growth: tuple[tuple[date, int], ...]
    """Pixels after each day that changed their number."""
    confirmed_on: date | None = None
    """Day on which confirmed pixels alone made a site."""
    merged_from: tuple[str, ...] = ()
    split_from: str | None = None
    is_withdrawn: bool = False
    """Was never confirmed and its ground is as it was."""

    @property
    def is_confirmed(self) -> bool:
        """Whether confirmed pixels alone make the site."""
        return self.confirmed_on is not None


def has_body(keys: np.ndarray, rules: SiteRules) -> bool:
    """Whether what of a pixel set is three pixels wide reaches the minimum mapping unit and `BODY_SHARE` of the set."""
    if len(keys) * PIXEL_HA < rules.mmu_ha - 1e-9:
        return False
    body = int(massive(keys).sum())
    return body * PIXEL_HA >= rules.mmu_ha / 2.0 - 1e-9 and body >= BODY_SHARE * len(keys)


def _new_id(area_id: str, keys: np.ndarray, day: date) -> str:
    """Id of a new site: area, day and its first pixel."""
    row, column = row_column(keys[:1])
    return derive_id("site", area_id, day.isoformat(), int(row[0]), int(column[0]))


def _owners(keys: np.ndarray, sites: Sequence[Site]) -> np.ndarray:
    """Position in `sites` of the site that owns each pixel, or -1: int64 (n,)."""
    owner = np.full(len(keys), -1, np.int64)
    for i, site in enumerate(sites):
        owner[within(keys, site.keys) >= 0] = i
    return owner


def contact_needed(pixels: int) -> float:
    """Return along how many of its pixels a piece of ground must touch a site to belong to it."""
    return CONTACT_SHARE * float(np.sqrt(pixels))


def _touching(part: np.ndarray, keys: np.ndarray, owner: np.ndarray) -> dict[int, int]:
    """Sites that a pixel set touches along enough of its edge, with the number of its pixels that do.

    See `CONTACT_SHARE`: two clearings that meet at a corner stay two.
    """
    contact: dict[int, np.ndarray] = {}
    for r, c in offsets(1):
        at = within(part + r * ROW_SHIFT + c, keys)
        near = np.where(at >= 0, owner[np.maximum(at, 0)], -1)
        for site in np.unique(near[near >= 0]):
            contact[int(site)] = contact.get(int(site), np.zeros(len(part), bool)) | (near == site)
    return {i: int(touching.sum()) for i, touching in contact.items() if touching.sum() >= contact_needed(len(part))}


def _best_owner(part: np.ndarray, touching: Mapping[int, int], sites: Sequence[Site], rules: SiteRules) -> int:
    """The site that new ground joins: grown last, then most contacts, then id; -1 where all would grow too long."""
    ranked = sorted(touching, key=lambda i: (sites[i].grown_on, touching[i], sites[i].id), reverse=True)
    for i in ranked:
        if extent_m(np.concatenate([sites[i].keys, part])) <= rules.max_extent_m:
            return i
    return -1


def _with_keys(site: Site, keys: np.ndarray, day: date) -> Site:
    """The site with other pixels; growth is noted where their number changed."""
    if len(keys) == len(site.keys):
        return replace(site, keys=keys)
    growth = (*site.growth, (day, len(keys))) if not site.growth or site.growth[-1][0] != day else site.growth
    return replace(site, keys=keys, growth=growth, grown_on=day if len(keys) > len(site.keys) else site.grown_on)


def _attach(
    free: np.ndarray, pixels: PixelTable, sites: list[Site], day: date, rules: SiteRules
) -> tuple[list[Site], list[np.ndarray]]:
    """Give new ground to the sites that it touches; returns the sites and what is left over, as pixel sets."""
    owner = _owners(pixels.key, sites)
    label = components(free)
    gained: dict[int, list[np.ndarray]] = {}
    left = []
    for k in range(int(label.max()) + 1 if len(label) else 0):
        part = free[label == k]
        best = _best_owner(part, _touching(part, pixels.key, owner), sites, rules)
        if best >= 0:
            gained.setdefault(best, []).append(part)
        else:
            left.append(part)
    grown = [
        _with_keys(site, np.sort(np.concatenate([site.keys, *gained[i]])), day) if i in gained else site
        for i, site in enumerate(sites)
    ]
    return grown, left


def _began(keys: np.ndarray, first: np.ndarray, rules: SiteRules) -> int:
    """Day number on which a quarter of changed pixels, half a minimum mapping unit and three pixels wide, had changed.

    A few pixels that changed long before, noise or the rim of a neighbour, do not date the rest.
    """
    enough = replace(rules, mmu_ha=max(rules.mmu_ha / 2, BEGUN_SHARE * len(keys) * PIXEL_HA))
    days = np.unique(first)
    return int(next((day for day in days if has_body(keys[first <= day], enough)), days[-1]))


def _open(keys: np.ndarray, pixels: PixelTable, area_id: str, day: date, rules: SiteRules) -> Site:
    """A new site of pixels, with the dates that bound its beginning."""
    rows = within(keys, pixels.key)
    first, before = pixels.first_changed_on[rows], pixels.last_unchanged_on[rows]
    began = _began(keys, first, rules)
    known = before[(before > 0) & (before < began)]
    return Site(
        id=_new_id(area_id, keys, day),
        keys=keys,
        opened_on=day,
        grown_on=day,
        first_detected_on=day_of(began) or day,
        last_unchanged_on=day_of(int(known.max())) if len(known) else None,
        growth=((day, len(keys)),),
    )


def _found(left: Sequence[np.ndarray], pixels: PixelTable, area_id: str, day: date, rules: SiteRules) -> list[Site]:
    """New sites of ground that belongs to none: near parts together, with a body."""
    if not left:
        return []
    keys = np.sort(np.concatenate(left))
    label = components(keys, rules.join_gap_px)
    parts = (keys[label == k] for k in range(int(label.max()) + 1))
    pieces = (piece for part in parts for piece in _cut_to_extent(part, rules))
    return [_open(piece, pixels, area_id, day, rules) for piece in pieces if _opens(piece, pixels, rules)]


def _opens(keys: np.ndarray, pixels: PixelTable, rules: SiteRules) -> bool:
    """Whether new ground makes a site: confirmed ground with a body, or enough that is provisional."""
    if len(keys) * PIXEL_HA >= rules.provisional_ha - 1e-9:
        return has_body(keys, rules)
    sure = keys[pixels.code[within(keys, pixels.key)] >= PixelCode.CONFIRMED]
    return has_body(sure, rules)


def _cut_to_extent(keys: np.ndarray, rules: SiteRules) -> list[np.ndarray]:
    """The set itself, or its cut on a square lattice of `max_extent_m` where it is longer than that."""
    if extent_m(keys) <= rules.max_extent_m:
        return [keys]
    row, column = row_column(keys)
    side = int(rules.max_extent_m // 10)
    _, cell = np.unique(np.stack([row // side, column // side]), axis=1, return_inverse=True)
    return [keys[cell.ravel() == k] for k in range(int(cell.max()) + 1)]


def _absorb(sites: list[Site], day: date, rules: SiteRules) -> list[Site]:
    """Merge each provisional site into the confirmed or older site that it touches."""
    ordered = sorted(sites, key=lambda s: (not s.is_confirmed, s.opened_on, s.id))
    kept: list[Site] = []
    for site in ordered:
        host = None if site.is_confirmed else _host(site, kept, rules)
        if host is None:
            kept.append(site)
        else:
            old = kept[host]
            merged = _with_keys(old, np.sort(np.concatenate([old.keys, site.keys])), day)
            kept[host] = replace(
                merged,
                merged_from=tuple(sorted({*merged.merged_from, site.id, *site.merged_from})),
                first_detected_on=min(old.first_detected_on, site.first_detected_on),
            )
    return kept


def _host(site: Site, kept: Sequence[Site], rules: SiteRules) -> int | None:
    """Position of the site that absorbs a provisional one: 8-connected to it and not too long together."""
    for i, other in enumerate(kept):
        touching = np.zeros(len(site.keys), bool)
        for r, c in offsets(1):
            touching |= within(site.keys + r * ROW_SHIFT + c, other.keys) >= 0
        touches = touching.sum() >= contact_needed(len(site.keys))
        if touches and extent_m(np.concatenate([other.keys, site.keys])) <= rules.max_extent_m:
            return i
    return None


def _split(site: Site, area_id: str, day: date, rules: SiteRules) -> list[Site]:
    """The site, and the parts that fell away from it because the ground between them was not changed after all."""
    label = components(site.keys, rules.join_gap_px)
    if not len(label) or label.max() == 0:
        return [site]
    sizes = np.bincount(label)
    largest = int(sizes.argmax())
    parts = [site.keys[label == k] for k in range(len(sizes)) if k != largest]
    new = [
        replace(site, id=_new_id(area_id, p, day), keys=p, opened_on=day, growth=((day, len(p)),), merged_from=(),
                split_from=site.id)
        for p in parts
        if has_body(p, rules)
    ]  # fmt: skip
    lost = [np.zeros(0, np.int64), *(s.keys for s in new)]
    kept = site.keys[~np.isin(site.keys, np.concatenate(lost))]
    return [_with_keys(site, kept, day), *new]


def _judged(site: Site, pixels: PixelTable, day: date, rules: SiteRules) -> Site:
    """The site with its confirmation, or withdrawn where a provisional one has lost what was changed."""
    code = pixels.code[within(site.keys, pixels.key)]
    sure = site.keys[code >= PixelCode.CONFIRMED]
    confirmed_on = site.confirmed_on or (day if has_body(sure, rules) else None)
    changed = site.keys[code != PixelCode.FINISHED]
    withdrawn = confirmed_on is None and len(changed) * PIXEL_HA < 0.5 * rules.mmu_ha
    return replace(site, confirmed_on=confirmed_on, is_withdrawn=withdrawn)


def advance(
    sites: Sequence[Site], pixels: PixelTable, day: date, area_id: str, rules: SiteRules
) -> tuple[list[Site], list[Site]]:
    """Return the sites after one day, and the sites that ended on it (withdrawn or absorbed).

    Parameters
    ----------
    sites : sequence of Site
        Open sites of the day before; their order does not matter.
    pixels : PixelTable
        Every pixel of the area that is provisional, confirmed or finished on `day`.
    day : date
        A solar day later than those before.
    """
    day_number(day)
    ordered = sorted(sites, key=lambda s: s.id)
    kept = [_with_keys(s, s.keys[within(s.keys, pixels.key) >= 0], day) for s in ordered]
    owned = np.concatenate([np.zeros(0, np.int64), *(s.keys for s in kept)])
    free = pixels.key[~np.isin(pixels.key, owned)]
    grown, left = _attach(free, pixels, kept, day, rules)
    parts = [piece for site in grown for piece in _split(site, area_id, day, rules)]
    merged = _absorb([*parts, *_found(left, pixels, area_id, day, rules)], day, rules)
    judged = [_judged(s, pixels, day, rules) for s in merged]
    alive = [s for s in judged if not s.is_withdrawn]
    remaining = {s.id for s in alive}
    ended = [s for s in judged if s.is_withdrawn]
    absorbed = [s for s in kept if s.id not in remaining and s.id not in {e.id for e in ended}]
    return sorted(alive, key=lambda s: s.id), sorted([*ended, *absorbed], key=lambda s: s.id)
