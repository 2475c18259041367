"""Additive scores: standardised features, one weight each, and a calibration line on the log-odds."""

from dataclasses import dataclass

import numpy as np

FARTHEST = 4.0
"""Standard deviations from the mean beyond which a feature says no more: no single odd number decides."""


@dataclass(frozen=True, slots=True)
class LinearModel:
    """A logistic model on standardised features, with a calibration line on its log-odds (Platt 1999)."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...]
    intercept: float
    slope: float = 1.0
    """Calibration: log-odds = slope * (score) + shift."""
    shift: float = 0.0

    def terms(self, features: np.ndarray) -> np.ndarray:
        """Return what each feature adds to the calibrated log-odds: float64 (..., feature) of the same shape.

        The terms, `slope * intercept` and `shift` add up to the log-odds.
        """
        standard = (features - np.array(self.mean)) / np.array(self.scale)
        return np.asarray(self.slope * np.clip(standard, -FARTHEST, FARTHEST) * np.array(self.weight))

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """Return the calibrated log-odds: float64 (...) for features (..., feature), within [-30, 30]."""
        odds = self.terms(features).sum(axis=-1) + self.slope * self.intercept + self.shift
        return np.asarray(np.clip(odds, -30.0, 30.0))

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return the calibrated probability: float64 (...), within (0, 1)."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.log_odds(features))))


def standardised(features: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Return features as the model sees them: float64 of the same shape, within `FARTHEST` standard deviations."""
    return np.asarray(np.clip((features - mean) / scale, -FARTHEST, FARTHEST))
