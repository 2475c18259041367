"""Training on tiny pictures made here: labels by rule, folds, weights, the same bytes for the same inputs, the card."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from pipeline.change import PixelClass
from pipeline.evaluation.document import Evaluation
from pipeline.evaluation.report import report_markdown
from pipeline.features import FEATURE_ORDER
from pipeline.io.labels import Chips, LabelsMissingError, read_chips
from pipeline.io.models import load_model, save_model
from pipeline.provenance import digest
from pipeline.scenes import BANDS
from pipeline.sites import SITE_FEATURES
from pipeline.training import TrainingData, fitting, train_model
from pipeline.training.card import model_card
from pipeline.training.chip_sites import ChipSites, bodies, chip_pixels, confirmed_pixels
from pipeline.training.evaluate import held_out_sections
from pipeline.training.fitting import WORLD_SHARE, weigh_worlds
from pipeline.training.held_out import score_sites
from pipeline.training.known import chip_digests
from pipeline.training.release import ModelExistsError, release_model, version_before
from pipeline.training.samples import Samples, pixel_labels, weights
from pipeline.training.sources import SOURCES
from pipeline.training.train import TrainingReport
from pipeline.training.world_runs import measured_worlds
from pipeline.training.world_samples import TRAINING_WORLDS, Truth, World, look_labels, site_reading

FOREST = (0.03, 0.05, 0.03, 0.32, 0.15, 0.06)
SPOIL = (0.09, 0.13, 0.18, 0.24, 0.34, 0.28)
POND = (0.07, 0.11, 0.10, 0.05, 0.02, 0.01)
FIELD = (0.06, 0.09, 0.11, 0.20, 0.30, 0.22)
ASH = (0.04, 0.05, 0.06, 0.09, 0.14, 0.16)
CLOUD = (0.45, 0.45, 0.45, 0.50, 0.40, 0.30)
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def picture(ground: tuple[float, ...], side: int = 24) -> np.ndarray:
    """A picture of one kind of ground, large enough for a pair: float32 (band, y, x)."""
    return np.broadcast_to(np.array(ground, np.float32)[:, None, None], (len(BANDS), side, side)).copy()


def with_patch(ground: tuple[float, ...], patch: tuple[float, ...]) -> np.ndarray:
    """A picture with a patch of 8 x 8 pixels of other ground."""
    image = picture(ground)
    image[:, 4:12, 4:12] = np.array(patch, np.float32)[:, None, None]
    return image


def tiny_chips() -> Chips:
    """Twenty chips in ten blocks: spoil read as mining, fields and ash read as not."""
    kinds = [
        ("mining_new", SPOIL),
        ("farm_or_clearing", FIELD),
        ("mining_grown", POND),
        ("burn", ASH),
        ("no_change", FOREST),
    ] * 4
    count = len(kinds)
    rng = np.random.default_rng(3)
    after = np.stack([with_patch(FOREST, ground) for _, ground in kinds])
    return Chips(
        sample_id=np.array([f"c{i}" for i in range(count)]),
        lon=np.array([-60.0 + 2.0 * (i // 2) for i in range(count)]),
        lat=np.full(count, -5.0),
        reading=np.array([reading for reading, _ in kinds]),
        new_pct=np.zeros(count),
        confidence=np.full(count, 3),
        before=np.stack([picture(FOREST)] * count),
        after=(after * (1.0 + rng.normal(0.0, 0.02, after.shape))).astype(np.float32),
    )


def tiny_world(seed: int) -> World:
    """A world of 48 x 24 pixels with a mine above and a farm clearing below."""
    before = np.concatenate([picture(FOREST)] * 2, axis=1)
    after = np.concatenate([with_patch(FOREST, SPOIL), with_patch(FOREST, FIELD)], axis=1)
    owner = np.full((48, 24), -1, np.int16)
    owner[4:12, 4:12], owner[28:36, 4:12] = 0, 1
    truth = Truth(owner, np.zeros(owner.shape, bool), ("mining_new", "farm_or_clearing"), (date(2020, 1, 1),) * 2)
    rows = np.zeros((4, len(FEATURE_ORDER)), np.float32)
    label = np.array([PixelClass.STABLE, PixelClass.BARE, PixelClass.CLOUD_RESIDUE, PixelClass.FARM_CLEARING])
    return World(seed, before, (((after, before),) * 2,), truth, Samples(rows, label, np.full(4, f"world-{seed}")))


class ByRed:
    """A pixel classifier by hand: red above 0.08 is bare, else stable."""

    classes_ = np.array([PixelClass.STABLE, PixelClass.BARE])

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Certain of everything."""
        bare = features[:, FEATURE_ORDER.index("current_red")] > 0.08
        return np.stack([~bare, bare], axis=1).astype(float)


