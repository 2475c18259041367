"""Proof: what an evidence folder holds for one alert, as bytes that are the same for the same inputs."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import shapely
from PIL import Image, ImageDraw, ImageFont
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from shapely.geometry import mapping

from pipeline import geo
from pipeline.alerts import Alert

PICTURE_PX = 720
"""Longer side of a picture; pixels are enlarged without smoothing."""
STRETCH_TOP = 0.28
"""Reflectance shown as white; both dates share it, so that they can be compared."""
OUTLINE = (255, 214, 0)
CAPTION_PX = 54


@dataclass(frozen=True)
class Look:
    """One date over the window of a site."""

    sensed_on: date
    scene_ids: tuple[str, ...]
    bands: Mapping[str, np.ndarray]
    """float32 (y, x) reflectance by band; NaN without data."""
    clear: np.ndarray
    """bool (y, x)."""


@dataclass(frozen=True)
class EvidenceInputs:
    """Everything an evidence folder is made from."""

    alert: Alert
    crs: str
    transform: Affine
    before: Look
    after: Look
    series: pd.DataFrame
    """sensed_on, scene_id, clear_pct and one column for each index: means over the clear pixels of the site."""
    scenes: Sequence[Mapping[str, object]]
    attribution: str
    is_simulated: bool


def true_colour(bands: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a picture: uint8 (y, x, 3), gamma 1/1.6, grey where there is no data."""
    layers = np.stack([bands[b] for b in ("red", "green", "blue")], axis=-1)
    known = np.isfinite(layers).all(axis=-1, keepdims=True)
    shown = np.clip(np.nan_to_num(layers) / STRETCH_TOP, 0.0, 1.0) ** (1.0 / 1.6)
    return np.where(known, np.rint(255.0 * shown), 128).astype(np.uint8)


def _png(image: Image.Image) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def true_colour_png(bands: Mapping[str, np.ndarray], *, scale: int = 1) -> bytes:
    """Return a true-colour PNG, each pixel enlarged `scale` times."""
    image = Image.fromarray(true_colour(bands))
    return _png(image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST))


def _rings(alert: Alert, crs: str, transform: Affine) -> list[list[tuple[float, float]]]:
    """Rings of the outline in fractional (column, row)."""
    local = geo.reproject(alert.geometry, geo.WGS84, crs)
    inverse = ~transform
    rings = []
    for part in shapely.get_parts(local).tolist():
        for ring in (part.exterior, *part.interiors):
            rings += [[inverse @ xy for xy in ring.coords]]
    return rings


def _scale_bar_m(width_m: float) -> int:
    """A round length of about a quarter of the picture."""
    steps = (50, 100, 200, 500, 1000, 2000, 5000)
    return max((s for s in steps if s <= width_m / 3), default=steps[0])


