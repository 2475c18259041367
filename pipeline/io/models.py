"""Models on disk: `models/<name>/<version>/` with the estimator, the site model, a manifest and a card.

Loading refuses a mismatch of feature order, scikit-learn version or checksum. The estimator is stored with skops, which
runs no code of the file and names every type in it.
"""

import io
import json
import logging
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from packaging.version import InvalidVersion, Version
from threadpoolctl import ThreadpoolController

from pipeline.change import PixelClass, PixelEstimator
from pipeline.errors import ModelMismatchError
from pipeline.features import FEATURE_ORDER
from pipeline.io.outputs import write_whole
from pipeline.linear import LinearModel
from pipeline.pairs import PAIR_FEATURES
from pipeline.provenance import sha256_of
from pipeline.sites import SITE_FEATURES, SiteModel
from pipeline.trees import BitTrees, bit_trees, is_supported

LOG = logging.getLogger(__name__)
ESTIMATOR_FILE, SITE_FILE, PAIR_FILE, MANIFEST_FILE = "pixel.skops", "site.json", "pair.json", "manifest.json"
DEFAULT_NAME = "amazon-gold"
LANDSCAPES = ("humid_forest", "dry_forest", "savanna", "bare_hills", "leach_ponds")
"""Landscapes for which a model may name a change mining. The real labels are of humid forest; all figures of the others are
of simulated worlds, and run and card say so. On arid ground it names nothing."""
MEASURED_ON_REAL = ("humid_forest",)
"""Landscapes with figures on real pixels."""
TRUSTED_PREFIXES = ("sklearn.", "numpy.", "scipy.")
"""Packages whose types an estimator may hold."""


class OneThread:
    """An estimator that scores on the calling thread alone.

    A night scores thousands of small tables. The workers of OpenMP spin between them, and where the machine has other
    work each table then waits for all of them; chunks side by side use the cores better.
    """

    def __init__(self, estimator: PixelEstimator) -> None:
        self.classes_ = estimator.classes_
        self._estimator = estimator
        self._threads = ThreadpoolController()

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities (n, class) in the order of `classes_`."""
        with self._threads.limit(limits=1, user_api="openmp"):
            return self._estimator.predict_proba(features)


@dataclass(frozen=True)
class Model:
    """A loaded model."""

    id: str
    """`<name>/<version>+<first digits of the estimator's SHA-256>`."""
    estimator: PixelEstimator
    site: SiteModel
    manifest: Mapping[str, object]
    pair: LinearModel | None = None
    """Judges pairs of pictures; None in versions before 0.3.0."""


def models_folder() -> Path:
    """Return the folder of the models that come with overburden: `models/` of the checkout, beside the package."""
    return Path(__file__).resolve().parents[2] / "models"


def default_model() -> Path:
    """Return the folder of the newest version of the default model.

    Raises
    ------
    ModelMismatchError
        There is none.
    """
    folder = models_folder() / DEFAULT_NAME
    versions = [p for p in folder.glob("*") if (p / MANIFEST_FILE).exists()] if folder.exists() else []
    if not versions:
        raise ModelMismatchError(
            f"{folder}: found no model, expected <version>/{MANIFEST_FILE}; run `overburden train`, or name a model"
        )
    return max(versions, key=_version_key)


def _version_key(folder: Path) -> Version:
    """Version of a model's folder, as packages order them; a name that is none comes before all."""
    try:
        return Version(folder.name)
    except InvalidVersion:
        return Version("0.dev0")


def save_model(
    folder: Path, estimator: object, site: SiteModel, facts: Mapping[str, object], pair: LinearModel | None = None
) -> str:
    """Write a model whole, manifest last; returns its id."""
    import sklearn  # noqa: PLC0415
    from skops.io import dumps  # noqa: PLC0415

    write_whole(folder / ESTIMATOR_FILE, stable_archive(dumps(estimator)))
    write_whole(folder / SITE_FILE, json.dumps(asdict(site), indent=1) + "\n")
    if pair is not None:
        write_whole(folder / PAIR_FILE, json.dumps({"features": list(PAIR_FEATURES), **asdict(pair)}) + "\n")
    written = [name for name in (ESTIMATOR_FILE, SITE_FILE, PAIR_FILE) if (folder / name).exists()]
    manifest = {
        "name": folder.parent.name,
        "version": folder.name,
        "feature_order": list(FEATURE_ORDER),
        "site_features": list(site.features),
        "landscapes": list(LANDSCAPES),
        "pixel_classes": [c.name.lower() for c in PixelClass],
        "sklearn_version": sklearn.__version__,
        "sha256": {name: sha256_of(folder / name) for name in written},
        **facts,
    }
    write_whole(folder / MANIFEST_FILE, json.dumps(manifest, indent=1) + "\n")
    return _model_id(manifest)


