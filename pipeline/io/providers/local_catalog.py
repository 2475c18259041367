"""A static STAC catalogue on disk, as `overburden scenes fetch` writes it, or anybody else's of that form."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.aoi import Area, Grid
from pipeline.errors import CatalogUnreadableError, PipelineError
from pipeline.io.file_marks import mark_of
from pipeline.io.items import Json, is_remote, scene_or_reason
from pipeline.io.providers import Cost, Piece, Provider, SourceSettings, Unusable
from pipeline.io.windows import cost_of, native_pieces, open_path
from pipeline.provenance import digest
from pipeline.scenes import Scene


@dataclass
class LocalCatalog:
    """An opened static catalogue."""

    settings: SourceSettings
    name: str = "local catalogue"
    must_fetch: bool = False

    def scenes(self, area: Area, start: date | None, until: date) -> Iterator[Scene | Unusable]:  # noqa: ARG002 - it has no search
        """Yield every item of the catalogue and its children.

        Raises
        ------
        CatalogUnreadableError
            The catalogue or a child of it is no STAC document.
        """
        for path, item in _static_items(Path(self.settings.catalog)):
            yield scene_or_reason(item, path, self.settings)

    def listing(self) -> str:
        """Return a digest of what the catalogue lists: which files, and their marks. No item is read.

        Raises
        ------
        CatalogUnreadableError
            The catalogue or a child of it is no STAC document.
        """
        return digest([[path, mark_of(path)] for path in _listed(self.settings.catalog)])

    open = staticmethod(open_path)
    """Files on this machine are opened as such, and stay open for the next chunk (`io.rasters.Panes`)."""

    def pieces(self, scene: Scene, names: Sequence[str], grid: Grid) -> Iterator[tuple[str, Piece]]:
        """Yield windows of the files."""
        return native_pieces(scene, names, grid, self.open)

    def cost(self, scene: Scene, grid: Grid) -> Cost:
        """Return the pixels to read."""
        return cost_of(scene, grid)


def _read_json(path: Path) -> Json:
    """JSON object of a file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CatalogUnreadableError(
            f"{path}: {error}; expected a STAC document; check the path and that the file is whole"
        ) from error
    if not isinstance(document, dict):
        raise CatalogUnreadableError(f"{path}: found a JSON {type(document).__name__}, expected a STAC object")
    return document


def _links(document: Json, rel: str, base: Path) -> Iterator[Path]:
    """Paths of the links of one kind."""
    links = document.get("links")
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and link.get("rel") == rel and isinstance(link.get("href"), str):
            yield (base.parent / link["href"]).resolve()


def _static_items(catalog: Path) -> Iterator[tuple[Path, Json | PipelineError]]:
    """Every item of a static catalogue with its path, children included, each file once."""
    pending, seen = [catalog.resolve()], set()
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        document = _read_json(path)
        if document.get("type") not in {"Catalog", "Collection"}:
            raise CatalogUnreadableError(
                f"{path}: found type {document.get('type')!r}, expected a STAC Catalog or Collection; "
                "give the path of catalog.json"
            )
        pending.extend(_links(document, "child", path))
        for item in _links(document, "item", path):
            try:
                yield item, _read_json(item)
            except CatalogUnreadableError as error:
                yield item, error


def _listed(catalog: str) -> list[str]:
    """Paths of a static catalogue, its children and its items, as the documents write them."""
    pending, listed = [catalog], dict[str, None]()
    while pending:
        path = pending.pop()
        if path in listed:
            continue
        listed[path] = None
        document = _read_json(Path(path))
        links = document.get("links")
        for link in links if isinstance(links, list) else []:
            if isinstance(link, dict) and isinstance(link.get("href"), str) and link.get("rel") in {"child", "item"}:
                # the same file under two spellings is marked twice: no harm, and no path is resolved
                place = os.path.join(os.path.dirname(path), link["href"])  # noqa: PTH118, PTH120
                if link["rel"] == "child":
                    pending.append(os.path.normpath(place))
                else:
                    listed[place] = None
    return sorted(listed)


def _takes(catalog: str) -> bool:
    """Whether the catalogue is a path of a JSON document, there or not."""
    return not is_remote(catalog) and "://" not in catalog and Path(catalog).suffix.lower() == ".json"


PROVIDER = Provider("local catalogue", _takes, LocalCatalog)
