"""Numbers become reflectance: what an item states of scale and offset, or an error.

Radiometry is a type. Where scale or offset of an asset cannot be known for certain it raises; it is never guessed
from the date, since reprocessed scenes of any date may carry the offset of processing baseline 04.00.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.errors import RadiometryUnknownError

OFFSET_SINCE = "04.00"
"""First processing baseline whose products carry BOA_ADD_OFFSET (ESA, Sentinel-2 products specification 14.9)."""
OFFSET_SINCE_NUMBER = (4, 0)
"""The same as numbers that compare."""
LARGEST_OFFSET = 1.0
"""An offset of this size or more is in numbers (-1000), not in reflectance (-0.1)."""


@dataclass(frozen=True, slots=True)
class Radiometry:
    """How the numbers of one asset become reflectance: `dn * scale + offset`; `nodata` is masked before that."""

    scale: float
    offset: float
    nodata: int = 0

    def to_reflectance(self, dn: np.ndarray) -> np.ndarray:
        """Return float32 surface reflectance of the same shape; NaN where the number is `nodata`.

        Examples
        --------
        >>> Radiometry(1e-4, -0.1).to_reflectance(np.array([0, 2000, 3000], "u2")).astype(float).round(6).tolist()
        [nan, 0.1, 0.2]
        """
        reflectance = dn.astype(np.float32)
        reflectance *= np.float32(self.scale)
        reflectance += np.float32(self.offset)
        reflectance[dn == self.nodata] = np.nan
        return reflectance


def baseline_number(text: str) -> tuple[int, int] | None:
    """Return a processing baseline as two numbers that compare, or None where the text is none.

    Examples
    --------
    >>> baseline_number("05.09"), baseline_number("5.9"), baseline_number("N0509"), baseline_number("")
    ((5, 9), (5, 9), (5, 9), None)
    """
    found = re.fullmatch(r"N?(\d{1,2})\.?(\d{1,2})", text.strip())
    return (int(found[1]), int(found[2])) if found else None


def radiometry_of(
    band: Mapping[str, object], *, processing_baseline: str, offset_applied: bool | None, where: str
) -> Radiometry:
    """Return the radiometry that an item states for one asset.

    Parameters
    ----------
    band : mapping
        The asset's `raster:bands` record (or STAC 1.1 `bands` record): scale, offset, nodata.
    processing_baseline : str
        ESA's processing baseline, or empty when unknown.
    offset_applied : bool or None
        The provider's word that its pixels are already shifted (`earthsearch:boa_offset_applied`); None when silent.
    where : str
        Scene and asset, for messages.

    Raises
    ------
    RadiometryUnknownError
        Scale is absent, or the offset is absent, in other units, or contradicts the processing baseline.

    Notes
    -----
    A provider that says it applied the offset has pixels that need none, whatever `raster:bands` repeats
    (Element84/earth-search issue 66; allenai/rslearn pull request 689).
    """
    scale, offset, nodata = _number(band.get("scale")), _number(band.get("offset")), _number(band.get("nodata"))
    if scale is None or scale <= 0:
        raise RadiometryUnknownError(
            f"{where}: found scale {band.get('scale')!r}, expected a positive number in raster:bands; "
            "add scale and offset to the item, or take the scene from a provider that states them"
        )
    if offset_applied:
        return Radiometry(scale, 0.0, int(nodata or 0))
    baseline = baseline_number(processing_baseline)
    has_offset = None if baseline is None else baseline >= OFFSET_SINCE_NUMBER
    if offset is None and has_offset is False:
        return Radiometry(scale, 0.0, int(nodata or 0))
    if offset is None or abs(offset) >= LARGEST_OFFSET:
        raise RadiometryUnknownError(
            f"{where}: found offset {band.get('offset')!r} and processing baseline {processing_baseline or 'unknown'}, "
            f"expected an offset in reflectance (-0.1, say) in raster:bands or a baseline before {OFFSET_SINCE}; "
            "add the offset to the item"
        )
    if (offset == 0 and has_offset and offset_applied is False) or (offset != 0 and has_offset is False):
        raise RadiometryUnknownError(
            f"{where}: found offset {offset:g} with processing baseline {processing_baseline} and boa_offset_applied "
            f"{offset_applied}, which contradict each other: products before {OFFSET_SINCE} have no offset, later ones "
            "have -0.1 unless the provider took it off; correct the item's offset or the flag"
        )
    return Radiometry(scale, offset, int(nodata or 0))


def _number(value: object) -> float | None:
    """Finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)
