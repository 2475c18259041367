"""Training samples: rows of features with pixel classes, from chips, points and the simulated world.

A chip has a reading for the whole picture, none for its pixels: its pixels are labelled by what they became (rules on
the two dates, named below) and by what the reader saw there. Rules only say *that* a pixel became bare or wet; whether
it is spoil or a sand bar comes from the reading.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.change import PixelClass
from pipeline.features import feature_table
from pipeline.indices import compute_all
from pipeline.io.labels import POINT_BANDS, Chips
from pipeline.scenes import BANDS

MINING = ("mining_new", "mining_grown")
READABLE = (*MINING, "mining_static", "farm_or_clearing", "built", "river", "no_change", "burn", "felling")
CLOUD_BLUE = 0.2
"""Blue reflectance above which a pixel of these tropical chips is cloud or haze; bright tailings stay below."""


@dataclass(frozen=True)
class Samples:
    """n labelled rows."""

    features: np.ndarray
    """float32 (n, feature)."""
    label: np.ndarray
    """int (n,), `PixelClass`."""
    block: np.ndarray
    """str (n,): spatial block."""

    def __len__(self) -> int:
        return len(self.label)


def join(parts: list[Samples]) -> Samples:
    """Return all samples in one."""
    return Samples(
        np.concatenate([p.features for p in parts]),
        np.concatenate([p.label for p in parts]),
        np.concatenate([p.block for p in parts]),
    )


def noisy(reflectance: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a picture as another date would show it: (band, ...) with light, haze and sensor noise of one look.

    Illumination 3 %, noise 0.004 a band, and now and then a little haze that brightens the blue most: the size of the
    differences between clear looks at stable ground in the labelled points.
    """
    light = 1.0 + rng.normal(0.0, 0.03)
    tilt = 1.0 + rng.normal(0.0, 0.015, (len(reflectance), *[1] * (reflectance.ndim - 1)))
    haze = max(0.0, rng.normal(-0.01, 0.015)) * np.linspace(1.0, 0.1, len(reflectance))
    shifted = reflectance * light * tilt + haze.reshape(-1, *[1] * (reflectance.ndim - 1))
    return (shifted + rng.normal(0.0, 0.004, reflectance.shape)).astype(np.float32)


def pixel_labels(before: np.ndarray, after: np.ndarray, reading: str) -> np.ndarray:
    """Return the class of each pixel of a chip: int (y, x), -1 where it is not certain enough to learn from.

    Parameters
    ----------
    before, after : float32 (band, y, x)
    reading : str
        What a reader saw in the chip as a whole.
    """
    t0, t1 = dict(zip(BANDS, before, strict=True)), dict(zip(BANDS, after, strict=True))
    ndvi0, mndwi0 = compute_all(("ndvi", "mndwi"), t0).values()
    ndvi1, mndwi1, nbr1 = compute_all(("ndvi", "mndwi", "nbr"), t1).values()
    mining = reading in {*MINING, "mining_static"}
    with np.errstate(invalid="ignore"):
        fell = (ndvi0 > 0.5) & (ndvi0 - ndvi1 > 0.2) & (ndvi1 < 0.5)
        water1 = (mndwi1 > 0.0) & (ndvi1 < 0.3)
        water0 = (mndwi0 > 0.0) & (ndvi0 < 0.3)
        bare1 = ~water1 & (ndvi1 < 0.35)
        burnt = ~water1 & (nbr1 < 0.0) & (t1["nir"] < 0.16) & (t1["red"] < 0.10)
        same = unchanged(before, after)
        cloud = (t1["blue"] > CLOUD_BLUE) & (t1["red"] < 1.35 * t1["blue"])
        bad = (t0["blue"] > 0.15) | ~np.isfinite(before).all(axis=0) | ~np.isfinite(after).all(axis=0)
    label = np.full(ndvi0.shape, -1)
    label[same] = PixelClass.STABLE
    label[fell] = PixelClass.CLEARING if mining else PixelClass.FARM_CLEARING
    label[fell & bare1] = PixelClass.BARE if mining else _bare_of(reading)
    label[fell & burnt] = PixelClass.BURN
    label[fell & water1] = PixelClass.POND if mining else PixelClass.NATURAL_WATER
    if reading == "river":
        label[water1 & ~water0 & ~fell & ~same] = PixelClass.NATURAL_WATER
        label[water0 & bare1 & ~same] = PixelClass.RIVER_BAR
    if reading == "burn":
        label[fell] = PixelClass.BURN
    if reading == "felling":
        label[fell] = PixelClass.FARM_CLEARING
    if reading == "quarry":
        label[fell] = -1  # dug ground is dug ground: only its surroundings tell a quarry from a mine
    if reading == "no_change":
        label[fell] = -1
    label[cloud] = PixelClass.CLOUD_RESIDUE
    label[bad] = -1
    return label


