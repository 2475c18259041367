"""The document: what a report says, in one language, before anybody decides what it looks like.

Built once for each language; HTML and PDF are two writers of the same value, so that they cannot differ.
"""

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

NoticeKind = Literal["simulated", "consent", "disclaimer"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table: a text, and the stored value that it words."""

    text: str
    name: str = ""
    """What the value is called in the alert; empty: the cell words no single value."""
    value: str = ""
    """The value as JSON, as it is stored."""
    is_number: bool = False
    lang: str = ""
    """Language of the text where it is not the document's: words of the record."""


def stored(text: str, name: str, value: object) -> Cell:
    """Return a cell that words a stored value.

    Examples
    --------
    >>> stored("1,5 ha", "area_ha", 1.5)
    Cell(text='1,5 ha', name='area_ha', value='1.5', is_number=True, lang='')
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(text, name, json.dumps(value, ensure_ascii=False, sort_keys=True), is_number)


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph of text."""

    text: str
    lang: str = ""
    is_strong: bool = False


@dataclass(frozen=True, slots=True)
class Items:
    """A list of sentences."""

    items: tuple[str, ...]
    is_ordered: bool = False
    lang: str = ""
    title: str = ""
    """What the list is of; empty: the text before says so."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; rows have one cell for each name of the head."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """How it is to be read."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture with its caption, and what it shows for those who cannot see it."""

    png: bytes
    alt: str
    caption: str


@dataclass(frozen=True, slots=True)
class Pictures:
    """Pictures that are looked at side by side."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """A line to be typed."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A box that nobody may overlook."""

    kind: NoticeKind
    title: str
    text: str


Block: TypeAlias = Paragraph | Items | Table | Pictures | Command | Notice


@dataclass(frozen=True, slots=True)
class Section:
    """A titled part of a document."""

    name: str
    """Anchor, the same in all languages."""
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """One report in one language."""

    lang: str
    """Language tag, as HTML wants it."""
    title: str
    subtitle: str
    running: str
    """Head of each printed page."""
    page: str
    """Foot of each printed page, with {page} and {pages}."""
    day: str
    """ISO date for which it speaks: the only time in the file."""
    sections: tuple[Section, ...]
    notices: tuple[Notice, ...] = field(default=())


_KEPT = {"\n": " ", "\t": " ", "\r": " "}


def plain_text(text: str) -> str:
    r"""Return a text without characters that steer a reader's software: control characters and changes of direction.

    Examples
    --------
    >>> plain_text("a\tb\x00c\u202ed")
    'a bcd'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_KEPT.get(c, "" if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co"} else c) for c in text)


def texts(document: Document) -> Iterable[str]:
    """Yield every text of a document, for those who search it."""
    yield from (document.title, document.subtitle, document.running)
    for notice in document.notices:
        yield from (notice.title, notice.text)
    for section in document.sections:
        yield section.title
        for block in section.blocks:
            yield from _texts(block)


def _texts(block: Block) -> Iterable[str]:
    """Every text of a block."""
    if isinstance(block, Paragraph | Command):
        yield block.text
    elif isinstance(block, Notice):
        yield from (block.title, block.text)
    elif isinstance(block, Items):
        yield from (block.title, *block.items)
    elif isinstance(block, Pictures):
        for picture in block.pictures:
            yield from (picture.alt, picture.caption)
    else:
        yield from (block.caption, *block.head, block.note)
        yield from (cell.text for row in block.rows for cell in row)


def tables(document: Document) -> Iterable[Table]:
    """Yield the tables of a document in their order."""
    for section in document.sections:
        yield from (block for block in section.blocks if isinstance(block, Table))
