"""HTML writer: a document as one self-contained page that prints, and that a screen reader can follow."""

import base64
import re
from functools import lru_cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from pipeline.reports.document import Block, Document, plain_text

LONG_WORD = re.compile(r"(\S{16})(?=\S{8})")
"""What comes before a place at which a long word may be broken."""
DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
"""A day, which is never broken."""


def _data_uri(png: bytes) -> Markup:
    """A picture as an address that holds it."""
    return Markup("data:image/png;base64,{}").format(base64.b64encode(png).decode("ascii"))


def _kind_of(block: Block) -> str:
    """Name of the class of a block."""
    return type(block).__name__


def _finished(value: object) -> object:
    """What is written of a value: text without characters that steer the reader's software."""
    return plain_text(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _breakable(text: str) -> Markup:
    """A text whose long words may be broken and whose days may not; a break leaves no trace in what is copied."""
    pieces = LONG_WORD.sub("\\1\x00", plain_text(text)).split("\x00")
    escaped = str(Markup("<wbr>").join(pieces))
    return Markup(DAY.sub(r'<span class="whole">\g<0></span>', escaped))  # noqa: S704 - escaped by join


def _is_whole(text: str) -> bool:
    """Whether a text is a date or a short number or word, which is never broken."""
    return len(text) <= 14 and " " not in text


@lru_cache(maxsize=1)
def _template() -> tuple[Template, Markup]:
    """Template and style sheet of the package."""
    folder = files("pipeline.reports")
    environment = Environment(autoescape=True, undefined=StrictUndefined, finalize=_finished, keep_trailing_newline=True)
    css = (folder / "report.css").read_text(encoding="utf-8")
    return environment.from_string((folder / "report.html.j2").read_text(encoding="utf-8")), Markup(css)  # noqa: S704 - own file


def html_bytes(document: Document) -> bytes:
    """Return a document as HTML."""
    template, css = _template()
    return template.render(
        document=document, css=css, kind_of=_kind_of, data_uri=_data_uri, breakable=_breakable, is_whole=_is_whole
    ).encode()
