"""One function per stop; `run_aoi` reads as the walk and needs no Prefect."""

from pipeline.stages.run import AoiRequest, AoiResult, open_walk, run_aoi

__all__ = ["AoiRequest", "AoiResult", "open_walk", "run_aoi"]
