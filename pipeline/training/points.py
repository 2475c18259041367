"""Labelled points as a nightly run would have known them: states of looks in their order, scores out of block, figures.

Receives the table of `io.labels.read_point_table`; hands on figures for `evaluate`. Nothing here looks ahead. Only raw
reflectance is read (the gap-filled kind borrows from later dates), a look is judged clear when it arrives by the looks
before it, and the state after k nights is made of the first k looks alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import GroupKFold

from pipeline.change import PixelEstimator, classify
from pipeline.errors import InputError
from pipeline.features import FEATURE_INDICES, feature_table
from pipeline.indices import compute
from pipeline.io.labels import POINT_BANDS
from pipeline.monitor import MonitorRules, look_weight
from pipeline.scenes import BANDS

BLOCK_DEG = 0.1
"""Side of the blocks that are held out together, about 11 km."""
FOLDS = 10
TREES, LEAF = 150, 2
FALSE_ALARMS = 0.05
"""Share of the other points that may score above the threshold at which the found share is counted."""
NIGHTS = (date(2019, 1, 19), date(2019, 3, 10), date(2019, 5, 9), date(2019, 7, 8))
"""Nights before the last whose figures show how a year of looks adds up."""
CONTROL_LOOKS = (3, 14)
"""Looks of the controls: before most of the clearing (1 September), and to the first half of the wet season (20 December)."""
DRAWS = 400
"""Draws of the bootstrap over blocks."""
FEWEST = 10
"""Points that a label needs for an AUC of its own."""
MAX_BLUE, MAX_GREEN, MIN_NIR = 0.12, 0.20, 0.10
"""Reflectance beyond which a look at these points is cloud or haze, cloud, or shadow: round numbers that keep 99.5 % of
the looks of the three dry nights of July 2019. With a blue of 0.10 or 0.15 instead the AUC moves by 0.001."""
MAX_BLUE_RISE = 0.05
"""Rise of the blue above the median of earlier clear looks that is a veil and not ground; a round number, not searched for.
With 0.03 the AUC is 0.005 higher, with 0.08 0.005 lower, without the rule 0.009 lower."""
SHORTEST = 7
"""Looks that the widest moving window needs; shorter series are filled up with missing looks."""

QUANTITIES: Mapping[str, int] = {
    **dict.fromkeys(("ndvi", "ndmi", "nbr", "nir"), 1),
    **dict.fromkeys(("mndwi", "bsi", "turbidity", "blue", "green", "red", "swir16", "swir22"), -1),
}
"""Indices of `features.FEATURE_INDICES` and the bands, with the sign that makes felling a fall."""
SUMMARIES = (
    "early", "early_top", "q90", "q50", "q10", "fall2", "fall3", "low3", "last", "last3", "step3", "spread",
)  # fmt: skip
"""What the state keeps of each quantity; `_summaries` says what each is."""
STATE_ORDER: tuple[str, ...] = (*(f"{q}_{s}" for q in QUANTITIES for s in SUMMARIES), "clear_looks")
"""Columns of `nightly_features`."""


class PointTableError(InputError):
    """A table of labelled points cannot be measured with."""


@dataclass(frozen=True)
class PointSeries:
    """n labelled points and their looks, night by night."""

    place: np.ndarray
    """str (n,): the table's own set and sample, `set:sample`."""
    label: np.ndarray
    """str (n,)."""
    lon: np.ndarray
    lat: np.ndarray
    day: np.ndarray
    """datetime64[D] (time,), ascending."""
    reflectance: np.ndarray
    """float32 (n, time, band): raw, with its clouds, in the order of `scenes.BANDS`; NaN where there is no look."""

    @property
    def felled(self) -> np.ndarray:
        """Points labelled deforestation: bool (n,)."""
        return np.char.startswith(self.label, "Defor")

    @property
    def block(self) -> np.ndarray:
        """Spatial block of each point: str (n,)."""
        west, south = (np.floor(np.round(c / BLOCK_DEG, 6)).astype(int) for c in (self.lon, self.lat))
        return np.array([f"{x}:{y}" for x, y in zip(west, south, strict=True)])

    def until(self, looks: int) -> "PointSeries":
        """Return the series as it was after its first nights: nothing later is in it."""
        return replace(self, day=self.day[:looks], reflectance=self.reflectance[:, :looks])


