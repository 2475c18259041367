"""Ground objects: changed pixels become sites that keep their identity while they grow.

Receives the changed pixels of one day, from all chunks at once, as a sparse `PixelTable`; hands on sites with outline,
hectares, dates and what they look like. Pixels are addressed on the lattice of the CRS, so a chunk's edge is no seam.
"""

from pipeline.sites.likeness import SITE_FEATURES, SiteModel, likely_cause, mining_probability, site_features
from pipeline.sites.pixels import PixelTable, components, concatenate, pixel_key, within
from pipeline.sites.tracing import outline, polygons
from pipeline.sites.tracking import Site, SiteRules, advance

__all__ = [
    "SITE_FEATURES",
    "PixelTable",
    "Site",
    "SiteModel",
    "SiteRules",
    "advance",
    "components",
    "concatenate",
    "likely_cause",
    "mining_probability",
    "outline",
    "pixel_key",
    "polygons",
    "site_features",
    "within",
]
