"""Models on disk: `models/<name>/<version>/` with the estimator, the site model, a manifest and a card.

Loading refuses a mismatch of feature order, scikit-learn version or checksum. The estimator is stored with skops, which
runs no code of the file and names every type in it.
"""

import json
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.change import PixelClass, PixelEstimator
from pipeline.errors import ModelMismatchError
from pipeline.features import FEATURE_ORDER
from pipeline.io.outputs import write_whole
from pipeline.provenance import sha256_of
from pipeline.sites import SITE_FEATURES, SiteModel

ESTIMATOR_FILE, SITE_FILE, MANIFEST_FILE = "pixel.skops", "site.json", "manifest.json"
DEFAULT_NAME = "amazon-gold"
LANDSCAPES = ("humid_forest", "dry_forest", "savanna")
"""Landscapes for which a model may name a change mining. The labels are of humid forest; for dry forest and savanna the
figures are not measured yet, and the card says so."""
TRUSTED_PREFIXES = ("sklearn.", "numpy.", "scipy.")
"""Packages whose types an estimator may hold."""


@dataclass(frozen=True)
class Model:
    """A loaded model."""

    id: str
    """`<name>/<version>+<first digits of the estimator's SHA-256>`."""
    estimator: PixelEstimator
    site: SiteModel
    manifest: Mapping[str, object]


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
    return max(versions, key=lambda p: [int(n) for n in p.name.split(".")])


def save_model(folder: Path, estimator: object, site: SiteModel, facts: Mapping[str, object]) -> str:
    """Write a model whole, manifest last; returns its id."""
    import sklearn  # noqa: PLC0415
    from skops.io import dumps  # noqa: PLC0415

    write_whole(folder / ESTIMATOR_FILE, dumps(estimator, compression=zipfile.ZIP_DEFLATED, compresslevel=9))
    write_whole(folder / SITE_FILE, json.dumps(asdict(site), indent=1) + "\n")
    manifest = {
        "name": folder.parent.name,
        "version": folder.name,
        "feature_order": list(FEATURE_ORDER),
        "site_features": list(SITE_FEATURES),
        "landscapes": list(LANDSCAPES),
        "pixel_classes": [c.name.lower() for c in PixelClass],
        "sklearn_version": sklearn.__version__,
        "sha256": {name: sha256_of(folder / name) for name in (ESTIMATOR_FILE, SITE_FILE)},
        **facts,
    }
    write_whole(folder / MANIFEST_FILE, json.dumps(manifest, indent=1) + "\n")
    return _model_id(manifest)


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
    for key, expected in (("feature_order", list(FEATURE_ORDER)), ("site_features", list(SITE_FEATURES))):
        if own[key] != expected:
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of skops, about numpy names that it no longer needs
        from skops.io import get_untrusted_types, load  # noqa: PLC0415

        path = folder / ESTIMATOR_FILE
        strange = [t for t in get_untrusted_types(file=path) if not t.startswith(TRUSTED_PREFIXES)]
        if strange:
            raise ModelMismatchError(f"{path}: found types {strange}, expected scikit-learn's and numpy's only")
        estimator = load(path, trusted=get_untrusted_types(file=path))
    site: dict[str, Any] = json.loads((folder / SITE_FILE).read_text(encoding="utf-8"))
    plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in site.items()}
    model = SiteModel(**plain)
    return Model(_model_id(manifest), estimator, model, manifest)
