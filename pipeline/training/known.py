"""Which labelled pictures a model has seen: their digests, so that none is ever judged by a model that learned from it."""

import hashlib

import numpy as np

from pipeline.io.labels import Chips


def chip_digests(chips: Chips) -> list[str]:
    """Return one digest for each pair of pictures: the first 16 hex digits of the SHA-256 of both, in ten-thousandths."""
    digests = []
    for before, after in zip(chips.before, chips.after, strict=True):
        numbers = np.rint(np.nan_to_num(np.stack([before, after])) * 1e4).astype("<i4")
        digests.append(hashlib.sha256(numbers.tobytes()).hexdigest()[:16])
    return digests
