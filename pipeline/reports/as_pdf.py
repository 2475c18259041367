"""PDF writer: a document as pages of A4 with embedded fonts, numbered, tables with repeated heads.

The only date in the file is the day of which the document speaks, so that the same document always gives the same bytes.
Letters that DejaVu lacks are drawn as boxes; the HTML has them.
"""

import io
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, CondPageBreak, Flowable, Frame, Image, KeepTogether, PageTemplate, Spacer
from reportlab.platypus import Paragraph as Text
from reportlab.platypus import Table as Grid

from pipeline.reports.document import Block, Command, Document, Items, Notice, Paragraph, Pictures, Table, plain_text
from pipeline.reports.pdf_columns import column_widths

MARGIN_PT = 51.0
HEAD_PT = 26.0
"""Room for the running head and the foot."""
WIDTH_PT = A4[0] - 2 * MARGIN_PT
PAD_PT = 3.5
TALLEST_PT = 330.0
"""Tallest picture."""
MANY_COLUMNS = 8
"""Tables of so many columns are set smaller."""
SHORT_ROWS = 10
"""A table of so many rows is kept on one page where it fits."""
REGULAR, BOLD, MONO = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono"
INK, GREY, RULE, SHADE = (colors.HexColor(c) for c in ("#1a1a1a", "#555555", "#b5b5b5", "#eef0f2"))
NOTICE_COLOURS: Mapping[str, tuple[str, str]] = {
    "simulated": ("#fff3c4", "#8a6d00"),
    "consent": ("#fde3dc", "#a33a17"),
    "disclaimer": ("#e8eef5", "#35608f"),
}
"""Ground and edge of each kind of notice."""


