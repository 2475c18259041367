"""A new model version from labelled data: trained, measured, compared, written with its card; never over an old version."""

import json
import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from packaging.version import InvalidVersion, Version

from pipeline.errors import ModelMismatchError
from pipeline.evaluation.document import Evaluation
from pipeline.evaluation.report import write_evaluation
from pipeline.features import GATE_MNDWI_RISE, GATE_NDVI_FALL, GATE_RED_RISE
from pipeline.io.models import MANIFEST_FILE, MEASURED_ON_REAL, save_model
from pipeline.io.outputs import write_whole
from pipeline.monitor import MonitorRules
from pipeline.training.card import model_card
from pipeline.training.evaluate import NOT_WALKED, Walked, facts_of, held_out_sections, point_sections, walk_models
from pipeline.training.guard import Change, changes, figures_of, refuse_worse, section_figures, stored_figures
from pipeline.training.known import chip_digests
from pipeline.training.sources import SEED, SOURCES, chips_of, read_training_data
from pipeline.training.train import TrainingReport, train_model

LOG = logging.getLogger(__name__)


class ModelExistsError(ModelMismatchError):
    """The folder of a new model version holds one already."""


def release_model(data: Path, folder: Path, worlds: int = 3) -> str:
    """Return the id of the model that was trained on the data, measured, and written to a new folder.

    Parameters
    ----------
    data : Path
        Folder with `mining_chips/`, `bark_beetle/` and `rondonia_points/`, see data/README.md.
    folder : Path
        `<name>/<version>`.
    worlds : int
        Simulated worlds of each landscape that the walk is measured on; 0 for none.

    Raises
    ------
    LabelsMissingError
        The labelled data is not in `data`.
    ModelExistsError
        The folder holds a version already.
    ModelWorseError
        It is worse than the version before in a guarded figure; nothing is written.
    """
    refuse_existing(folder)
    learned = read_training_data(data)
    report = train_model(learned, SEED)
    LOG.info("trained; measuring")
    with tempfile.TemporaryDirectory() as place:
        draft = Path(place) / folder.parent.name / folder.name
        known = sorted(chip_digests(learned.pictures))
        model_id = save_model(draft, report.estimator, report.site, _facts(report, known), report.pair)
        previous = version_before(folder)
        walked = _walked([draft, *([previous] if previous else [])], worlds)
        evaluation = _measured(data, report, model_id, walked[0])
        before = {**stored_figures(previous), **section_figures(walked[1].sections)} if previous else {}
        found = changes(before, figures_of(evaluation))
        refuse_worse(found, previous.name if previous else "none")
        write_evaluation(evaluation, draft)
        manifest = json.loads((draft / MANIFEST_FILE).read_text(encoding="utf-8"))
        write_whole(draft / "card.md", model_card(model_id, manifest, evaluation))
        write_whole(draft / "changes.md", _changes_text(folder, previous, found))
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(draft, folder)
    return model_id


def _walked(models: Sequence[Path], worlds: int) -> tuple[Walked, ...]:
    """Whole walks of the new model and of the one before over the same ground, by the rules of today."""
    if not worlds:
        return (NOT_WALKED,) * len(models)
    with tempfile.TemporaryDirectory() as work:
        return walk_models(models, Path(work), worlds)


def _measured(data: Path, report: TrainingReport, model_id: str, walked: Walked) -> Evaluation:
    """The evaluation of a model that was just trained."""
    chips = chips_of(data)
    sections = {**held_out_sections(chips, report.held_out), **point_sections(data), **walked.sections}
    facts = facts_of(model_id, {"chips": len(chips.reading), "chips known to the model": len(chips.reading)})
    return Evaluation(facts, sections, walked.blind, walked.missed)


def _facts(report: TrainingReport, known: list[str]) -> Mapping[str, object]:
    """What the manifest says beside the files."""
    thresholds = {
        "unclear_from": report.site.unclear_from,
        "named_mining_from": report.site.named_from,
        "gate": {"ndvi_fall": GATE_NDVI_FALL, "mndwi_rise": GATE_MNDWI_RISE, "red_rise": GATE_RED_RISE},
        "monitor": asdict(MonitorRules()),
    }
    return {
        "sources": list(SOURCES), "seed": SEED, "thresholds": thresholds, "measured_on_real": list(MEASURED_ON_REAL),
        "trained_on": known,
    }  # fmt: skip


def version_before(folder: Path) -> Path | None:
    """Return the folder of the newest version below the one that a folder is named for; None where there is none."""
    own = _version(folder.name)
    older = [p for p in folder.parent.glob("*") if (p / MANIFEST_FILE).exists() and _version(p.name) < own]
    return max(older, key=lambda p: _version(p.name), default=None)


def _version(name: str) -> Version:
    """A version as packages order them; a name that is none comes before all."""
    try:
        return Version(name)
    except InvalidVersion:
        return Version("0.dev0")


def refuse_existing(folder: Path) -> None:
    """Raise where a folder holds a model: a version that may have made alerts is never written over.

    Raises
    ------
    ModelExistsError
        It does.
    """
    if folder.exists():
        raise ModelExistsError(
            f"{folder}: found a folder, expected none; name a new version, or take the old one away yourself"
        )  # fmt: skip


def _changes_text(folder: Path, previous: Path | None, found: tuple[Change, ...]) -> str:
    """What changed against the version before."""
    against = previous.name if previous else "no version before"
    head = [f"# {folder.parent.name} {folder.name} against {against}", ""]
    return (
        "\n".join([*head, "Guarded figures; a release is refused where one is worse.", "", *(f"- {c.line}" for c in found)])
        + "\n"
    )
