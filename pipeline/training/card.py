"""The card of a model: what it is for, what it is not for, and the figures of its evaluation and no others."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.evaluation.document import Evaluation
from pipeline.evaluation.report import figure_text, report_markdown


def _front_matter(model_id: str, manifest: Mapping[str, Any]) -> list[str]:
    """Facts for machines, as YAML whose values are JSON."""
    keys = ("name", "version", "sklearn_version", "sha256", "landscapes", "feature_order", "site_features", "sources")
    facts = {"model_id": model_id, **{k: manifest[k] for k in keys}, **manifest["thresholds"], "seed": manifest["seed"]}
    return ["---", *(f"{k}: {json.dumps(v)}" for k, v in facts.items()), "licence: Apache-2.0", "---", ""]


def _use(manifest: Mapping[str, Any]) -> list[str]:
    """What the model is for, and what it has seen."""
    simulated = [name for name in manifest["landscapes"] if name not in manifest["measured_on_real"]]
    return [
        f"# {manifest['name']} {manifest['version']}", "",
        "Three models: boosted trees give each changed pixel probabilities of "
        f"{len(manifest['pixel_classes'])} classes; an additive model on {len(manifest['site_features'])}",
        "named features of a site gives the probability that it is mining; an additive model on two pictures of a window",
        "says whether mining appeared or grew between them.", "",
        "## Intended use", "",
        "New and growing open-cast mining, on Sentinel-2 surface reflectance, as a reason to look. Measured on real pixels",
        f"in {', '.join(manifest['measured_on_real'])}; in {', '.join(simulated)} on simulated ground alone.", "",
        "## Out of scope", "",
        "Proof; counting; any landscape that is not named above.", "",
        "## Trained on", "",
        *(f"- {s['name']}: {s['from']}. Licence: {s['licence']}" for s in manifest["sources"]), "",
        "Sentinel-2 pixels: contains modified Copernicus Sentinel data.", "",
    ]  # fmt: skip


def _confusers(evaluation: Evaluation) -> list[str]:
    """What is taken for mining, and what the probabilities rest on."""
    site, pair = (evaluation.sections[name].figures for name in ("sites", "pairs"))
    return [
        "## Confusers and direction of error", "",
        "- Taken for mining: building sites, roads and yards, bare farm clearings, old scars whose ponds change. The tables",
        "  by reading and by kind below say how often.",
        f"- Of the mining sites {figure_text(site['recall'])} are named; the others are called unclear or something else and",
        "  are in the files all the same.",
        "- A quarry digs as a mine does; nothing in six bands tells what is dug for.", "",
        "## Calibration", "",
        f"Brier skill of pairs {figure_text(pair['brier_skill'])}, calibration slope {figure_text(pair['calibration_slope'])};",
        f"of sites {figure_text(site['brier_skill'])} and {figure_text(site['calibration_slope'])}.",
        "Probabilities hold for the mix of the labelled data. In the field mining is rarer: read the precision at 0.1 % and",
        "1 % instead.", "",
        "## Not known", "",
        "- The readings are of one pair of eyes on composites, often of two years; some are guesses and weigh less.",
        "- Pixels have no reading of their own: their labels come from rules on the same two dates.",
        "- The worlds are drawn from statistics of the same chips and from the literature: they add look-alikes and",
        "  landscapes, no independent evidence.", "",
    ]  # fmt: skip


def model_card(model_id: str, manifest: Mapping[str, Any], evaluation: Evaluation) -> str:
    """Return the card of a model from its manifest and its evaluation, whose report it quotes whole."""
    report = report_markdown(evaluation).splitlines()
    lines = [*_front_matter(model_id, manifest), *_use(manifest), *_confusers(evaluation)]
    return "\n".join([*lines, *("#" + line if line.startswith("#") else line for line in report)]).rstrip() + "\n"