def point_series(table: pd.DataFrame) -> PointSeries:
    """Return the raw looks of every labelled point, by place and day.

    Parameters
    ----------
    table : DataFrame
        Columns set, sample, kind, date, label, longitude, latitude and the bands of `io.labels.POINT_BANDS`. Rows that
        are not of kind `raw` are left out: gap-filled looks know later ones.

    Raises
    ------
    PointTableError
        A column or every raw row is missing, or a point has two looks of one day.
    """
    needed = {"set", "sample", "kind", "date", "label", "longitude", "latitude", *POINT_BANDS.values()}
    if missing := sorted(needed - set(table.columns)):
        raise PointTableError(
            f"found no column {', '.join(missing)} in the table of points; expected {', '.join(sorted(needed))}"
        )
    raw = table[table["kind"] == "raw"].sort_values(["set", "sample", "date"])
    if raw.empty:
        raise PointTableError(
            "table of points: found no row of kind raw, expected some; gap-filled looks know later ones: give raw ones"
        )
    if twice := int(raw.duplicated(["set", "sample", "date"]).sum()):
        raise PointTableError(
            f"table of points: found {twice} second looks of one point and day, expected none: drop the repeated rows"
        )
    of_point = raw.groupby(["set", "sample"], sort=True)
    row = of_point.ngroup().to_numpy()
    day, column = np.unique(raw["date"].to_numpy("datetime64[D]"), return_inverse=True)
    first = of_point.head(1)
    looks = np.full((len(first), len(day), len(BANDS)), np.nan, np.float32)
    looks[row, column] = raw[[POINT_BANDS[b] for b in BANDS]].to_numpy(np.float32)
    place = np.array([f"{a}:{b}" for a, b in zip(first["set"], first["sample"], strict=True)])
    lon, lat = (first[c].to_numpy(float) for c in ("longitude", "latitude"))
    return PointSeries(place, first["label"].to_numpy().astype(str), lon, lat, day, looks)


def clear_looks(reflectance: np.ndarray) -> np.ndarray:
    """Return which looks show ground, each judged by itself and the looks before it: bool (n, time), False where NaN.

    A look is clear where blue and green are no brighter and the near infrared no darker than the module's limits, and
    the blue did not suddenly rise above the median of the earlier clear looks.

    Parameters
    ----------
    reflectance : float32 (n, time, band)
        In the order of `scenes.BANDS`.
    """
    blue, green, nir = (reflectance[:, :, BANDS.index(b)] for b in ("blue", "green", "nir"))
    clear = (blue < MAX_BLUE) & (green < MAX_GREEN) & (nir > MIN_NIR)
    for look in range(1, clear.shape[1]):
        usual = _quantile(np.where(clear[:, :look], blue[:, :look], np.nan), 0.5)
        clear[:, look] &= ~(blue[:, look] - usual > MAX_BLUE_RISE)
    return clear


def nightly_features(series: PointSeries) -> np.ndarray:
    """Return the state of each point after the last night: float32 (n, len(STATE_ORDER)), NaN where looks are too few.

    Every column is a statistic of the clear looks so far and could be kept from night to night. Sustained values are
    taken over two or three clear looks in a row, so that one hazy look is no change.
    """
    clear = clear_looks(series.reflectance)
    bands = {b: series.reflectance[:, :, i] for i, b in enumerate(BANDS)}
    columns = []
    for quantity, sign in QUANTITIES.items():
        values = compute(quantity, bands) if quantity in FEATURE_INDICES else bands[quantity]
        columns.extend(_summaries(_in_a_row(sign * values, clear)))
    return np.stack([*columns, clear.sum(axis=1)], axis=1).astype(np.float32)


