"""The calendar picture of a period: what each day was for an area, and how often each chunk was seen clear."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from pipeline.coverage import Cell, Coverage, area_cells

SIDE = 20
"""Side of a day's square in pixels."""
MARGIN = 24
GAP = 8
MOST_DAYS = 62
"""Days up to which the rows of chunks show each day; longer periods show months."""
INK, GREY, LINE = (30, 30, 30), (105, 105, 105), (205, 205, 205)
WHITE = (255, 255, 255)
Colour = tuple[int, int, int]
COLOURS: dict[Coverage, Colour] = {
    Coverage.CLEAR: (0, 114, 178),
    Coverage.PARTLY_CLEAR: (134, 200, 240),
    Coverage.CLOUDY: (168, 168, 168),
    Coverage.NOT_IMAGED: (238, 238, 238),
    Coverage.FAILED: (213, 94, 0),
    Coverage.NOT_LISTED: (240, 228, 66),
    Coverage.SUPERSEDED: (204, 121, 167),
    Coverage.NO_ACQUISITION: WHITE,
}
"""After Okabe and Ito: told apart by people who see fewer colours; the marks tell them apart in grey."""
WORDS = {
    Coverage.CLEAR: "clear: at least half of it",
    Coverage.PARTLY_CLEAR: "partly clear: 5 to 50 %",
    Coverage.CLOUDY: "cloudy",
    Coverage.NOT_IMAGED: "not imaged: outside of the scenes",
    Coverage.FAILED: "failed: a scene could not be used",
    Coverage.NOT_LISTED: "not listed: a pass that the catalogue lacks",
    Coverage.SUPERSEDED: "superseded scenes only",
    Coverage.NO_ACQUISITION: "no acquisition",
}
PALE, DEEP, FULL_LOOKS = (222, 236, 247), COLOURS[Coverage.CLEAR], 6
"""Colours of one clear day in a month and of `FULL_LOOKS` or more."""


@dataclass(frozen=True, slots=True)
class CalendarInputs:
    """What the picture shows."""

    title: str
    first: date
    last: date
    cells: Sequence[Cell]
    """Of every chunk, as `coverage.cells` gives them."""
    is_simulated: bool = False


