"""Widths of the columns of a printed table."""

from collections.abc import Sequence
from typing import TypeAlias

from reportlab.pdfbase import pdfmetrics

WIDEST_WORDS_PT = (175.0, 92.0, 72.0, 62.0, 54.0)
"""A longer word is broken: at the first of these that the table has room for, so that ids and digests give way to words."""

Fonts: TypeAlias = tuple[str, str, float]
"""Font of the head, font of the cells, size in points."""


def column_widths(
    head: Sequence[str], rows: Sequence[Sequence[str]], width_pt: float, pad_pt: float, fonts: Fonts
) -> list[float]:
    """Return widths that fill `width_pt`: no word is broken where there is room, and the rest goes to the longest texts.

    Parameters
    ----------
    head : sequence of str
    rows : sequence of sequences of str
    width_pt : float
        Of the whole table.
    pad_pt : float
        Left and right of the text of each cell, together.
    fonts : tuple of str, str and float
        Of the head, of the cells, and their size in points.
    """
    columns = [[head[i], *(row[i] for row in rows)] for i in range(len(head))]
    words = [_longest_word(column, fonts) for column in columns]
    least = next(
        (some for some in ([min(w, widest) + pad_pt for w in words] for widest in WIDEST_WORDS_PT) if sum(some) <= width_pt),
        [min(w, WIDEST_WORDS_PT[-1]) + pad_pt for w in words],
    )
    wanted = [max(low, _longest_text(column, fonts) + pad_pt) for low, column in zip(least, columns, strict=True)]
    if sum(least) >= width_pt:
        return [low * width_pt / sum(least) for low in least]
    room = width_pt - sum(least)
    asked = [w - low for w, low in zip(wanted, least, strict=True)]
    if sum(asked) <= room:  # everything fits on one line: share what is left evenly
        return [w + (room - sum(asked)) / len(wanted) for w in wanted]
    shares = [min(a, width_pt) ** 0.5 for a in asked]
    return [low + room * share / sum(shares) for low, share in zip(least, shares, strict=True)]


def _measure(text: str, font: str, size_pt: float) -> float:
    """Width of a text on one line."""
    return float(pdfmetrics.stringWidth(text, font, size_pt)) + 0.5


def _longest_word(column: Sequence[str], fonts: Fonts) -> float:
    """Width of the longest word; a space that does not break belongs to its word."""
    words = {(word, fonts[0] if i == 0 else fonts[1]) for i, text in enumerate(column) for word in text.split(" ")}
    return max((_measure(word, font, fonts[2]) for word, font in words), default=0.0)


def _longest_text(column: Sequence[str], fonts: Fonts) -> float:
    """Width of the longest text."""
    longest = max(column[1:], key=len, default="")
    return max(_measure(column[0], fonts[0], fonts[2]), _measure(longest[:400], fonts[1], fonts[2]))
