"""Windows of scenes copied into a local catalogue: whole files with checksums, taken up again after a kill.

A scene is gathered in a folder of its own whose name says what is wanted of it, file by file, each written under a
temporary name and renamed; the item is written last and the folder gets its final name. So a file that is there is whole,
and an item that is there has all its files.
"""

import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rasterio
from rasterio.io import MemoryFile
from rasterio.shutil import copy as copy_raster
from shapely.geometry import mapping

from pipeline.aoi import Grid
from pipeline.errors import ProviderForbiddenError, SceneEmptyError, SceneGoneError, SceneUnreadableError
from pipeline.io.items import FETCHED
from pipeline.io.outputs import exclusive, write_whole
from pipeline.io.providers import Piece, Source
from pipeline.io.web import GoneError, shown
from pipeline.io.windows import boxes
from pipeline.provenance import digest, sha256_of
from pipeline.scenes import Asset, Scene

WINDOWS = "overburden:windows"
"""Property of a copied item: the digest of what its files depend on, whatever their numbers mean."""
MULTIHASH_SHA256 = "1220"
"""Prefix of a SHA-256 in the multihash form that the STAC file extension asks for."""
COG = {
    "driver": "COG", "compress": "DEFLATE", "predictor": "2", "blocksize": 512, "overviews": "NONE", "num_threads": "1",
}  # fmt: skip
"""Cloud-optimised GeoTIFF whose bytes follow from the pixels alone."""
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]
_CATALOG_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one scene."""

    scene_id: str
    files: int
    """Files that were copied now; 0: all were there."""
    byte_count: int
    """Bytes of those files on disk."""


def folder_name(scene: Scene) -> str:
    """Return the folder of a scene: its id, with everything but letters, digits, dot, plus, hyphen replaced.

    Examples
    --------
    >>> from types import SimpleNamespace as S
    >>> folder_name(S(id="a/../b c")), folder_name(S(id=".."))
    ('a_.._b_c', '__')
    """
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", scene.id)
    return plain if plain.strip(".") else "_" * len(plain)


def windows_of(scene: Scene, grid: Grid) -> str:
    """Return the digest of everything that the copied files of a scene depend on: its version, addresses and windows."""
    return digest([
        scene.id, scene.processing_baseline, scene.created, grid.crs, [box.bounds for box in boxes(grid)],
        {n: a.href for n, a in sorted(scene.assets.items())},
    ])[:16]  # fmt: skip


def wanted_of(scene: Scene, grid: Grid) -> str:
    """Return the digest of everything that a copy depends on: its files, and what their numbers mean."""
    return digest([windows_of(scene, grid), {n: repr(a.radiometry) for n, a in sorted(scene.assets.items())}])[:16]


def is_fetched(scene: Scene, grid: Grid, folder: Path, *, is_thorough: bool = False) -> bool:
    """Return whether the local catalogue holds the scene over the grid; `is_thorough` reads and checks every file."""
    item = _item_of(folder / folder_name(scene))
    if item is None or item["properties"].get(FETCHED) != wanted_of(scene, grid):
        return False
    return all(_is_whole(folder / folder_name(scene), asset, is_thorough=is_thorough) for asset in item["assets"].values())


def _item_of(place: Path) -> Mapping[str, Any] | None:
    """The item of a folder, None where there is none that can be read."""
    try:
        document = json.loads((place / f"{place.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    is_item = (
        isinstance(document, dict) and isinstance(document.get("properties"), dict) and isinstance(document.get("assets"), dict)
    )
    return document if is_item else None


def _is_whole(place: Path, asset: Mapping[str, Any], *, is_thorough: bool) -> bool:
    """Whether a file has the size, and on demand the checksum, that its item says."""
    path = place / str(asset["href"])
    if not path.is_file() or path.stat().st_size != asset["file:size"]:
        return False
    return not is_thorough or f"{MULTIHASH_SHA256}{sha256_of(path)}" == asset["file:checksum"]


def fetch_scene(source: Source, scene: Scene, grid: Grid, folder: Path, *, is_thorough: bool = False) -> Fetched:
    """Copy the windows of one scene into the local catalogue, where they are not there yet.

    Parameters
    ----------
    source : Source
        The scene's catalogue.
    scene : Scene
        What to copy; every asset that it has.
    grid : Grid
        The area's grid: the windows are its chunks with a margin.
    folder : Path
        Folder of the local catalogue.
    is_thorough : bool
        Check the files that are there by their checksums, not only by size.

    Raises
    ------
    SceneUnreadableError, SceneGoneError, SceneEmptyError
        This scene cannot be copied; others may.
    ProviderError
        The server fails or refuses, or the budget is spent; what was copied is kept.
    """
    if is_fetched(scene, grid, folder, is_thorough=is_thorough):
        return Fetched(scene.id, 0, 0)
    final = folder / folder_name(scene)
    work = folder / f".{final.name}.{wanted_of(scene, grid)}"
    work.mkdir(parents=True, exist_ok=True)
    _take_over(final, work, windows_of(scene, grid))
    missing = [name for name in scene.assets if not (work / f"{name}.tif").exists()]
    size = 0
    try:
        for name, piece in source.pieces(scene, missing, grid):
            _write_cog(work / f"{name}.tif", piece)
            size += (work / f"{name}.tif").stat().st_size
    except (GoneError, ProviderForbiddenError) as error:
        if isinstance(error, ProviderForbiddenError) and source.must_fetch:  # the service refuses us, not one of its files
            raise
        raise SceneGoneError(
            f"scene {scene.id}: the catalogue lists a file that its server does not have ({error}); the next fetch tries again"
        ) from error
    except rasterio.errors.RasterioError as error:
        raise SceneUnreadableError(
            f"scene {scene.id}: {str(error.__cause__ or error).splitlines()[0]}; expected whole rasters; fetch again later"
        ) from error
    _finish(scene, source, work, final, {FETCHED: wanted_of(scene, grid), WINDOWS: windows_of(scene, grid)})
    return Fetched(scene.id, len(missing), size)


def _take_over(final: Path, work: Path, windows: str) -> None:
    """Take whole files of a copy that is damaged, or whose numbers mean something else now; those of other windows stay."""
    item = _item_of(final)
    if item is None or item["properties"].get(WINDOWS) != windows:
        return
    for asset in item["assets"].values():
        target = work / Path(str(asset["href"])).name
        if not target.exists() and _is_whole(final, asset, is_thorough=True):
            (final / str(asset["href"])).rename(target)


def _finish(scene: Scene, source: Source, work: Path, final: Path, digests: Mapping[str, str]) -> None:
    """Write the item and give the folder its name."""
    absent = [name for name in scene.assets if not (work / f"{name}.tif").exists()]
    if absent:
        raise SceneEmptyError(
            f"scene {scene.id}: no file touches the area for {', '.join(absent)} although its footprint does; expected pixels"
        )
    (work / f"{final.name}.json").unlink(missing_ok=True)
    write_whole(work / f"{final.name}.json", json.dumps(_item(scene, source, work, digests), indent=1))
    if final.exists():
        aside = Path(tempfile.mkdtemp(dir=final.parent, prefix=f".{final.name}.old."))
        final.rename(aside / final.name)
        work.rename(final)
        shutil.rmtree(aside)
    else:
        work.rename(final)


def _write_cog(path: Path, piece: Piece) -> None:
    """Write the pixels as a cloud-optimised GeoTIFF, whole or not at all."""
    height, width = piece.values.shape
    profile = {
        "driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": piece.values.dtype, "crs": piece.crs,
        "transform": piece.transform, "nodata": piece.nodata,
    }  # fmt: skip
    with MemoryFile() as memory, MemoryFile() as packed:
        with memory.open(**profile) as raster:
            raster.write(piece.values, 1)
        with memory.open() as raster:
            copy_raster(raster, packed.name, **COG)
        write_whole(path, bytes(packed.getbuffer()))


def _item(scene: Scene, source: Source, work: Path, digests: Mapping[str, str]) -> dict[str, object]:
    """STAC item of a copied scene: nothing in it depends on when it was copied."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": scene.id,
        "stac_extensions": EXTENSIONS,
        "collection": "sentinel-2-l2a",
        "geometry": mapping(scene.footprint),
        "bbox": list(scene.footprint.bounds),
        "properties": {
            "datetime": scene.sensed_at.isoformat().replace("+00:00", "Z"),
            "platform": scene.platform,
            "constellation": "sentinel-2",
            "grid:code": scene.tile,
            "s2:processing_baseline": scene.processing_baseline,
            "s2:datatake_id": f"{scene.datatake_id}_N{scene.processing_baseline}",
            **({"updated": scene.created} if scene.created else {}),
            "overburden:source": shown(source.settings.catalog) if "://" in source.settings.catalog else source.name,
            **digests,
        },
        "links": [{"rel": "root", "href": "../catalog.json"}, {"rel": "parent", "href": "../catalog.json"}],
        "assets": {name: _asset(name, asset, work / f"{name}.tif") for name, asset in scene.assets.items()},
    }


