"""What a pixel became: probabilities of stable ground, the changes that mining makes, and their look-alikes.

Receives feature rows; hands on class probabilities. The estimator is any scikit-learn classifier with `predict_proba`
over `PIXEL_CLASSES`; reading and checking a stored one is the work of `io.models`.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np


class PixelClass(IntEnum):
    """What one pixel shows on one date, against its reference."""

    STABLE = 0
    """As before, season aside."""
    CLEARING = 1
    """Vegetation went; sparse or low vegetation or litter is left."""
    BARE = 2
    """Bare spoil, tailings or soil."""
    POND = 3
    """New open water, turbid or clear, where vegetation was."""
    FARM_CLEARING = 4
    """Cleared for crops or pasture."""
    BURN = 5
    """Burnt vegetation: dark, dry."""
    RIVER_BAR = 6
    """Sediment of a moving river."""
    NATURAL_WATER = 7
    """A river, lake or flood that came or went."""
    CLOUD_RESIDUE = 8
    """Cloud, haze or shadow that the mask left: says nothing about the ground."""


MINING_CLASSES = (PixelClass.CLEARING, PixelClass.BARE, PixelClass.POND)
CHANGE_CLASSES = tuple(c for c in PixelClass if c not in {PixelClass.STABLE, PixelClass.CLOUD_RESIDUE})


class PixelEstimator(Protocol):
    """A fitted scikit-learn classifier, or what scores as it does."""

    @property
    def classes_(self) -> np.ndarray:
        """The classes, in the order of the columns."""
        ...

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities (n, class) in the order of `classes_`."""
        ...


@dataclass(frozen=True, slots=True)
class ChangeEvidence:
    """What the classifier says of n pixels."""

    probabilities: np.ndarray
    """float32 (n, len(PixelClass)); rows add up to 1."""

    @property
    def change(self) -> np.ndarray:
        """Probability that the ground changed, given that it was seen: float32 (n,)."""
        seen = 1.0 - self.probabilities[:, PixelClass.CLOUD_RESIDUE]
        changed = sum((self.probabilities[:, k] for k in CHANGE_CLASSES), np.zeros(len(seen), np.float32))
        return (changed / np.maximum(seen, 1e-6)).astype(np.float32)

    @property
    def seen(self) -> np.ndarray:
        """Probability that the look shows ground at all: float32 (n,)."""
        return 1.0 - self.probabilities[:, PixelClass.CLOUD_RESIDUE]


def classify(estimator: PixelEstimator, features: np.ndarray) -> ChangeEvidence:
    """Return the class probabilities of feature rows, float32 (n, len(PixelClass)); classes never seen in training 0."""
    classes = estimator.classes_.astype(int)
    if len(features) and classes.tolist() == list(PixelClass):
        return ChangeEvidence(estimator.predict_proba(features).astype(np.float32))
    probabilities = np.zeros((len(features), len(PixelClass)), np.float32)
    if len(features):
        probabilities[:, classes] = estimator.predict_proba(features)
    return ChangeEvidence(probabilities)