def small_estimator(seed: int) -> HistGradientBoostingClassifier:
    """A pixel classifier of few trees."""
    return HistGradientBoostingClassifier(max_iter=4, max_leaf_nodes=7, max_bins=8, early_stopping=False, random_state=seed)


@pytest.fixture(scope="module")
def trained() -> Iterator[tuple[TrainingReport, TrainingReport]]:
    """Two trainings on the same inputs."""
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setattr(fitting, "pixel_estimator", small_estimator)
        data = TrainingData(tiny_chips(), [], [tiny_world(1), tiny_world(2)])
        yield train_model(data, 5), train_model(data, 5)


@pytest.mark.parametrize(
    ("ground", "reading", "expected"),
    [
        (SPOIL, "mining_new", PixelClass.BARE),
        (SPOIL, "farm_or_clearing", PixelClass.FARM_CLEARING),
        (SPOIL, "river", PixelClass.RIVER_BAR),
        (POND, "mining_grown", PixelClass.POND),
        (POND, "river", PixelClass.NATURAL_WATER),
        (ASH, "burn", PixelClass.BURN),
        (SPOIL, "no_change", -1),
        (CLOUD, "mining_new", PixelClass.CLOUD_RESIDUE),
        (FOREST, "mining_new", PixelClass.STABLE),
    ],
)
def test_what_a_pixel_became_is_labelled_by_rule_and_reading(ground: tuple[float, ...], reading: str, expected: int) -> None:
    assert (pixel_labels(picture(FOREST), picture(ground), reading) == expected).all()


def test_a_pixel_without_data_is_not_learned_from() -> None:
    after = picture(SPOIL)
    after[2, 0, 0] = np.nan
    label = pixel_labels(picture(FOREST), after, "mining_new")
    assert label[0, 0] == -1
    assert (label.ravel()[1:] == PixelClass.BARE).all()


def test_stable_ground_weighs_as_much_as_all_change() -> None:
    label = np.array([0] * 70 + [2] * 20 + [5] * 10)
    weight = weights(label)
    assert weight[label == 0].sum() == pytest.approx(weight[label != 0].sum())
    assert weight.sum() == pytest.approx(len(label))


def test_a_patch_of_spoil_is_one_site_and_its_surroundings_none() -> None:
    pixels = chip_pixels(picture(FOREST), with_patch(FOREST, SPOIL), ByRed(), np.random.default_rng(1))
    assert pixels is not None
    found = bodies(pixels)
    assert [len(body) for body in found] == [64]


def test_looks_are_labelled_inside_of_the_truth_and_veils_outside() -> None:
    world = tiny_world(1)
    current = world.stages[0][0][0].copy()
    current[:, 0, :] = np.array(CLOUD, np.float32)[:, None]
    current[:, 1, :] *= 0.4
    quiet = np.ones(world.truth.owner.shape, bool)
    label = look_labels(current, world.before, date(2020, 6, 1), world.truth, quiet)
    assert (label[0] == PixelClass.CLOUD_RESIDUE).all()
    assert (label[1] == PixelClass.CLOUD_RESIDUE).all()
    assert (label[2:4] == PixelClass.STABLE).all()
    assert (label[4:12, 4:12] == PixelClass.BARE).all()
    assert (label[28:36, 4:12] == PixelClass.FARM_CLEARING).all()


def test_nothing_is_learned_inside_of_the_truth_before_its_onset() -> None:
    world = tiny_world(1)
    label = look_labels(world.before, world.before, date(2019, 6, 1), world.truth, np.ones((48, 24), bool))
    assert (label[world.truth.owner >= 0] == -1).all()


def test_a_site_is_read_as_the_truth_that_it_overlaps_most() -> None:
    world = tiny_world(1)
    pixels = confirmed_pixels(world.before, world.stages[0], ByRed())
    assert pixels is not None
    assert [site_reading(body, world.truth) for body in bodies(pixels)] == ["mining_new", "farm_or_clearing"]


def test_worlds_weigh_their_share_and_both_kinds_alike() -> None:
    def sites(label: list[bool], block: str) -> ChipSites:
        names = np.full(len(label), block)
        return ChipSites(np.zeros((len(label), len(SITE_FEATURES))), np.array(label), np.ones(len(label)), names, names, names)

    real = sites([True] * 20, "a")
    worlds = weigh_worlds(real, [sites([True, True, True], "world-1"), sites([False], "world-2")])
    total = sum(w.weight.sum() for w in worlds)
    assert total / (total + real.weight.sum()) == pytest.approx(WORLD_SHARE)
    assert worlds[0].weight.sum() == pytest.approx(worlds[1].weight.sum())