@lru_cache(maxsize=1)
def _fonts() -> bool:
    """Fonts that come with matplotlib, registered once; and streams as bytes, which as letters took a quarter more."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and few commands draw

    rl_config.useA85 = 0
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name in (REGULAR, BOLD, MONO):
        pdfmetrics.registerFont(TTFont(name, folder / f"{name}.ttf"))
    return True


def _style(name: str, size: float, font: str = REGULAR, **more: object) -> ParagraphStyle:
    """A style of text; long words are broken wherever they must be."""
    return ParagraphStyle(
        name, fontName=font, fontSize=size, leading=size * 1.35, textColor=INK, splitLongWords=1, allowWidows=0,
        allowOrphans=0, uriWasteReduce=0, **more,
    )  # fmt: skip


STYLES: Mapping[str, ParagraphStyle] = {
    "title": _style("title", 17, BOLD, spaceAfter=5),
    "subtitle": _style("subtitle", 10, spaceAfter=10),
    "section": _style("section", 12.5, BOLD, spaceBefore=13, spaceAfter=5),
    "caption": _style("caption", 8.5, BOLD, spaceBefore=6, spaceAfter=3),
    "body": _style("body", 9, spaceAfter=5),
    "strong": _style("strong", 9, BOLD, spaceAfter=5),
    "note": _style("note", 7.6, spaceBefore=3, spaceAfter=6),
    "item": _style("item", 9, leftIndent=16, bulletIndent=3, spaceAfter=2.5),
    "command": _style("command", 8, MONO, spaceAfter=6, backColor=SHADE, borderPadding=3, leftIndent=4, rightIndent=4),
    "head": _style("head", 7.6, BOLD),
    "cell": _style("cell", 7.6),
    "head_small": _style("head_small", 6.8, BOLD),
    "cell_small": _style("cell_small", 6.8),
}


class _PagedCanvas(Canvas):  # type: ignore[misc] # reportlab has no types
    """A canvas that knows the count of its pages when it writes their feet."""

    def __init__(self, *args: object, document: Document, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._document = document
        self._pages: list[dict[str, object]] = []
        year, month, day = document.day.split("-")
        self.setDateFormatter(lambda *_: f"D:{year}{month}{day}")
        self.setTitle(document.title)
        self.setSubject(document.subtitle)
        self.setAuthor("overburden")

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Keep a page until all are known."""
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write all pages with their feet."""
        for number, page in enumerate(self._pages, 1):
            self.__dict__.update(page)
            self._edges(number, len(self._pages))
            super().showPage()
        super().save()

    def _edges(self, number: int, count: int) -> None:
        """Running head and foot."""
        self.setFont(REGULAR, 7.2)
        self.setFillColor(GREY)
        top = A4[1] - MARGIN_PT + 10
        self.drawString(MARGIN_PT, top, _cut(self._document.running, WIDTH_PT))
        foot = self._document.page.format(page=number, pages=count)
        self.drawRightString(A4[0] - MARGIN_PT, MARGIN_PT - 18, foot)
        self.setStrokeColor(RULE)
        self.setLineWidth(0.4)
        self.line(MARGIN_PT, top - 4, A4[0] - MARGIN_PT, top - 4)


def _cut(text: str, width_pt: float) -> str:
    """As much of a text as fits on one line."""
    shown = plain_text(text)
    while pdfmetrics.stringWidth(shown, REGULAR, 7.2) > width_pt and len(shown) > 2:
        shown = shown[: max(1, len(shown) - 2)].rstrip("…") + "…"
    return shown


def _text(text: str, style: str, bullet: str | None = None) -> Text:
    """A paragraph; nothing in the text is markup. Lines break at narrow spaces, so wide ones stand for them."""
    shown = plain_text(text).replace("\u202f", "\u00a0")
    return Text(escape(shown), STYLES[style], bulletText=bullet)


def pdf_bytes(document: Document) -> bytes:
    """Return a document as PDF."""
    _fonts()
    buffer = io.BytesIO()
    template = BaseDocTemplate(
        buffer, pagesize=A4, leftMargin=MARGIN_PT, rightMargin=MARGIN_PT, topMargin=MARGIN_PT, bottomMargin=MARGIN_PT,
        invariant=1, lang=document.lang, pageCompression=1,
    )  # fmt: skip
    frame = Frame(MARGIN_PT, MARGIN_PT, WIDTH_PT, A4[1] - 2 * MARGIN_PT - 4, 0, 0, 0, 0)
    template.addPageTemplates([PageTemplate("page", [frame])])
    template.build(_flow(document), canvasmaker=lambda *a, **k: _PagedCanvas(*a, document=document, **k))
    return buffer.getvalue()


def _flow(document: Document) -> list[Flowable]:
    """Everything of a document in its order."""
    flow: list[Flowable] = [_text(document.title, "title"), _text(document.subtitle, "subtitle")]
    for notice in document.notices:
        flow += _notice(notice)
    for section in document.sections:
        flow += [CondPageBreak(120), _text(section.title, "section")]
        for block in section.blocks:
            flow += _block(block)
    return flow


def _block(block: Block) -> list[Flowable]:
    """The flowables of one block."""
    if isinstance(block, Paragraph):
        return [_text(block.text, "strong" if block.is_strong else "body")]
    if isinstance(block, Command):
        return [_text(block.text, "command"), Spacer(0, 2)]
    if isinstance(block, Notice):
        return _notice(block)
    if isinstance(block, Pictures):
        return _pictures(block)
    if isinstance(block, Items):
        return _items(block)
    return _table(block)


def _items(block: Items) -> list[Flowable]:
    """A list."""
    title = [CondPageBreak(50), _text(block.title, "caption")] if block.title else []
    marks = (f"{i}." if block.is_ordered else "•" for i in range(1, len(block.items) + 1))
    return [*title, *(_text(item, "item", mark) for item, mark in zip(block.items, marks, strict=True)), Spacer(0, 4)]


def _notice(notice: Notice) -> list[Flowable]:
    """A box with a coloured edge."""
    ground, edge = NOTICE_COLOURS[notice.kind]
    grid = Grid([[[_text(notice.title, "strong"), _text(notice.text, "body")]]], colWidths=[WIDTH_PT])
    grid.setStyle([
        ("BACKGROUND", (0, 0), (-1, -1), colors.HexColor(ground)), ("LINEBEFORE", (0, 0), (0, -1), 3, colors.HexColor(edge)),
        ("LEFTPADDING", (0, 0), (-1, -1), 9), ("RIGHTPADDING", (0, 0), (-1, -1), 9),
        ("TOPPADDING", (0, 0), (-1, -1), 5), ("BOTTOMPADDING", (0, 0), (-1, -1), 1),
    ])  # fmt: skip
    return [grid, Spacer(0, 6)]


def _pictures(block: Pictures) -> list[Flowable]:
    """Pictures side by side, each over its caption, kept on one page."""
    gap = 10.0
    width = (WIDTH_PT - gap * (len(block.pictures) - 1)) / max(len(block.pictures), 1)
    images, captions = [], []
    for picture in block.pictures:
        image = Image(io.BytesIO(picture.png))
        scale = min(width / image.imageWidth, TALLEST_PT / image.imageHeight)
        image.drawWidth, image.drawHeight = image.imageWidth * scale, image.imageHeight * scale
        image.hAlign = "LEFT"
        images.append(image)
        captions.append(_text(picture.caption, "note"))
    grid = Grid([images, captions], colWidths=[width + (gap if i + 1 < len(images) else 0.0) for i in range(len(images))])
    edges = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")
    grid.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *((edge, (0, 0), (-1, -1), 0) for edge in edges)])
    return [KeepTogether([grid]), Spacer(0, 4)]


def _table(table: Table) -> list[Flowable]:
    """A table under its caption, its head repeated on each page; a row taller than a page is split."""
    if not table.rows:
        return []
    size = "_small" if len(table.head) >= MANY_COLUMNS else ""
    fonts = (BOLD, REGULAR, float(STYLES[f"cell{size}"].fontSize))
    cells = [[plain_text(cell.text) for cell in row] for row in table.rows]
    widths = column_widths([plain_text(name) for name in table.head], cells, WIDTH_PT, 2 * PAD_PT, fonts)
    head = [_text(name, f"head{size}") for name in table.head]
    grid = Grid(
        [head, *([_text(text, f"cell{size}") for text in row] for row in cells)], colWidths=widths, repeatRows=1, splitInRow=1
    )
    grid.setStyle([
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("BACKGROUND", (0, 0), (-1, 0), SHADE),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE), ("LINEABOVE", (0, 0), (-1, 0), 0.6, GREY),
        ("LEFTPADDING", (0, 0), (-1, -1), PAD_PT), ("RIGHTPADDING", (0, 0), (-1, -1), PAD_PT),
        ("TOPPADDING", (0, 0), (-1, -1), 2), ("BOTTOMPADDING", (0, 0), (-1, -1), 2.5),
    ])  # fmt: skip
    note = [_text(table.note, "note")] if table.note else [Spacer(0, 6)]
    whole = [_text(table.caption, "caption"), grid, *note]
    return [KeepTogether(whole)] if len(table.rows) <= SHORT_ROWS else [CondPageBreak(72), *whole]
