"""The settings under which each monitor of nrt 0.3.0 is run."""

from itertools import product
from typing import Any

Setting = dict[str, Any]
"""`label`, `monitor`, `make` (arguments of its class) and `fit` (arguments of its `fit`)."""
OPEN_SCREEN = 1e6
"""EWMA drops every look more than `threshold_outlier` (10) standard deviations off as cloud. A clearing is as far off:
this threshold lets it in."""
DEFAULT = "default"


SHAPES = ((True, 2), (True, 3), (False, 1), (False, 2))
"""Trend and harmonic order: the defaults of the classes, then those without a trend that the manual takes for forests."""


def all_settings() -> list[Setting]:
    """Return the default of each monitor, as its class has it, and a grid about what its manual recommends.

    The significance of CuSum and MoSum goes down to 0.001, the least for which MoSum has a boundary. The stable fit of CCDC
    needs a trend; without one it is fitted by least squares after its own screening of clouds. Everything else keeps the
    fit of its class.
    """
    found = [_setting(m, {}, {}) for m in ("EWMA", "CuSum", "MoSum", "IQR", "CCDC")]
    for trend, order in SHAPES:
        shape = {"trend": trend, "harmonic_order": order}
        found += [_setting("EWMA", {**shape, "threshold_outlier": OPEN_SCREEN, "sensitivity": s}, {}) for s in (2, 4, 5, 6, 8)]
        found += [_setting("CuSum", {**shape, "sensitivity": a}, {"alpha": 0.05}) for a in (0.05, 0.01, 0.001)]
        for a, h in product((0.05, 0.01, 0.001), (0.25, 0.5)):
            found.append(_setting("MoSum", {**shape, "sensitivity": a, "h": h}, {"alpha": 0.05}))
        runs = [{**shape, "sensitivity": s, "boundary": b} for s, b in product((1.5, 2, 3), (3, 4, 5))]
        found += [_setting("IQR", made, {}) for made in runs]
        runs = [{**shape, "sensitivity": s, "boundary": b} for s, b in product((2, 3, 4), (3, 4, 5))]
        found += [_setting("CCDC", made, {} if trend else {"method": "OLS"}) for made in (runs[3:8] if trend else runs)]
    return found


def _setting(monitor: str, make: dict[str, Any], fit: dict[str, Any]) -> Setting:
    """One setting with a label that names all that is not default."""
    if not make:
        return {"label": DEFAULT, "monitor": monitor, "make": {}, "fit": {}}
    shape = f"{'trend' if make['trend'] else 'no trend'}, order {make['harmonic_order']}"
    names = {"sensitivity": "s", "boundary": "run", "h": "h", "method": "", "threshold_outlier": ""}
    rest = [f"{names[k]} {v}".strip() for k, v in {**make, **fit}.items() if k in names and k != "threshold_outlier"]
    return {"label": ", ".join([shape, *rest]), "monitor": monitor, "make": make, "fit": fit}