def _asset(name: str, asset: Asset, path: Path) -> dict[str, object]:
    """STAC asset of a copied file, with its checksum, radiometry and where it came from."""
    with rasterio.open(path) as source:
        band: dict[str, object] = {"data_type": source.dtypes[0], "nodata": 0, "spatial_resolution": source.transform.a}
        shape, transform, epsg = list(source.shape), list(source.transform)[:6], source.crs.to_epsg()
    if asset.radiometry is not None:
        band |= {"nodata": asset.radiometry.nodata, "scale": asset.radiometry.scale, "offset": asset.radiometry.offset}
    return {
        "href": f"./{name}.tif",
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "raster:bands": [band],
        "proj:epsg": epsg,
        "proj:shape": shape,
        "proj:transform": transform,
        "file:size": path.stat().st_size,
        "file:checksum": f"{MULTIHASH_SHA256}{sha256_of(path)}",
        "overburden:source_href": shown(asset.href) if "://" in asset.href else Path(asset.href).name,
    }


def write_catalog(folder: Path) -> Path:
    """Write `catalog.json` over every item of the folder, in order of name, and return its path."""
    with _CATALOG_LOCK:
        folder.mkdir(parents=True, exist_ok=True)
        names = sorted(p.name for p in folder.iterdir() if not p.name.startswith(".") and (p / f"{p.name}.json").is_file())
        links: list[dict[str, str]] = [{"rel": "root", "href": "./catalog.json"}]
        links += [{"rel": "item", "href": f"./{n}/{n}.json", "type": "application/geo+json"} for n in names]
        document = {
            "type": "Catalog", "stac_version": "1.0.0", "id": folder.name, "description": "Windows of Sentinel-2 scenes",
            "links": links,
        }  # fmt: skip
        path = folder / "catalog.json"
        write_whole(path, json.dumps(document, indent=1))
        return path


def sole_use(folder: Path) -> AbstractContextManager[None]:
    """Return the lock of a local catalogue: two fetches into one folder would take each other's files away.

    Raises
    ------
    StoreBusyError
        Another process holds it, when it is entered.
    """
    return exclusive(folder.parent / f".{folder.name}.lock", f"local catalogue {folder}")


def remove_unfinished(folder: Path, scenes: Sequence[Scene], grid: Grid) -> int:
    """Remove what a fetch left unfinished of scenes and windows that are not wanted any more; returns their number."""
    wanted = {f".{folder_name(s)}.{wanted_of(s, grid)}" for s in scenes}
    stale = [p for p in folder.glob(".*") if p.is_dir() and p.name not in wanted]
    for path in stale:
        shutil.rmtree(path)
    return len(stale)


def log_fetched(folder: Path, line: Mapping[str, object]) -> None:
    """Append one line to `fetched.jsonl`: what was copied from where and when, apart from the items, which have no clock."""
    with _CATALOG_LOCK, (folder / "fetched.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, sort_keys=True) + "\n")
        file.flush()
        os.fsync(file.fileno())
