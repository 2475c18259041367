"""What was seen of a site: pictures, rasters, masks and series, as bytes that are the same for the same inputs.

Receives an alert, a look before and one after, the series of all looks and the scenes; hands on files by name. An
expert can repeat the numbers from the rasters.
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import shapely
from PIL import Image, ImageDraw, ImageFont
from rasterio.features import geometry_mask
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from pipeline import geo
from pipeline.alerts import Alert
from pipeline.errors import CubeContractError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PICTURE_PX = 720
"""Longer side of a picture; pixels are enlarged without smoothing."""
LEAST_WIDTH_PX = 520
CAPTION_PX = 62
TRUE_COLOUR = {"red": 0.28, "green": 0.28, "blue": 0.28}
"""Bands of a picture and the reflectance shown as full; all dates share it, so that they can be compared."""
FALSE_COLOUR = {"swir16": 0.45, "nir": 0.45, "red": 0.28}
GAMMA = 1.6
NO_DATA_GREY = 128
OUTLINE = (255, 214, 0)
CLEAR_LOOK_PCT = 50.0
"""Looks that show less of the site are drawn hollow and not joined."""
INDEX_PANELS = (
    (("ndvi", "#1B7837"), ("ndmi", "#56B4E9"), ("nbr", "#CC79A7")),
    (("bsi", "#D55E00"), ("mndwi", "#0072B2"), ("turbidity", "#8C6D1F")),
)
DAYS = (
    ("last_clear_unchanged_on", "-.", "last seen unchanged"),
    ("first_detected_on", "--", "first detected"),
    ("confirmed_on", ":", "confirmed"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """One date over the window of a site."""

    sensed_on: date
    scene_ids: tuple[str, ...]
    bands: Mapping[str, np.ndarray]
    """float32 (y, x) reflectance by band; NaN without data."""
    clear: np.ndarray
    """bool (y, x)."""


@dataclass(frozen=True, slots=True)
class EvidenceInputs:
    """Everything that pictures, rasters and series are made from."""

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


# --- pictures --------------------------------------------------------------------------------------------------------


def composite(bands: Mapping[str, np.ndarray], shown: Mapping[str, float] = TRUE_COLOUR) -> np.ndarray:
    """Return a picture of three bands: uint8 (y, x, 3), gamma 1/1.6, grey where one of them has no data.

    Parameters
    ----------
    bands : mapping of str to ndarray
        float32 (y, x) reflectance by band; NaN without data.
    shown : mapping of str to float
        The bands for red, green and blue, each with the reflectance that is shown as full.

    Raises
    ------
    CubeContractError
        A band is missing.
    """
    missing = [name for name in shown if name not in bands]
    if missing:
        raise CubeContractError(
            f"found bands {', '.join(bands)} for a picture, expected {', '.join(shown)}: {', '.join(missing)} missing; "
            "read the scenes with these bands"
        )
    layers = np.stack([bands[name] / np.float32(top) for name, top in shown.items()], axis=-1)
    known = np.isfinite(layers).all(axis=-1, keepdims=True)
    bright = np.clip(np.nan_to_num(layers), 0.0, 1.0) ** (1.0 / GAMMA)
    return np.where(known, np.rint(255.0 * bright), NO_DATA_GREY).astype(np.uint8)


def true_colour(bands: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a true-colour picture: uint8 (y, x, 3); see `composite`."""
    return composite(bands, TRUE_COLOUR)


def _png(image: Image.Image) -> bytes:
    """A picture as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def true_colour_png(bands: Mapping[str, np.ndarray], *, scale: int = 1) -> bytes:
    """Return a true-colour PNG, each pixel enlarged `scale` times."""
    image = Image.fromarray(true_colour(bands))
    return _png(image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST))


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which has the letters of most names; it comes with matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and few commands draw

    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def _rings(inputs: EvidenceInputs) -> list[list[tuple[float, float]]]:
    """Rings of the outline in fractional (column, row)."""
    local = geo.reproject(inputs.alert.geometry, geo.WGS84, inputs.crs)
    inverse = ~inputs.transform
    return [
        [inverse @ xy for xy in ring.coords]
        for part in shapely.get_parts(local).tolist()
        for ring in (part.exterior, *part.interiors)
    ]


def _scale_bar_m(width_m: float) -> int:
    """A round length of at most a third of the picture."""
    steps = (50, 100, 200, 500, 1000, 2000, 5000, 10_000)
    return max((s for s in steps if s <= width_m / 3), default=steps[0])


def true_north_deg(x: float, y: float, crs: str) -> float:
    """Return the angle, in degrees clockwise, from the grid's up to true north at a point of a CRS."""
    ((lon, lat),) = geo.reproject(shapely.Point(x, y), crs, geo.WGS84).coords
    (x0, y0), (x1, y1) = geo.reproject(shapely.LineString([(lon, lat), (lon, lat + 0.01)]), geo.WGS84, crs).coords
    return math.degrees(math.atan2(x1 - x0, y1 - y0))