def unchanged(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return where two pictures (band, y, x) show the same ground: bool (y, x), False where NaN."""
    t0, t1 = dict(zip(BANDS, before, strict=True)), dict(zip(BANDS, after, strict=True))
    with np.errstate(invalid="ignore"):
        ndvi, mndwi = (
            np.abs(a - b) for a, b in zip(*(compute_all(("ndvi", "mndwi"), t).values() for t in (t0, t1)), strict=True)
        )
        return (ndvi < 0.10) & (mndwi < 0.12) & (np.abs(t1["red"] - t0["red"]) < 0.04)


def _bare_of(reading: str) -> int:
    """What new bare ground is, by the reading."""
    return PixelClass.RIVER_BAR if reading == "river" else PixelClass.FARM_CLEARING


def chip_samples(chips: Chips, rng: np.random.Generator, per_class: int = 220) -> Samples:
    """Return rows of every readable chip: each class at most `per_class` pixels a chip, and the ground unchanged."""
    features, labels, blocks = [], [], []
    for i in np.flatnonzero(np.isin(chips.reading, READABLE)):
        before, after = chips.before[i], chips.after[i]
        label = pixel_labels(before, after, str(chips.reading[i]))
        for now, truth in ((noisy(after, rng), label), (noisy(before, rng), np.where(label >= 0, PixelClass.STABLE, -1))):
            rows = pick(truth.ravel(), rng, per_class)
            flat = (picture.reshape(len(BANDS), -1)[:, rows] for picture in (now, before))
            features.append(feature_table(*flat))
            labels.append(truth.ravel()[rows])
            blocks.append(np.full(len(rows), chips.block[i]))
    return Samples(np.concatenate(features), np.concatenate(labels), np.concatenate(blocks))


def pick(label: np.ndarray, rng: np.random.Generator, per_class: int) -> np.ndarray:
    """Indices of at most `per_class` pixels of each class."""
    picked = []
    for value in np.unique(label[label >= 0]):
        rows = np.flatnonzero(label == value)
        picked.append(rng.choice(rows, min(len(rows), per_class), replace=False))
    return np.sort(np.concatenate(picked)) if picked else np.zeros(0, int)


def point_samples(table: "object", rng: np.random.Generator) -> Samples:
    """Return rows of labelled points whose ground did not change: each later look against the median of the first ones.

    Looks brighter than `CLOUD_BLUE` in blue are labelled cloud residue; places labelled deforestation are left out, as
    the day of their change is not given.
    """
    import pandas as pd  # noqa: PLC0415

    if not isinstance(table, pd.DataFrame):
        raise TypeError("expected the table of `io.labels.read_point_table`")
    raw = table[(table["kind"] == "raw") & ~table["label"].str.startswith("Defor")]
    features, labels, blocks = [], [], []
    for _, point in raw.sort_values("date").groupby(["set", "sample"], sort=True):
        series = point[[POINT_BANDS[b] for b in BANDS]].to_numpy(np.float32)
        clear = (series[:, 0] < 0.10) & (series[:, 3] > 0.05)
        past = series[:14][clear[:14]]
        if len(past) < 4:
            continue
        expected = np.median(past, axis=0)
        later = series[14:]
        usable = np.flatnonzero(clear[14:] | (later[:, 0] > CLOUD_BLUE))
        rows = rng.choice(usable, min(len(usable), 8), replace=False)
        features.append(feature_table(later[rows].T, np.repeat(expected[:, None], len(rows), axis=1)))
        labels.append(np.where(later[rows, 0] > CLOUD_BLUE, PixelClass.CLOUD_RESIDUE, PixelClass.STABLE))
        lon, lat = point["longitude"].iloc[0], point["latitude"].iloc[0]
        blocks.append(np.full(len(rows), f"{int(np.floor(lon / 2))}:{int(np.floor(lat / 2))}"))
    return Samples(np.concatenate(features), np.concatenate(labels).astype(int), np.concatenate(blocks))


def weights(label: np.ndarray) -> np.ndarray:
    """Return sample weights: stable ground half of the total, the rest shared by the root of each class's number.

    The monitor reads the classifier's odds of change as a likelihood ratio, which needs change and no change to weigh
    the same.
    """
    weight = np.zeros(len(label))
    stable = label == PixelClass.STABLE
    weight[stable] = 0.5 / max(int(stable.sum()), 1)
    classes, counts = np.unique(label[~stable], return_counts=True)
    for value, count in zip(classes, counts, strict=True):
        weight[label == value] = 0.5 * np.sqrt(count) / np.sqrt(counts).sum() / count
    return weight * len(label)
