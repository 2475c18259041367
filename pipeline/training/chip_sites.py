"""Sites of labelled chips: what the nightly walk would call sites, had it seen a chip before and after."""

from dataclasses import dataclass

import numpy as np

from pipeline.change import PixelClass, PixelEstimator, classify
from pipeline.features import feature_table, gate, signs_of
from pipeline.io.labels import Chips
from pipeline.monitor import PixelCode
from pipeline.reference import neighbourhood
from pipeline.scenes import BANDS
from pipeline.sites import PixelTable, SiteRules, components, pixel_key, site_features
from pipeline.sites.tracking import has_body
from pipeline.training.samples import MINING, READABLE, noisy

FALSE_ALARM_WEIGHT = 2.0
"""Weight of real sites that are no mining: they are few among the chips, and an agency sent out for nothing stops reading."""
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
    shape = before.shape[1:]
    expected = before.reshape(len(BANDS), -1)
    odds = np.zeros(expected.shape[1])
    likeness = np.zeros((expected.shape[1], len(PixelClass)))
    signs = np.zeros(expected.shape[1], np.uint8)
    for _ in range(LOOKS):
        now = noisy(after, rng).reshape(len(BANDS), -1)
        passed = gate(dict(zip(BANDS, now, strict=True)), dict(zip(BANDS, expected, strict=True)))
        rows = np.flatnonzero(passed & np.isfinite(now).all(axis=0) & np.isfinite(expected).all(axis=0))
        table = feature_table(now[:, rows], expected[:, rows])
        evidence = classify(estimator, table)
        odds[rows] += (evidence.change > 0.7) * (evidence.seen > 0.5)
        likeness[rows] += evidence.probabilities / LOOKS
        signs[rows] |= signs_of(table)
    changed = np.flatnonzero((odds == LOOKS) & (signs == 3))
    if not len(changed):
        return None
    near = neighbourhood(before, np.isfinite(before).all(axis=0)).reshape(3, -1)
    days = np.full(len(changed), 1, np.uint16)
    row, column = np.divmod(changed, shape[1])
    seen_as, before_as = (np.rint(np.nan_to_num(a[:, changed]).T * 1e4).astype(np.int16) for a in (now, expected))
    return PixelTable(
        key=pixel_key(row, column),
        code=np.full(len(changed), PixelCode.CONFIRMED, np.uint8),
        first_changed_on=days,
        last_unchanged_on=days,
        confirmed_on=days,
        last_changed_on=days,
        clear_looks=days,
        likeness=np.rint(255 * likeness[changed]).astype(np.uint8),
        seen_as=seen_as,
        before=before_as,
        near=near[:, changed].T,
    )


def chip_sites(chips: Chips, estimator: PixelEstimator, rng: np.random.Generator) -> ChipSites:
    """Return the sites of readable chips with their features and labels."""
    rules = SiteRules()
    rows: list[tuple[np.ndarray, bool, float, str, str, str]] = []
    for i in np.flatnonzero(np.isin(chips.reading, READABLE)):
        pixels = chip_pixels(chips.before[i], chips.after[i], estimator, rng)
        if pixels is None:
            continue
        label = components(pixels.key, rules.join_gap_px)
        bodies = [pixels.take(label == k) for k in range(int(label.max()) + 1)]
        bodies = [b for b in bodies if has_body(b.key, rules)]
        reading = str(chips.reading[i])
        is_false_alarm = reading not in MINING and not str(chips.sample_id[i]).startswith("world-")
        scale = (0.3 if reading == "mining_static" else 1.0) * (FALSE_ALARM_WEIGHT if is_false_alarm else 1.0)
        trust = {1: 0.4, 2: 0.8, 3: 1.0}[int(chips.confidence[i])] * scale
        rows += [
            (site_features(b), reading in MINING, trust / np.sqrt(len(bodies)), reading, chips.block[i],
             str(chips.sample_id[i]))
            for b in bodies
        ]  # fmt: skip
    columns = list(zip(*rows, strict=True))
    return ChipSites(*(np.stack(columns[0]), *(np.array(c) for c in columns[1:])))