def stable_archive(archive: bytes) -> bytes:
    """Return a skops archive with the same content in the same bytes whenever it is made.

    skops names objects and files by memory address and notes the time; here ids count up by first appearance, names are
    sorted and no clock is kept, so that the same training gives the same model id.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        content = {name: source.read(name) for name in source.namelist()}
    files: dict[str, str] = {}
    schema = _renumbered(json.loads(content.pop("schema.json")), {}, files)
    named = {files.get(name, name): data for name, data in content.items()}
    named["schema.json"] = json.dumps(schema, indent=1).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, data in sorted(named.items()):
            target.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


def _renumbered(node: object, numbers: dict[int, int], files: dict[str, str]) -> object:
    """A schema with its ids and file names numbered by first appearance; fills both tables."""
    if isinstance(node, list):
        return [_renumbered(item, numbers, files) for item in node]
    if not isinstance(node, dict):
        return node
    plain: dict[str, object] = {}
    for key, value in node.items():
        if key == "__id__":
            plain[key] = numbers.setdefault(value, len(numbers) + 1)
        elif key == "file" and isinstance(value, str):
            plain[key] = files.setdefault(value, f"{len(files) + 1}{Path(value).suffix}")
        else:
            plain[key] = _renumbered(value, numbers, files)
    return plain


def _model_id(manifest: Mapping[str, object]) -> str:
    """Name, version and the first digits of the digests."""
    digests = manifest["sha256"]
    first = str(digests[ESTIMATOR_FILE])[:8] if isinstance(digests, Mapping) else ""
    return f"{manifest['name']}/{manifest['version']}+{first}"


def _minor(version: str) -> str:
    """Major and minor version."""
    return ".".join(version.split(".")[:2])


def read_manifest(folder: Path) -> dict[str, object]:
    """Return the manifest of a model after checking that its files and this software fit it.

    Raises
    ------
    ModelMismatchError
        Absent or damaged files, another feature order, another scikit-learn minor version.
    """
    import sklearn  # noqa: PLC0415

    path = folder / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        digests = dict(manifest["sha256"])
        own = {"feature_order": manifest["feature_order"], "site_features": manifest["site_features"]}
        version = str(manifest["sklearn_version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelMismatchError(f"{path}: {error!r}; expected the manifest of a model; name its folder") from error
    for name, expected in digests.items():
        found = sha256_of(folder / name) if (folder / name).exists() else "no file"
        if found != expected:
            raise ModelMismatchError(
                f"{folder / name}: found SHA-256 {found}, expected {expected} from {path}; restore the model"
            )
    site_fits = set(own["site_features"]) <= set(SITE_FEATURES)
    for key, expected, fits in (
        ("feature_order", list(FEATURE_ORDER), own["feature_order"] == list(FEATURE_ORDER)),
        ("site_features", list(SITE_FEATURES), site_fits),
    ):
        if not fits:
            raise ModelMismatchError(
                f"{path}: found {key} {own[key]}, expected {expected}; use the model of this version, or train again"
            )
    if _minor(version) != _minor(sklearn.__version__):
        raise ModelMismatchError(
            f"{path}: trained with scikit-learn {version}, found {sklearn.__version__}; install the locked versions"
        )
    return dict(manifest)


def load_model(folder: Path) -> Model:
    """Return a model that fits this software.

    Raises
    ------
    ModelMismatchError
        See `read_manifest`; or the estimator holds types that are not scikit-learn's or numpy's.
    """
    manifest = read_manifest(folder)
    digests: Any = manifest["sha256"]
    site: dict[str, Any] = json.loads((folder / SITE_FILE).read_text(encoding="utf-8"))
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in site.items()}
    names: Any = manifest["site_features"]
    plain["features"] = tuple(names)
    estimator = _estimator(folder / ESTIMATOR_FILE, digests[ESTIMATOR_FILE])
    return Model(_model_id(manifest), estimator, SiteModel(**plain), manifest, _pair(folder) if PAIR_FILE in digests else None)


def _pair(folder: Path) -> LinearModel:
    """The model of pairs, checked against the features of this software."""
    stored: dict[str, Any] = json.loads((folder / PAIR_FILE).read_text(encoding="utf-8"))
    if tuple(stored.pop("features")) != PAIR_FEATURES:
        raise ModelMismatchError(
            f"{folder / PAIR_FILE}: found other features than the {len(PAIR_FEATURES)} of this version; use the model of this "
            "version, or train again"
        )
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
    return LinearModel(**plain)


@lru_cache(maxsize=4)
def _estimator(path: Path, sha256: str) -> BitTrees | OneThread:
    """The estimator of a file whose digest was just checked, laid out for speed where it can be; read once in a process."""
    LOG.debug("reading %s, SHA-256 %s", path, sha256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of skops, about numpy names that it no longer needs
        from skops.io import get_untrusted_types, load  # noqa: PLC0415

        types = get_untrusted_types(file=path)
        strange = [t for t in types if not t.startswith(TRUSTED_PREFIXES)]
        if strange:
            raise ModelMismatchError(f"{path}: found types {strange}, expected scikit-learn's and numpy's only")
        held = load(path, trusted=types)
        return bit_trees(held) if is_supported(held) else OneThread(held)