@lru_cache(maxsize=8)
def _font(size: int, *, is_bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and few commands draw

    name = "DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, size)


@dataclass(frozen=True, slots=True)
class _Block:
    """A table of squares with labels."""

    title: str
    rows: Sequence[str]
    heads: Sequence[tuple[str, str]]
    """Two lines above each column; an empty upper one goes on with the one before."""
    draw: Callable[[ImageDraw.ImageDraw, int, int, tuple[int, int]], None]
    """Draws row, column at a place."""

    @property
    def label_px(self) -> int:
        """Width of the labels."""
        return round(max(_font(11).getlength(name) for name in self.rows)) + GAP

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        width = max(self.label_px + SIDE * len(self.heads), round(_font(13, is_bold=True).getlength(self.title)))
        return width, self.head_px + SIDE * len(self.rows)

    @property
    def head_px(self) -> int:
        """Height of the title and the heads of the columns."""
        return 24 + (32 if any(above for above, _ in self.heads) else 18)


def calendar_png(inputs: CalendarInputs) -> bytes:
    """Return the calendar of a period as PNG; the same inputs always give the same bytes.

    The upper part has a row for each month and a square for each day: what the area as a whole was. Below stands a row for each
    chunk where there is more than one: day by day in a short period, else the number of clear days of each month.
    """
    blocks = [_calendar(inputs)]
    chunks = sorted({c.chunk_id for c in inputs.cells})
    if len(chunks) > 1:
        is_short = (inputs.last - inputs.first).days < MOST_DAYS
        blocks.append(_chunk_days(inputs, chunks) if is_short else _chunk_months(inputs, chunks))
    title_px = round(_font(16, is_bold=True).getlength(_title(inputs)))
    width = max(title_px, *(b.size[0] for b in blocks)) + 2 * MARGIN
    legend = _legend_places(width - 2 * MARGIN)
    height = MARGIN + 34 + sum(b.size[1] + MARGIN for b in blocks) + (max(y for _, y in legend) + SIDE) + MARGIN
    image = Image.new("RGB", (width, height), WHITE)
    draw = ImageDraw.Draw(image)
    draw.text((MARGIN, MARGIN), _title(inputs), fill=INK, font=_font(16, is_bold=True))
    y = MARGIN + 34
    for block in blocks:
        _draw_block(draw, block, y)
        y += block.size[1] + MARGIN
    for kind, (dx, dy) in zip(COLOURS, legend, strict=True):
        _square(draw, kind, (MARGIN + dx, y + dy))
        draw.text((MARGIN + dx + SIDE + GAP, y + dy + SIDE // 2), WORDS[kind], fill=INK, font=_font(11), anchor="lm")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=False, compress_level=6)
    return buffer.getvalue()


def _title(inputs: CalendarInputs) -> str:
    """The line on top."""
    return f"{'SIMULATED. ' * inputs.is_simulated}{inputs.title}, {inputs.first} to {inputs.last}"


def _legend_places(width: int) -> list[tuple[int, int]]:
    """Where each entry of the legend stands, in lines that fit a width."""
    places, x, y = [], 0, 0
    for kind in COLOURS:
        wide = SIDE + GAP + round(_font(11).getlength(WORDS[kind])) + MARGIN
        if x and x + wide - MARGIN > width:
            x, y = 0, y + SIDE + GAP
        places.append((x, y))
        x += wide
    return places


def _draw_block(draw: ImageDraw.ImageDraw, block: _Block, top: int) -> None:
    """A table of squares at a height."""
    draw.text((MARGIN, top), block.title, fill=INK, font=_font(13, is_bold=True))
    left, first = MARGIN + block.label_px, top + block.head_px
    for k, (above, name) in enumerate(block.heads):
        x = left + k * SIDE
        if above:
            draw.text((x + 1, first - 22), above, fill=INK, font=_font(10), anchor="lm")
        draw.text((x + SIDE // 2, first - 8), name, fill=GREY, font=_font(10), anchor="mm")
    for n, label in enumerate(block.rows):
        y = first + n * SIDE
        draw.text((left - GAP, y + SIDE // 2), label, fill=INK, font=_font(11), anchor="rm")
        for k in range(len(block.heads)):
            block.draw(draw, n, k, (left + k * SIDE, y))


def _square(draw: ImageDraw.ImageDraw, kind: Coverage, at: tuple[int, int]) -> None:
    """The square of one day, with a mark that tells it in grey too."""
    x, y = at
    box = (x, y, x + SIDE - 2, y + SIDE - 2)
    draw.rectangle(box, fill=COLOURS[kind], outline=LINE)
    middle = (x + SIDE // 2 - 1, y + SIDE // 2 - 1)
    if kind is Coverage.NO_ACQUISITION:
        draw.point(middle, fill=GREY)
    elif kind is Coverage.NOT_IMAGED:
        draw.line((x + 2, y + SIDE - 4, x + SIDE - 4, y + 2), fill=GREY)
    elif kind is Coverage.FAILED:
        draw.text(middle, "×", fill=WHITE, font=_font(13, is_bold=True), anchor="mm")
    elif kind in {Coverage.NOT_LISTED, Coverage.SUPERSEDED}:
        draw.text(middle, "?" if kind is Coverage.NOT_LISTED else "s", fill=INK, font=_font(11), anchor="mm")
    elif kind is Coverage.CLEAR:
        draw.ellipse((middle[0] - 3, middle[1] - 3, middle[0] + 3, middle[1] + 3), fill=WHITE)
    elif kind is Coverage.PARTLY_CLEAR:
        draw.ellipse((middle[0] - 3, middle[1] - 3, middle[0] + 3, middle[1] + 3), outline=INK)


def _month_names(first: date, last: date) -> list[str]:
    """The months of a period, `2024-05`."""
    return list(dict.fromkeys(f"{first + timedelta(days=n):%Y-%m}" for n in range((last - first).days + 1)))


def _calendar(inputs: CalendarInputs) -> _Block:
    """Months down, days of the month across: the area as a whole."""
    names = _month_names(inputs.first, inputs.last)
    kinds = {c.day: c.kind for c in area_cells(inputs.cells)}

    def draw_day(draw: ImageDraw.ImageDraw, row: int, column: int, at: tuple[int, int]) -> None:
        year, month = (int(part) for part in names[row].split("-"))
        day = date(year, month, 1) + timedelta(days=column)
        if day.month == month and inputs.first <= day <= inputs.last:
            _square(draw, kinds.get(day, Coverage.NO_ACQUISITION), at)

    days = [("", str(n)) for n in range(1, 32)]
    chunks = len({c.chunk_id for c in inputs.cells})
    of = f", mean of {chunks} chunks" if chunks > 1 else ""
    return _Block(f"What each day was for the area{of}", names, days, draw_day)


def _chunk_days(inputs: CalendarInputs, chunks: Sequence[str]) -> _Block:
    """Chunks down, days across."""
    days = [inputs.first + timedelta(days=n) for n in range((inputs.last - inputs.first).days + 1)]
    kinds = {(c.chunk_id, c.day): c.kind for c in inputs.cells}

    def draw_day(draw: ImageDraw.ImageDraw, row: int, column: int, at: tuple[int, int]) -> None:
        _square(draw, kinds.get((chunks[row], days[column]), Coverage.NO_ACQUISITION), at)

    heads = [(f"{day:%Y-%m}" if k == 0 or day.day == 1 else "", str(day.day)) for k, day in enumerate(days)]
    return _Block("What each day was for each chunk", chunks, _spaced(heads), draw_day)


def _chunk_months(inputs: CalendarInputs, chunks: Sequence[str]) -> _Block:
    """Chunks down, months across, with the number of days on which each was seen clear."""
    names = _month_names(inputs.first, inputs.last)
    looks: dict[tuple[str, str], int] = {}
    for cell in inputs.cells:
        place = (cell.chunk_id, f"{cell.day:%Y-%m}")
        looks[place] = looks.get(place, 0) + (cell.kind is Coverage.CLEAR)

    def draw_month(draw: ImageDraw.ImageDraw, row: int, column: int, at: tuple[int, int]) -> None:
        count = looks.get((chunks[row], names[column]))
        x, y = at
        colour = WHITE if not count else _blend(min(count, FULL_LOOKS) / FULL_LOOKS)
        draw.rectangle((x, y, x + SIDE - 2, y + SIDE - 2), fill=colour, outline=LINE)
        ink = WHITE if count and count > FULL_LOOKS // 2 else INK
        text = "–" if count is None else str(count)
        draw.text((x + SIDE // 2 - 1, y + SIDE // 2 - 1), text, fill=ink, font=_font(10), anchor="mm")

    heads = [(name[:4] if k == 0 or name.endswith("-01") else "", str(int(name[5:]))) for k, name in enumerate(names)]
    title = "Days of each month on which each chunk was seen clear (–: no acquisition)"
    return _Block(title, chunks, _spaced(heads), draw_month)


def _spaced(heads: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Column heads whose first upper line is left out where the next one would run into it."""
    places = [k for k, (above, _) in enumerate(heads) if above]
    crowded = len(places) > 1 and (places[1] - places[0]) * SIDE < _font(10).getlength(heads[places[0]][0]) + GAP
    return [("", heads[0][1]), *heads[1:]] if crowded else list(heads)


def _blend(share: float) -> Colour:
    """A colour between pale and deep."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(PALE, DEEP, strict=True))
    return red, green, blue