def test_no_world_is_learned_from_that_is_shown_or_measured_on() -> None:
    learned = {w.seed for w in TRAINING_WORLDS}
    assert 7 not in learned
    assert not learned & {w.seed for w in measured_worlds(9)}


def test_the_digest_of_a_pair_follows_its_pixels_alone() -> None:
    chips = tiny_chips()
    first = chip_digests(chips)
    assert len(set(first)) == len(first)
    chips.after[3, 2, 5, 5] += 0.001
    assert [a == b for a, b in zip(first, chip_digests(chips), strict=True)].count(False) == 1
    assert chip_digests(chips.take(np.array([1, 0])))[0] == first[1]


def test_a_site_is_calibrated_on_other_places_than_its_own(trained: tuple[TrainingReport, TrainingReport]) -> None:
    held_out = trained[0].held_out
    again, _, _ = score_sites(held_out.sites, held_out.world_sites)
    assert np.array_equal(again, held_out.site_score)
    flipped = held_out.sites.label.copy()
    own = held_out.sites.block == held_out.sites.block[0]
    flipped[own] = ~flipped[own]
    changed, _, _ = score_sites(replace(held_out.sites, label=flipped), held_out.world_sites)
    assert np.allclose(changed[own], again[own])


def test_the_same_inputs_give_the_same_model(trained: tuple[TrainingReport, TrainingReport]) -> None:
    rows = np.random.default_rng(2).uniform(0.0, 0.5, (500, len(FEATURE_ORDER))).astype(np.float32)
    digests = {
        digest(
            [
                hashlib.sha256(r.estimator.predict_proba(rows).tobytes()).hexdigest(),
                asdict(r.site),
                asdict(r.pair),
                r.held_out.pair_score.tolist(),
            ]
        )
        for r in trained
    }
    assert len(digests) == 1


def test_a_trained_model_loads(trained: tuple[TrainingReport, TrainingReport], tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "1.0.0"
    model_id = save_model(folder, trained[0].estimator, trained[0].site, {}, trained[0].pair)
    loaded = load_model(folder)
    assert loaded.id == model_id
    assert loaded.pair == trained[0].pair
    assert loaded.site == trained[0].site


def test_the_card_quotes_the_evaluation(trained: tuple[TrainingReport, TrainingReport], tmp_path: Path) -> None:
    folder = tmp_path / "tiny" / "1.0.0"
    facts = {"sources": list(SOURCES), "seed": 5, "thresholds": {"unclear_from": 0.45}, "measured_on_real": ["humid_forest"]}
    model_id = save_model(folder, trained[0].estimator, trained[0].site, facts, trained[0].pair)
    evaluation = Evaluation({"model": model_id}, held_out_sections(tiny_chips(), trained[0].held_out))
    card = model_card(model_id, json.loads((folder / "manifest.json").read_text(encoding="utf-8")), evaluation)
    assert all(line in card for line in report_markdown(evaluation).splitlines() if line.startswith("|"))
    head = card.split("---\n")[1]
    facts = {key: json.loads(value) for key, value in (line.split(": ", 1) for line in head.splitlines()[:-1])}
    assert facts["feature_order"] == list(FEATURE_ORDER)
    assert facts["model_id"] == model_id
    assert [s["licence"] for s in facts["sources"]] == [s["licence"] for s in SOURCES]


def test_the_version_before_is_the_newest_of_the_older_ones(tmp_path: Path) -> None:
    for name in ("0.2.0", "0.10.0", "0.9.0", "draft"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}", encoding="utf-8")
    assert version_before(tmp_path / "0.10.0") == tmp_path / "0.9.0"
    assert version_before(tmp_path / "0.2.0") == tmp_path / "draft"


def test_a_version_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelExistsError, match="name a new version"):
        release_model(tmp_path / "nowhere", tmp_path)


def test_absent_labels_have_a_named_error(tmp_path: Path) -> None:
    with pytest.raises(LabelsMissingError, match=r"chips\.csv"):
        release_model(tmp_path, tmp_path / "m" / "1.0.0")
    assert not (tmp_path / "m").exists()


@pytest.mark.skipif(not (SHARED / "mining_chips").exists(), reason="the labelled chips are not beside the checkout")
def test_real_chips_read_as_new_mining_lost_more_green_than_those_without_change() -> None:
    chips = read_chips(SHARED / "mining_chips")
    changed = [PixelClass.CLEARING, PixelClass.BARE, PixelClass.POND]

    def share(reading: str) -> float:
        rows = np.flatnonzero(chips.reading == reading)[:30]
        return float(np.mean([np.isin(pixel_labels(chips.before[i], chips.after[i], reading), changed).mean() for i in rows]))

    assert share("mining_new") > 0.1
    assert share("no_change") == 0.0
