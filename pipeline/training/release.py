"""A new model version from labelled data: trained, measured, written with its card; never over an old version."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import ModelMismatchError
from pipeline.features import GATE_MNDWI_RISE, GATE_NDVI_FALL, GATE_RED_RISE
from pipeline.io.labels import Chips, read_chips, read_point_table
from pipeline.io.models import MANIFEST_FILE, save_model
from pipeline.io.outputs import write_whole
from pipeline.sites.likeness import UNCLEAR_BAND
from pipeline.training.samples import point_samples
from pipeline.training.train import train_model
from pipeline.training.world_chips import SEEDS, SIZE_M, world_chips

SEED = 20260101
SOURCES = (
    "mining_chips: GitHub joelibaceta/sat-mining-detector@7db9892, 444 pairs, Amazon, no licence file; readings by eye",
    "rondonia_points: GitHub albhasan/deforestation-sentinel2@2699a23, 964 points, MIT",
    f"simulated gold belts of overburden, seeds {SEEDS[0]} to {SEEDS[-1]}, {SIZE_M / 1000:.0f} km a side",
)


def release_model(data: Path, folder: Path) -> str:
    """Return the id of the model that was trained on the data and written to a new folder.

    Raises
    ------
    LabelsMissingError
        The labelled data is not in `data`.
    ModelMismatchError
        The folder holds a version already.
    """
    if (folder / MANIFEST_FILE).exists():
        raise ModelMismatchError(f"{folder}: found a model, expected a new version; name another version")
    chips = read_chips(data / "mining_chips")
    points = point_samples(read_point_table(data / "rondonia_points" / "samples_long.parquet"), np.random.default_rng(SEED))
    with tempfile.TemporaryDirectory() as place:
        worlds = [world_chips(Path(place) / str(seed), seed) for seed in SEEDS]
    report = train_model(Chips.join([chips, *worlds]), [points], SEED)
    figures: dict[str, Any] = dict(report.figures)
    model_id = save_model(folder, report.estimator, report.site, {"sources": list(SOURCES), "seed": SEED})
    write_whole(folder / "metrics.json", json.dumps(figures, indent=1) + "\n")
    write_whole(folder / "card.md", model_card(folder, model_id, figures))
    return model_id


def _curve(rows: object) -> list[str]:
    """A reliability curve as table rows."""
    lines = ["| forecast | observed | count |", "|---|---|---|"]
    return lines + [f"| {r['forecast']} | {r['observed']} | {r['count']} |" for r in rows] if isinstance(rows, list) else lines


def _figures_table(name: str, figures: Mapping[str, object]) -> list[str]:
    """Plain figures as a table."""
    rows = [f"| {k} | {v} |" for k, v in figures.items() if not isinstance(v, list | dict)]
    return [f"### {name}", "", "| figure | value |", "|---|---|", *rows, ""]


def model_card(folder: Path, model_id: str, figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the card of a model; every figure in it is one of `metrics.json`."""
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    head = [
        "---", f"model_id: {model_id}", f"scikit_learn: {manifest['sklearn_version']}",
        f"sha256: {json.dumps(manifest['sha256'])}", f"landscapes: {json.dumps(manifest['landscapes'])}",
        f"feature_order: {json.dumps(manifest['feature_order'])}",
        f"named_mining_from: {UNCLEAR_BAND[1]}", f"unclear_from: {UNCLEAR_BAND[0]}",
        f"gate: {{ndvi_fall: {GATE_NDVI_FALL}, mndwi_rise: {GATE_MNDWI_RISE}, red_rise: {GATE_RED_RISE}}}",
        "licence: Apache-2.0", "---", "",
    ]  # fmt: skip
    pixel, site, worlds, control = (figures[k] for k in ("pixel", "site", "site_on_worlds", "chip_control_auc"))
    body = [
        f"# {folder.parent.name} {folder.name}", "",
        "Two models: boosted trees give each changed pixel probabilities of nine classes; a logistic model on twenty named",
        "features of a site gives the probability that it is mining.", "",
        "**For**: new and growing open-cast mining in humid forest, on Sentinel-2 surface reflectance, as a reason to look.",
        "**Not for**: proof, counting, ground that was bare before, landscapes that are not listed above. Dry forest and",
        "savanna are listed because nothing in the features is particular to humid forest; no figure there is measured.", "",
        "**Trained on**", "", *(f"- {s}" for s in manifest["sources"]), "",
        "Sentinel-2 pixels: contains modified Copernicus Sentinel data.", "",
        "## Figures by place", "",
        "Five folds of 2-degree blocks: each chip is judged by models that saw no ground of its block. A site is what two",
        "noisy looks at a chip confirm; it counts as mining when the chip was read as new or grown mining. Old scars",
        "(`mining_static`) are left out of the site figures.", "",
        *_figures_table("Sites of real chips", site), *_curve(site["reliability"]), "",
        *_figures_table("Sites of simulated worlds, each held out in turn with its fold", worlds),
        *_figures_table("Control: ranking whole chips by percentiles of the bands, AUC", control),
        "A ranking by the picture before alone shows how much places differ, whatever changed there.", "",
        *_figures_table("Pixels", pixel), *_curve(pixel["reliability"]), "",
        "The pixel figures are circular: pixels have no reading of their own, their labels come from rules on the same two",
        "dates. They say that the trees learned the rules, not that the rules are right.", "",
        "## Known errors", "",
        "- Taken for mining: bare farm clearings, roads and building sites, burns; old scars whose ponds change.",
        "- Missed: sites under 0.3 ha, thin ones, ground that was not green before.",
        f"- The gate lets {pixel['gate_pass_of_changed']} of the labelled changed pixels of the chips through.",
        "- The base rate of the chips is far above that of the field: probabilities are calibrated for sites that the walk",
        "  finds on such chips, not for a whole country.",
    ]  # fmt: skip
    return "\n".join([*head, *body]) + "\n"