def _hatched(pixels: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """The enlarged picture with light diagonal lines over what was not clear."""
    y, x = np.indices(pixels.shape[:2])
    lines = ~clear & ((x + y) % 9 < 1)
    return np.where(lines[..., None], 255, pixels).astype(np.uint8)


def _draw_marks(draw: ImageDraw.ImageDraw, inputs: EvidenceInputs, zoom: int, size: tuple[int, int]) -> None:
    """Outline, scale bar and north arrow over the enlarged picture of (width, height)."""
    width, height = size
    for colour, thick in (((0, 0, 0), 4), (OUTLINE, 2)):
        for ring in _rings(inputs):
            draw.line([(x * zoom, y * zoom) for x, y in ring], fill=colour, width=thick, joint="curve")
    white, black = (255, 255, 255), (0, 0, 0)
    pixel_m = abs(inputs.transform.a)
    metres = _scale_bar_m(width / zoom * pixel_m)
    bar, base = metres / pixel_m * zoom, height - 10
    draw.rectangle((10, base - 5, 10 + bar, base), fill=white, outline=black)
    draw.text((12, base - 26), f"{metres} m", fill=white, font=_font(14), stroke_width=2, stroke_fill=black)
    north = math.radians(true_north_deg(inputs.transform.c, inputs.transform.f, inputs.crs))
    dx, dy = math.sin(north), -math.cos(north)
    x, y = width - 26, 30
    arrow = [(x + 20 * dx, y + 20 * dy), (x - 12 * dx - 8 * dy, y - 12 * dy + 8 * dx), (x - 5 * dx, y - 5 * dy),
             (x - 12 * dx + 8 * dy, y - 12 * dy - 8 * dx)]  # fmt: skip
    draw.polygon(arrow, fill=white, outline=black)
    draw.text((x, y + 24), "N", fill=white, font=_font(14), anchor="mm", stroke_width=2, stroke_fill=black)


def _caption(inputs: EvidenceInputs, look: Look, title: str) -> tuple[str, str, str]:
    """The lines under a picture."""
    hidden = 100.0 * float((~look.clear).mean())
    seen = f"; {hidden:.0f} % of it not clear (hatched)" if hidden >= 0.5 else ""
    first = f"{title}: {look.sensed_on.isoformat()}{seen}"
    source = f"Site {str(inputs.alert.properties['site_id'])[:8]}. {inputs.attribution}"
    scenes = look.scene_ids
    return first, source, ", ".join(scenes[:2]) + (f" and {len(scenes) - 2} more" if len(scenes) > 2 else "")


def _picture(inputs: EvidenceInputs, look: Look, title: str, bands: Mapping[str, float]) -> bytes:
    """One dated picture: pixels, outline, scale bar, north arrow, caption."""
    pixels = composite(look.bands, bands)
    height, width = pixels.shape[:2]
    zoom = max(1, PICTURE_PX // max(height, width))
    large = pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)
    ground = Image.fromarray(_hatched(large, look.clear.repeat(zoom, axis=0).repeat(zoom, axis=1)))
    image = Image.new("RGB", (max(ground.width, LEAST_WIDTH_PX), ground.height + CAPTION_PX), (255, 255, 255))
    _draw_marks(ImageDraw.Draw(ground), inputs, zoom, ground.size)
    image.paste(ground, (0, 0))
    draw = ImageDraw.Draw(image)
    if inputs.is_simulated:
        draw.rectangle((0, 0, 116, 24), fill=(255, 221, 87))
        draw.text((8, 4), "SIMULATED", fill=(61, 47, 0), font=_font(14))
    lines = zip(_caption(inputs, look, title), (4, 26, 43), (15, 11, 11), ((0, 0, 0), (70, 70, 70), (70, 70, 70)), strict=True)
    for text, y, size, colour in lines:
        draw.text((8, ground.height + y), text, fill=colour, font=_font(size))
    return _png(image)


# --- rasters ---------------------------------------------------------------------------------------------------------


def _geotiff(look: Look, inputs: EvidenceInputs) -> bytes:
    """The reflectance of a look as GeoTIFF: float32, NaN without data, a described band each, and `clear` as 1 or 0."""
    names = [*look.bands, "clear"]
    stack = np.stack([*look.bands.values(), look.clear]).astype(np.float32)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=stack.shape[1], width=stack.shape[2], count=len(names), dtype="float32",
            crs=inputs.crs, transform=inputs.transform, nodata=float("nan"), compress="deflate", predictor=3,
        ) as out:  # fmt: skip
            out.write(stack)
            out.update_tags(
                sensed_on=look.sensed_on.isoformat(), scene_ids=" ".join(look.scene_ids),
                attribution=inputs.attribution, is_simulated="yes" if inputs.is_simulated else "no",
            )  # fmt: skip
            for i, name in enumerate(names, 1):
                out.set_band_description(i, name if name == "clear" else f"{name} surface reflectance")
        return bytes(memory.read())


