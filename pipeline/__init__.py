"""Nightly Sentinel-2 alerts of suspected unlicensed mining, with title status and evidence.

The modules are the stops of one walk, in the order of ``docs/walk.md``; ``pipeline.stages`` reads as that walk.
"""

__version__ = "0.1.0"
