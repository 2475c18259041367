"""Models: what was saved is loaded, and whatever does not fit is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from pipeline.change import PixelClass, classify
from pipeline.errors import ModelMismatchError
from pipeline.features import FEATURE_ORDER
from pipeline.io import models
from pipeline.io.models import default_model, load_model, models_folder, save_model
from pipeline.linear import LinearModel
from pipeline.pairs import PAIR_FEATURES
from pipeline.provenance import sha256_of
from pipeline.sites import SITE_FEATURES, SiteModel, mining_probability

ROWS = np.random.default_rng(0).normal(size=(60, len(FEATURE_ORDER))).astype(np.float32)
LABELS = np.where(ROWS[:, 0] > 0, PixelClass.BARE, PixelClass.STABLE).astype(int)
SITE = SiteModel(
    *(tuple(float(n + k) for n in range(len(SITE_FEATURES))) for k in (0, 1, 2)),
    intercept=0.5,
    slope=0.9,
    shift=-0.1,
    features=tuple(SITE_FEATURES),
)


@pytest.fixture(scope="module")
def estimator() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(ROWS, LABELS)


@pytest.fixture
def folder(tmp_path: Path, estimator: HistGradientBoostingClassifier) -> Path:
    path = tmp_path / "tiny" / "0.1.0"
    save_model(path, estimator, SITE, {"licence": "Apache-2.0"})
    return path


def edit(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_a_model_comes_back_as_it_went(folder: Path, estimator: HistGradientBoostingClassifier) -> None:
    model = load_model(folder)
    assert model.site == SITE
    assert model.id.startswith("tiny/0.1.0+")
    assert model.manifest["licence"] == "Apache-2.0"
    assert np.array_equal(model.estimator.predict_proba(ROWS), estimator.predict_proba(ROWS))
    assert classify(model.estimator, ROWS).probabilities.sum(axis=1) == pytest.approx(np.ones(60), abs=1e-5)


def test_another_feature_order_is_refused(folder: Path) -> None:
    edit(folder, feature_order=[*FEATURE_ORDER[1:], FEATURE_ORDER[0]])
    with pytest.raises(ModelMismatchError, match="found feature_order"):
        load_model(folder)


def test_another_scikit_learn_is_refused_and_its_patches_are_not(folder: Path) -> None:
    major, minor = sklearn.__version__.split(".")[:2]
    edit(folder, sklearn_version=f"{major}.{minor}.99")
    load_model(folder)
    edit(folder, sklearn_version=f"{major}.{int(minor) + 1}.0")
    with pytest.raises(ModelMismatchError, match=rf"trained with scikit-learn {major}\.{int(minor) + 1}\.0"):
        load_model(folder)


@pytest.mark.parametrize("name", ["pixel.skops", "site.json"])
def test_a_changed_file_is_refused(folder: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelMismatchError, match=rf"{name}: found SHA-256 \w+, expected \w+.*restore"):
        load_model(folder)
    (folder / name).unlink()
    with pytest.raises(ModelMismatchError, match=f"{name}: found SHA-256 no file"):
        load_model(folder)


@pytest.mark.parametrize("text", ["{", "{}", "[]"])
def test_a_manifest_that_is_none_is_refused(folder: Path, text: str) -> None:
    (folder / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(ModelMismatchError, match="expected the manifest of a model"):
        load_model(folder)


def strange(rows: np.ndarray) -> np.ndarray:
    return rows


def test_a_model_with_code_of_its_own_is_refused(tmp_path: Path) -> None:
    own = make_pipeline(FunctionTransformer(strange), LogisticRegression()).fit(ROWS, LABELS)
    save_model(tmp_path / "own" / "1.0.0", own, SITE, {})
    with pytest.raises(ModelMismatchError, match=r"found types .*strange.*expected scikit-learn's"):
        load_model(tmp_path / "own" / "1.0.0")


def test_the_newest_version_is_the_default(
    tmp_path: Path, estimator: HistGradientBoostingClassifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "models_folder", lambda: tmp_path)
    with pytest.raises(ModelMismatchError, match="overburden train"):
        default_model()
    for version in ("0.9.0", "0.10.0", "0.2.0", "draft", "0.10.0.rc1"):
        save_model(tmp_path / models.DEFAULT_NAME / version, estimator, SITE, {})
    (tmp_path / models.DEFAULT_NAME / "1.0.0").mkdir()  # nothing in it yet
    assert default_model().name == "0.10.0"


def test_the_model_that_comes_with_the_code_fits_it() -> None:
    assert load_model(default_model()).id.startswith(models.DEFAULT_NAME)


def test_the_same_training_gives_the_same_bytes_and_id(tmp_path: Path) -> None:
    ids, stored = [], []
    for name in ("a", "b"):
        fitted = HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(ROWS, LABELS)
        folder = tmp_path / name / "tiny" / "0.1.0"
        ids.append(save_model(folder, fitted, SITE, {}))
        stored.append((folder / "pixel.skops").read_bytes())
    assert stored[0] == stored[1]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_an_older_version_weighs_the_features_that_it_knows(version: str) -> None:
    model = load_model(models_folder() / "amazon-gold" / version)
    features = np.arange(len(SITE_FEATURES), dtype=np.float64)
    assert model.site.pick(features).tolist() == list(range(20))
    assert model.pair is None
    with_more = np.concatenate([features[:20], np.full(len(features) - 20, 99.0)])
    assert mining_probability(with_more, model.site) == mining_probability(features, model.site)


def test_a_pair_model_of_other_features_is_refused(tmp_path: Path, estimator: HistGradientBoostingClassifier) -> None:
    count = len(PAIR_FEATURES)
    pair = LinearModel((0.0,) * count, (1.0,) * count, (0.1,) * count, -0.5)
    folder = tmp_path / "m" / "1.0.0"
    save_model(folder, estimator, SITE, {}, pair)
    assert load_model(folder).pair == pair
    stored = json.loads((folder / "pair.json").read_text(encoding="utf-8"))
    (folder / "pair.json").write_text(json.dumps({**stored, "features": stored["features"][::-1]}), encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["sha256"]["pair.json"] = sha256_of(folder / "pair.json")
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ModelMismatchError, match="other features"):
        load_model(folder)