def _picture(inputs: EvidenceInputs, look: Look, title: str) -> bytes:
    """One dated picture: pixels, outline, scale bar, north arrow, caption."""
    pixels = true_colour(look.bands)
    height, width = pixels.shape[:2]
    zoom = max(1, PICTURE_PX // max(height, width))
    ground = Image.fromarray(pixels).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
    image = Image.new("RGB", (max(ground.width, 420), ground.height + CAPTION_PX), (255, 255, 255))
    image.paste(ground, (0, 0))
    draw = ImageDraw.Draw(image)
    for ring in _rings(inputs.alert, inputs.crs, inputs.transform):
        draw.line([(x * zoom, y * zoom) for x, y in ring], fill=OUTLINE, width=2)
    font, small = ImageFont.load_default(15), ImageFont.load_default(11)
    metres = _scale_bar_m(width * 10.0)
    bar, base = metres / 10.0 * zoom, ground.height - 12
    draw.rectangle((10, base - 5, 10 + bar, base), fill=(255, 255, 255), outline=(0, 0, 0))
    draw.text((14, base - 24), f"{metres} m", fill=(255, 255, 255), font=font, stroke_width=2, stroke_fill=(0, 0, 0))
    north = ground.width - 22
    draw.polygon([(north, 12), (north - 8, 34), (north + 8, 34)], fill=(255, 255, 255), outline=(0, 0, 0))
    draw.text((north - 5, 36), "N", fill=(255, 255, 255), font=font, stroke_width=2, stroke_fill=(0, 0, 0))
    mark = "SIMULATED. " if inputs.is_simulated else ""
    draw.text((8, ground.height + 4), f"{title}: {look.sensed_on.isoformat()}", fill=(0, 0, 0), font=font)
    draw.text((8, ground.height + 26), f"{mark}{inputs.attribution}", fill=(80, 80, 80), font=small)
    draw.text((8, ground.height + 39), ", ".join(look.scene_ids)[:80], fill=(80, 80, 80), font=small)
    return _png(image)


def _geotiff(look: Look, crs: str, transform: Affine) -> bytes:
    """The reflectance of a look as GeoTIFF: float32, NaN without data, a described band each."""
    names = list(look.bands)
    stack = np.stack([look.bands[n] for n in names]).astype(np.float32)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=stack.shape[1], width=stack.shape[2], count=len(names), dtype="float32", crs=crs,
            transform=transform, nodata=float("nan"), compress="deflate", predictor=3,
        ) as out:  # fmt: skip
            out.write(stack)
            for i, name in enumerate(names, 1):
                out.set_band_description(i, f"{name} surface reflectance")
        return bytes(memory.read())


def _series_png(inputs: EvidenceInputs) -> bytes:
    """The index series as a figure, with the days of detection and confirmation."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - half a second that few need
    from matplotlib.dates import date2num  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    seen = inputs.series[inputs.series["clear_pct"] >= 50.0]
    figure = Figure(figsize=(8.0, 3.4), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    days = pd.to_datetime(seen["sensed_on"])
    for name, colour in (("ndvi", "#1b7837"), ("bsi", "#b35806"), ("mndwi", "#2166ac")):
        axes.plot(days, seen[name], marker="o", markersize=3, linewidth=1, color=colour, label=name.upper())
    for name, style, words in (("first_detected_on", "--", "first detected"), ("confirmed_on", ":", "confirmed")):
        day = inputs.alert.properties[name]
        if day is not None:
            axes.axvline(
                float(date2num(pd.Timestamp(str(day)))), color="#444444", linestyle=style, linewidth=1, label=f"{words} {day}"
            )
    axes.set_ylim(-1.0, 1.0)
    axes.set_ylabel("index, mean over the site")
    axes.set_title(f"Clear looks at the site{' (simulated)' if inputs.is_simulated else ''}", fontsize=10)
    axes.grid(visible=True, linewidth=0.3)
    axes.legend(fontsize=7, ncols=3, loc="lower left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _json(value: object) -> bytes:
    """JSON bytes for people."""
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def evidence_files(inputs: EvidenceInputs) -> dict[str, bytes]:
    """Return the files of an evidence folder by name; `manifest.json` has the SHA-256 and size of the others."""
    alert = inputs.alert
    files = {
        "before.png": _picture(inputs, inputs.before, "Before"),
        "after.png": _picture(inputs, inputs.after, "After"),
        "before.tif": _geotiff(inputs.before, inputs.crs, inputs.transform),
        "after.tif": _geotiff(inputs.after, inputs.crs, inputs.transform),
        "series.csv": inputs.series.to_csv(index=False, lineterminator="\n").encode(),
        "series.png": _series_png(inputs),
        "scenes.json": _json(list(inputs.scenes)),
        "alert.json": _json({"id": alert.id, "geometry": mapping(alert.geometry), "properties": dict(alert.properties)}),
    }
    listed = {n: {"sha256": hashlib.sha256(b).hexdigest(), "bytes": len(b)} for n, b in sorted(files.items())}
    files["manifest.json"] = _json(
        {"alert_id": alert.id, "revision": alert.properties["revision"], "is_simulated": inputs.is_simulated,
         "attribution": inputs.attribution, "files": listed}
    )  # fmt: skip
    return files
