"""The card of a model: what it is for, what it is not for, and its figures, each of them one of `metrics.json`."""

import json
from collections.abc import Mapping
from typing import Any


def _front_matter(model_id: str, manifest: Mapping[str, Any]) -> list[str]:
    """Facts for machines, as YAML whose values are JSON."""
    keys = ("name", "version", "sklearn_version", "sha256", "landscapes", "feature_order", "site_features", "sources")
    facts = {"model_id": model_id, **{k: manifest[k] for k in keys}, **manifest["thresholds"], "seed": manifest["seed"]}
    return ["---", *(f"{k}: {json.dumps(v)}" for k, v in facts.items()), "licence: Apache-2.0", "---", ""]


def _curve(rows: list[Mapping[str, float]]) -> list[str]:
    """A reliability curve as table rows."""
    lines = ["| forecast | observed | count |", "|---|---|---|"]
    return [*lines, *(f"| {r['forecast']} | {r['observed']} | {r['count']} |" for r in rows), ""]


def _table(name: str, figures: Mapping[str, Any]) -> list[str]:
    """Plain figures as a table, with the reliability curve after them where there is one."""
    rows = [f"| {k} | {v} |" for k, v in figures.items() if not isinstance(v, list | dict)]
    lines = [f"### {name}", "", "| figure | value |", "|---|---|", *rows, ""]
    return lines + (_curve(figures["reliability"]) if "reliability" in figures else [])


def _use(manifest: Mapping[str, Any]) -> list[str]:
    """What the model is for, and what it has seen."""
    return [
        f"# {manifest['name']} {manifest['version']}", "",
        "Two models: boosted trees give each changed pixel probabilities of "
        f"{len(manifest['pixel_classes'])} classes; a logistic model on",
        f"{len(manifest['site_features'])} named features of a site gives the probability that it is mining.", "",
        "## Intended use", "",
        "New and growing open-cast mining in humid forest, on Sentinel-2 surface reflectance, as a reason to look.", "",
        "## Out of scope", "",
        "Proof; counting; ground that was bare before; landscapes that are not listed above. Dry forest and savanna are",
        "listed because nothing in the features is particular to humid forest; no figure there is measured.", "",
        "## Trained on", "",
        *(f"- {s['name']}: {s['from']}. Licence: {s['licence']}" for s in manifest["sources"]), "",
        "Sentinel-2 pixels: contains modified Copernicus Sentinel data.", "",
    ]  # fmt: skip


def _figures(metrics: Mapping[str, Any]) -> list[str]:
    """Every figure, by place and by world."""
    lines = [
        "## Figures by spatial block", "",
        "Folds of 2-degree blocks: each chip is judged by models that saw no chip of its block. A site is what two noisy",
        "looks at a chip confirm; it counts as mining when the chip was read as new or grown mining. Old scars",
        "(`mining_static`) are left out of the site figures.", "",
        *_table("Sites of real chips", metrics["site"]),
        *_table("Control: ranking whole chips by percentiles of the bands, AUC", metrics["chip_control_auc"]),
        "A ranking by the picture before alone (`t0_only`) shows how much places differ, whatever changed there.", "",
        *_table("Pixels of real chips", metrics["pixel"]),
    ]  # fmt: skip
    if "site_on_worlds" in metrics:
        by_reading = metrics["site_on_worlds"]["named_mining_by_reading"]
        lines += [
            "## Figures by simulated world", "",
            "Each world is judged by models that did not see it. They say how well the models know the simulation, and",
            "nothing about real ground.", "",
            *_table("Sites of worlds", metrics["site_on_worlds"]),
            "| what it was | named mining |", "|---|---|", *(f"| {k} | {v} |" for k, v in by_reading.items()), "",
            *_table("Pixels of worlds", metrics["pixel_on_worlds"]),
        ]  # fmt: skip
    return lines


def _limits(metrics: Mapping[str, Any]) -> list[str]:
    """Look-alikes, direction of errors, calibration, and what nobody knows."""
    site, pixel = metrics["site"], metrics["pixel"]
    return [
        "## Confusers and direction of error", "",
        "- Taken for mining: bare farm clearings, roads and building sites, burns, old scars whose ponds change.",
        f"  Of the sites on real chips that are no mining, {site['other_named_mining']} are named mining: the model errs",
        "  towards naming, because the chips hold few other changes.",
        f"- Missed: {site['mining_named_mining']} of the mining sites are named; the others are called unclear or",
        "  something else and are in the files all the same. Sites under 0.3 ha, thin ones, and ground that was not green",
        "  before make no site at all.",
        f"- The gate before the trees lets {pixel['gate_pass_of_changed']} of the labelled changed pixels of the chips",
        f"  through, and {pixel['gate_pass_of_stable']} of the stable ones: the rest of the changed ones is its cost.", "",
        "## Calibration", "",
        f"Brier score of sites {site['brier']}; always saying the base rate {site['mining_share']} scores",
        f"{site['brier_of_base_rate']}. The base rate of the chips is far above that of the field: probabilities hold for",
        "sites on such chips, and precision in the field is lower than here.", "",
        "## Not known", "",
        "- The pixel figures are circular: pixels have no reading of their own, their labels come from rules on the same",
        "  two dates. They say that the trees learned the rules, not that the rules are right.",
        "- The readings are of one pair of eyes on composites, often of two years; some are guesses and weigh less.",
        "- The worlds are drawn from statistics of the same chips: they add look-alikes, no independent evidence.",
        "- Nothing was measured outside of the Amazon.",
    ]  # fmt: skip


def model_card(model_id: str, manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Return the card of a model from its manifest and the content of its `metrics.json`."""
    lines = [*_front_matter(model_id, manifest), *_use(manifest), *_figures(metrics), *_limits(metrics)]
    return "\n".join(lines) + "\n"
