"""Sites of labelled pictures: what the nightly walk would call sites, had it seen them before and after."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.change import PixelClass, PixelEstimator, classify
from pipeline.features import feature_table, gate, signs_of
from pipeline.io.labels import Chips
from pipeline.monitor import PixelCode
from pipeline.reference import neighbourhood
from pipeline.scenes import BANDS
from pipeline.sites import SITE_FEATURES, PixelTable, SiteRules, components, pixel_key, site_features
from pipeline.sites.tracking import has_body
from pipeline.training.samples import MINING, READABLE, noisy

READING_WEIGHT = {"mining_static": 0.3, "felling": 0.3}
"""Old scars may or may not have grown; the hundreds of felled sites are of one kind and one country."""
SURE = {1: 0.4, 2: 0.8, 3: 1.0}
"""Weight of a reading by its confidence."""
SURE_CHANGE = 0.7
"""Probability of change of one look that counts towards confirmation."""
LOOKS = 2
"""Looks at the ground after the change that a confirmed site has at least."""


@dataclass(frozen=True)
class ChipSites:
    """n sites found on chips."""

    features: np.ndarray
    label: np.ndarray
    """bool (n,): the chip was read as new or grown mining."""
    weight: np.ndarray
    """float (n,): guesses and old scars weigh less; the sites of one chip share its weight."""
    reading: np.ndarray
    block: np.ndarray
    sample_id: np.ndarray

    def take(self, rows: np.ndarray) -> "ChipSites":
        """Return the sites that a mask or indices name."""
        return ChipSites(*(getattr(self, name)[rows] for name in ChipSites.__dataclass_fields__))

    @staticmethod
    def join(parts: "list[ChipSites]") -> "ChipSites":
        """Return all sites in one."""
        names = ChipSites.__dataclass_fields__
        return ChipSites(*(np.concatenate([getattr(p, n) for p in parts]) for n in names))


def chip_pixels(
    before: np.ndarray, after: np.ndarray, estimator: PixelEstimator, rng: np.random.Generator
) -> PixelTable | None:
    """Return the pixels of a chip that `LOOKS` noisy looks would confirm, None where there are none.

    Parameters
    ----------
    before, after : float32 (band, y, x)
    """
    return confirmed_pixels(before, [(noisy(after, rng), before) for _ in range(LOOKS)], estimator)


def confirmed_pixels(
    level: np.ndarray, looks: Sequence[tuple[np.ndarray, np.ndarray]], estimator: PixelEstimator
) -> PixelTable | None:
    """Return the pixels that `LOOKS` of some looks confirm, with both signs, None where there are none.

    Parameters
    ----------
    level : float32 (band, y, x)
        Level of the reference, NaN where not known.
    looks : sequence of pairs of float32 (band, y, x)
        What was seen, NaN where it was not clear, and what was expected.
    """
    flat_level = level.reshape(len(BANDS), -1)
    count = np.zeros(flat_level.shape[1])
    likeness = np.zeros((len(count), len(PixelClass)))
    signs = np.zeros(len(count), np.uint8)
    seen_as = np.zeros_like(flat_level)
    for current, expected in looks:
        now, past = current.reshape(len(BANDS), -1), expected.reshape(len(BANDS), -1)
        passed = gate(dict(zip(BANDS, now, strict=True)), dict(zip(BANDS, past, strict=True)))
        rows = np.flatnonzero(passed & np.isfinite(now).all(axis=0) & np.isfinite(past).all(axis=0))
        table = feature_table(now[:, rows], past[:, rows])
        evidence = classify(estimator, table)
        changed = (evidence.change > SURE_CHANGE) & (evidence.seen > 0.5)
        rows = rows[changed]
        count[rows] += 1
        likeness[rows] += evidence.probabilities[changed]
        signs[rows] |= signs_of(table[changed])
        seen_as[:, rows] = now[:, rows]
    confirmed = np.flatnonzero((count >= LOOKS) & (signs == 3))
    if not len(confirmed):
        return None
    near = neighbourhood(level, np.isfinite(level).all(axis=0)).reshape(3, -1)
    days = np.full(len(confirmed), 1, np.uint16)
    row, column = np.divmod(confirmed, level.shape[2])
    return PixelTable(
        key=pixel_key(row, column),
        code=np.full(len(confirmed), PixelCode.CONFIRMED, np.uint8),
        first_changed_on=days,
        last_unchanged_on=days,
        confirmed_on=days,
        last_changed_on=days,
        clear_looks=days,
        likeness=np.rint(255 * likeness[confirmed] / count[confirmed, None]).astype(np.uint8),
        seen_as=_stored(seen_as[:, confirmed]),
        before=_stored(flat_level[:, confirmed]),
        near=near[:, confirmed].T,
    )


def _stored(reflectance: np.ndarray) -> np.ndarray:
    """(band, n) reflectance as the walk stores it: int16 (n, band), ten-thousandths."""
    return np.rint(np.nan_to_num(reflectance).T * 1e4).astype(np.int16)


def bodies(pixels: PixelTable) -> list[PixelTable]:
    """Return the pixels of each site that the walk would make of changed pixels."""
    rules = SiteRules()
    label = components(pixels.key, rules.join_gap_px)
    parts = [pixels.take(label == k) for k in range(int(label.max()) + 1)]
    return [part for part in parts if has_body(part.key, rules)]


def chip_sites(chips: Chips, estimator: PixelEstimator, rng: np.random.Generator) -> ChipSites:
    """Return the sites of readable chips with their features and labels."""
    features, rows, trust = [], [], []
    for i in np.flatnonzero(np.isin(chips.reading, READABLE)):
        pixels = chip_pixels(chips.before[i], chips.after[i], estimator, rng)
        found = [] if pixels is None else bodies(pixels)
        features += [site_features(body) for body in found]
        rows += [i] * len(found)
        trust += [_trust(str(chips.reading[i]), int(chips.confidence[i])) / np.sqrt(len(found)) for _ in found]
    at = np.array(rows, int)
    reading = chips.reading[at]
    return ChipSites(
        features=np.array(features, np.float64).reshape(len(at), len(SITE_FEATURES)),
        label=np.isin(reading, MINING),
        weight=np.array(trust, np.float64),
        reading=reading,
        block=chips.block[at],
        sample_id=chips.sample_id[at],
    )


def _trust(reading: str, confidence: int) -> float:
    """Weight of a chip by how sure its reading is and what it is."""
    return SURE[confidence] * READING_WEIGHT.get(reading, 1.0)