def _masks(inputs: EvidenceInputs) -> bytes:
    """Pixels of the site and what was clear on both dates as GeoTIFF: uint8, 1 or 0, a described band each."""
    height, width = inputs.before.clear.shape
    local = geo.reproject(inputs.alert.geometry, geo.WGS84, inputs.crs)
    inside = geometry_mask([local], (height, width), inputs.transform, invert=True)
    layers = {"site": inside, "clear before": inputs.before.clear, "clear after": inputs.after.clear}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=height, width=width, count=len(layers), dtype="uint8", crs=inputs.crs,
            transform=inputs.transform, compress="deflate",
        ) as out:  # fmt: skip
            out.write(np.stack(list(layers.values())).astype(np.uint8))
            for i, name in enumerate(layers, 1):
                out.set_band_description(i, name)
        return bytes(memory.read())


# --- series ----------------------------------------------------------------------------------------------------------


def _draw_panel(axes: "Axes", series: pd.DataFrame, indices: Sequence[tuple[str, str]]) -> None:
    """Lines through the clear looks of some indices, and hollow marks for looks that showed less of the site."""
    from matplotlib.dates import AutoDateLocator  # noqa: PLC0415 - as below
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    days = pd.to_datetime(series["sensed_on"])
    clear = (series["clear_pct"] >= CLEAR_LOOK_PCT).to_numpy()
    partly = (series["clear_pct"] > 0.0).to_numpy() & ~clear
    for name, colour in indices:
        if name in series and series[name].notna().any():
            axes.plot(
                days[clear], series[name][clear], marker="o", markersize=3.2, linewidth=1, color=colour, label=name.upper()
            )
            axes.plot(days[partly], series[name][partly], marker="o", markersize=3.2, linewidth=0, markerfacecolor="none",
                      markeredgewidth=0.7, color=colour)  # fmt: skip
    axes.set_ylabel("index, mean over the site", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.yaxis.set_major_locator(MaxNLocator(4))  # ticks are most of what drawing costs
    axes.xaxis.set_major_locator(AutoDateLocator(maxticks=6))
    axes.grid(visible=True, linewidth=0.3)


def _series_png(inputs: EvidenceInputs) -> bytes:
    """The index series as a figure, with the looks that saw nothing and the days of detection and confirmation."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - half a second that few need
    from matplotlib.dates import date2num  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    series = inputs.series.sort_values("sensed_on", kind="stable")
    figure = Figure(figsize=(8.0, 5.2), dpi=90)
    FigureCanvasAgg(figure)
    figure.subplots_adjust(left=0.085, right=0.985, top=0.90, bottom=0.06, hspace=0.16)
    panels = figure.subplots(2, 1, sharex=True)
    for axes, indices in zip(panels, INDEX_PANELS, strict=True):
        _draw_panel(axes, series, indices)
        for name, style, words in DAYS:
            day = inputs.alert.properties[name]
            label = f"{words} {day}" if axes is panels[0] else None
            if day is not None:
                axes.axvline(
                    float(date2num(pd.Timestamp(str(day)))), color="#333333", linestyle=style, linewidth=1, label=label
                )
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, ncols=3, loc="lower left", framealpha=0.85)
    unseen = pd.to_datetime(series["sensed_on"][series["clear_pct"] <= 0.0])
    panels[1].plot(unseen, [0.02] * len(unseen), "|", color="#777777", markersize=7, transform=panels[1].get_xaxis_transform())
    simulated = "SIMULATED. " if inputs.is_simulated else ""
    figure.suptitle(
        f"{simulated}Site {str(inputs.alert.properties['site_id'])[:8]}: filled marks are looks with at least "
        f"{CLEAR_LOOK_PCT:.0f} % of it clear,\nhollow ones show less, ticks at the foot saw nothing",
        fontsize=9,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 2})
    return buffer.getvalue()


# --- the files -------------------------------------------------------------------------------------------------------


def _json(value: object) -> bytes:
    """JSON bytes for people."""
    return (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def _pictures(inputs: EvidenceInputs) -> dict[str, bytes]:
    """Both dates in true colour, and in false colour where the bands are there."""
    files = {}
    for name, look, title in (("before", inputs.before, "Before"), ("after", inputs.after, "After")):
        files[f"{name}.png"] = _picture(inputs, look, title, TRUE_COLOUR)
        if all(band in look.bands and np.isfinite(look.bands[band]).any() for band in FALSE_COLOUR):
            words = f"{title}, shortwave and near infrared"
            files[f"{name}_falsecolour.png"] = _picture(inputs, look, words, FALSE_COLOUR)
    return files


def evidence_files(inputs: EvidenceInputs) -> dict[str, bytes]:
    """Return what was seen, as files by name; the same inputs always give the same bytes.

    Raises
    ------
    CubeContractError
        A look lacks red, green or blue.
    """
    return {
        **_pictures(inputs),
        "before.tif": _geotiff(inputs.before, inputs),
        "after.tif": _geotiff(inputs.after, inputs),
        "masks.tif": _masks(inputs),
        "series.csv": inputs.series.to_csv(index=False, lineterminator="\n").encode(),
        "series.png": _series_png(inputs),
        "scenes.json": _json(list(inputs.scenes)),
    }
