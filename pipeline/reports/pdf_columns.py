"""Widths of the columns of a printed table."""

from collections.abc import Sequence

from reportlab.pdfbase import pdfmetrics

SIZE_PT = 7.6
WIDEST_WORDS_PT = (175.0, 92.0)
"""A longer word is broken: the first of these that the table has room for, which is an id or half a digest."""


def column_widths(
    head: Sequence[str], rows: Sequence[Sequence[str]], width_pt: float, pad_pt: float, fonts: tuple[str, str]
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
    fonts : tuple of str
        Of the head and of the cells.
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


def _measure(text: str, font: str) -> float:
    """Width of a text on one line."""
    return float(pdfmetrics.stringWidth(text, font, SIZE_PT)) + 0.5


def _longest_word(column: Sequence[str], fonts: tuple[str, str]) -> float:
    """Width of the longest word; a space that does not break belongs to its word."""
    words = {(word, fonts[0 if i == 0 else 1]) for i, text in enumerate(column) for word in text.split(" ")}
    return max((_measure(word, font) for word, font in words), default=0.0)


def _longest_text(column: Sequence[str], fonts: tuple[str, str]) -> float:
    """Width of the longest text."""
    longest = max(column[1:], key=len, default="")
    return max(_measure(column[0], fonts[0]), _measure(longest[:400], fonts[1]))