def _in_a_row(values: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Clear looks of each point without the gaps: (n, time) in their order, NaN behind the last."""
    order = np.argsort(~clear, axis=1, kind="stable")
    looks = np.take_along_axis(np.where(clear, values, np.nan), order, axis=1)
    return np.pad(looks, ((0, 0), (0, max(0, SHORTEST - looks.shape[1]))), constant_values=np.nan)


def _summaries(looks: np.ndarray) -> list[np.ndarray]:
    """Each of `SUMMARIES` of clear looks (n, time)."""
    three = np.median(np.stack([looks[:, :-2], looks[:, 1:-1], looks[:, 2:]]), axis=0)
    low, high = np.maximum(looks[:, 1:], looks[:, :-1]), np.minimum(looks[:, 1:], looks[:, :-1])
    seen = np.isfinite(looks).sum(axis=1)
    rows = np.arange(len(looks))
    return [
        _quantile(looks[:, :3], 0.5),  # early: median of the first three
        np.fmax.reduce(looks[:, :3], axis=1),  # early_top: highest of the first three
        *(_quantile(looks, q) for q in (0.9, 0.5, 0.1)),
        np.fmax.reduce(np.fmax.accumulate(high, axis=1)[:, :-2] - low[:, 2:], axis=1),  # fall2: from two looks to two later
        np.fmax.reduce(np.fmax.accumulate(three, axis=1)[:, :-3] - three[:, 3:], axis=1),  # fall3: from three to three
        np.fmin.reduce(three, axis=1),  # low3: lowest median of three
        looks[rows, np.maximum(seen - 1, 0)],  # last
        three[rows, np.maximum(seen - 3, 0)],  # last3: median of the last three
        np.fmax.reduce(three[:, :-3] - three[:, 3:], axis=1),  # step3: from three to the very next three
        _spread(looks),
    ]


def _quantile(values: np.ndarray, q: float) -> np.ndarray:
    """Nearest-rank quantile of the finite values of each row (n, time), NaN where there is none."""
    count = np.isfinite(values).sum(axis=1)
    rank = np.maximum(np.rint(q * (count - 1)).astype(int), 0)
    return np.sort(values, axis=1)[np.arange(len(values)), rank]


def _spread(values: np.ndarray) -> np.ndarray:
    """Standard deviation of the finite values of each row (n, time), NaN where there are fewer than two."""
    count = np.isfinite(values).sum(axis=1)
    known = np.maximum(count, 1)
    mean = np.nansum(values, axis=1) / known
    variance = np.nansum((values - mean[:, None]) ** 2, axis=1) / known
    return np.where(count > 1, np.sqrt(variance), np.nan)


def point_scores(series: PointSeries, seed: int) -> np.ndarray:
    """Return the probability-like score that each point was felled, by a model that saw no point of its block: (n,).

    Extremely randomised trees (Geurts et al. 2006, doi:10.1007/s10994-006-6226-1) on `nightly_features`, classes
    weighed alike, blocks in `FOLDS` folds. Every point is scored once; the score knows no look later than the series.

    Raises
    ------
    PointTableError
        There are fewer blocks than folds, or a fold would be learned without one of the two classes.
    """
    features, felled, block = nightly_features(series), series.felled, series.block
    found = len(np.unique(block))
    if found < FOLDS:
        raise PointTableError(f"found {found} blocks of {BLOCK_DEG} degrees; expected {FOLDS} or more to hold out: add places")
    scores = np.full(len(felled), np.nan)
    for learned, held in GroupKFold(FOLDS).split(features, groups=block):
        if len(np.unique(felled[learned])) < 2:
            raise PointTableError("found one class only outside of a fold; expected felled and other points in several blocks")
        trees = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed, n_jobs=1)
        scores[held] = trees.fit(features[learned], felled[learned]).predict_proba(features[held])[:, 1]
    return scores


def walk_scores(series: PointSeries, estimator: PixelEstimator, reference_looks: int = 3) -> np.ndarray:
    """Return the highest log-odds that the walk's own recursion reached by the last night: float (n,).

    The reference is the median of the first clear looks; each later clear look moves the log-odds by
    `monitor.look_weight` of what the classifier says. A comparison, not a fair one: a model that was trained with
    `samples.point_samples` has seen the points that were not felled.
    """
    rules, looks = MonitorRules(), series.reflectance
    clear = clear_looks(looks)
    count = clear.cumsum(axis=1)
    first = np.where((clear & (count <= reference_looks))[:, :, None], looks, np.nan)
    expected = np.stack([_quantile(first[:, :, i], 0.5) for i in range(len(BANDS))])
    odds = np.full(len(looks), rules.prior)
    highest = odds.copy()
    for night in range(looks.shape[1]):
        at = np.flatnonzero(clear[:, night] & (count[:, night] > reference_looks))
        evidence = classify(estimator, feature_table(looks[at, night].T, expected[:, at]))
        odds[at] = np.clip(odds[at] + look_weight(evidence.change, evidence.seen, rules), rules.prior, rules.ceiling)
        highest = np.maximum(highest, odds)
    return highest


def evaluate_points(table: pd.DataFrame, seed: int, estimator: PixelEstimator | None = None) -> Mapping[str, object]:
    """Return how well felled points are told from all others by what nightly runs knew; JSON-ready, same for same inputs.

    Keys: `points`, `felled`, `blocks`; `last_night` (AUC, average precision, share found with `FALSE_ALARMS` of the
    others above, AUC against each other label, and their 95 % intervals by a bootstrap over blocks); `nights` (the same
    by day, each night with a model of its own from the other blocks' states of that night); `controls` (by the first few
    looks: how much the places differ by themselves); `costliest` (felled points that most others outscore, with the
    NDVI of their clear looks); and `walk` (`walk_scores`) where an estimator is given.

    Raises
    ------
    PointTableError
        The table cannot be measured with.
    """
    series = point_series(table)
    scores = point_scores(series, seed)
    known = [int((series.day <= np.datetime64(night)).sum()) for night in NIGHTS]
    early = {k: series.until(k) for k in sorted({*known, *CONTROL_LOOKS}) if 0 < k < len(series.day)}
    figures = {k: {"day": str(s.day[-1]), **_figures(s, point_scores(s, seed))} for k, s in early.items()}
    last = {"day": str(series.day[-1]), **_figures(series, scores), "interval_95": _intervals(series, scores, seed)}
    out: dict[str, object] = {
        "points": len(scores),
        "felled": int(series.felled.sum()),
        "blocks": len(np.unique(series.block)),
        "last_night": last,
        "nights": [figures[k] for k in dict.fromkeys(known) if k in figures],
        "controls": [{"looks": k, **figures[k]} for k in CONTROL_LOOKS if k in figures],
        "costliest": costliest(series, scores, 8),
    }
    if estimator is not None:
        out["walk"] = _figures(series, walk_scores(series, estimator))
    return out


def _figures(series: PointSeries, scores: np.ndarray, weight: np.ndarray | None = None) -> dict[str, float]:
    """AUC against all others and against each other label, average precision, share found; rounded to four places."""
    felled = series.felled
    weight = np.ones(len(scores)) if weight is None else weight
    above = scores > np.quantile(scores[~felled], 1.0 - FALSE_ALARMS)
    figures = {
        "auc": _auc(felled, scores, weight),
        "average_precision": float(average_precision_score(felled, scores, sample_weight=weight)),
        "found": float(np.average(above[felled], weights=weight[felled])),
    }
    names, counts = np.unique(series.label[~felled], return_counts=True)
    for name in names[counts >= FEWEST]:
        pair = felled | (series.label == name)
        figures[f"auc_against_{name}"] = _auc(felled[pair], scores[pair], weight[pair])
    return {name: round(value, 4) for name, value in figures.items()}


def _auc(felled: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> float:
    """Area under the ROC curve of weighed points; NaN where one kind has no weight."""
    if not (weight[felled].any() and weight[~felled].any()):
        return float("nan")
    return float(roc_auc_score(felled, scores, sample_weight=weight))


def _intervals(series: PointSeries, scores: np.ndarray, seed: int) -> dict[str, list[float]]:
    """95 % intervals of `_figures` by drawing whole blocks with replacement; the threshold of `found` stays."""
    blocks, member = np.unique(series.block, return_inverse=True)
    shares = np.full(len(blocks), 1.0 / len(blocks))
    drawn = np.random.default_rng(seed).multinomial(len(blocks), shares, size=DRAWS)[:, member].astype(float)
    draws = [_figures(series, scores, weight) for weight in drawn if weight[series.felled].any()]
    return {
        name: [round(float(v), 4) for v in np.nanquantile([draw[name] for draw in draws], (0.025, 0.975))] for name in draws[0]
    }


def costliest(series: PointSeries, scores: np.ndarray, most: int) -> list[dict[str, object]]:
    """Return the felled points that the most other points outscore, worst first, with NDVI by day (None: not clear)."""
    felled = np.flatnonzero(series.felled)
    worst = felled[np.argsort(scores[felled], kind="stable")][:most]
    ndvi = compute("ndvi", {b: series.reflectance[:, :, i] for i, b in enumerate(BANDS)})
    clear = clear_looks(series.reflectance)
    return [
        {
            "place": str(series.place[i]),
            "label": str(series.label[i]),
            "lon": round(float(series.lon[i]), 5),
            "lat": round(float(series.lat[i]), 5),
            "score": round(float(scores[i]), 4),
            "outscored_by": int((scores[~series.felled] > scores[i]).sum()),
            "ndvi": [round(float(v), 2) if ok else None for v, ok in zip(ndvi[i], clear[i], strict=True)],
        }
        for i in worst
    ]
