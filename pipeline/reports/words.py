"""The words of a language: every sentence of a report by its key, and how numbers, units and days are written in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files

import yaml

LANGUAGES = ("en", "es", "pt", "fr")
"""Languages of which the package has words."""
NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Words:
    """The words of one language."""

    language: str
    """Code in file names."""
    sentences: Mapping[str, str]
    """By dotted key."""

    def say(self, key: str, **values: object) -> str:
        """Return a sentence with its names in braces filled in."""
        return self.sentences[key].format(**values)

    def code(self, group: str, value: object) -> str:
        """Return the word for a code of a closed list; a code without a word as it is, its underscores as spaces.

        None is `not known`.
        """
        if value is None:
            return self.say("value.not_known")
        return self.sentences.get(f"{group}.{value}", str(value).replace("_", " "))

    def number(self, value: float) -> str:
        """Return a number with all the decimals that are stored, as the language writes it."""
        return self._grouped(format(Decimal(repr(value)), "f"))

    def rounded(self, value: float, digits: int) -> str:
        """Return a number with a fixed count of decimals."""
        return self._grouped(f"{value:.{digits}f}")

    def place(self, value: float, digits: int) -> str:
        """Return a coordinate: never grouped, so that it can be typed into a receiver."""
        return f"{value:.{digits}f}".replace(".", self.sentences["language.decimal"])

    def _grouped(self, text: str) -> str:
        """Digits with the marks of the language; `.0` is left out."""
        sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
        whole, _, part = digits.partition(".")
        if len(whole) >= len(self.sentences["language.thousands_from"]):
            whole = f"{int(whole):,}".replace(",", self.sentences["language.thousands"])
        decimals = f"{self.sentences['language.decimal']}{part}" if part.strip("0") or len(part) > 1 else ""
        return f"{sign}{whole}{decimals}"

    def quantity(self, unit: str, value: float) -> str:
        """Return a number with its unit, which stays on its line."""
        return self.say(f"unit.{unit}", number=self.number(value)).replace(" ", NO_BREAK)

    def percent(self, share: float, digits: int = 1) -> str:
        """Return a share as percent."""
        return self.say("unit.percent", number=self.rounded(100.0 * share, digits)).replace(" ", NO_BREAK)

    def long_day(self, iso: str) -> str:
        """Return a day in words, its ISO date behind."""
        year, month, day = iso.split("-")
        words = self.say("language.long_day", day=int(day), month=self.sentences[f"months.{int(month)}"], year=year)
        return f"{words} ({iso})"


def flattened(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return a tree of words as one mapping by dotted key."""
    flat: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


@lru_cache(maxsize=8)
def words_of(language: str) -> Words:
    """Return the words of a language, read once.

    Raises
    ------
    ValueError
        There are none.
    """
    if language not in LANGUAGES:
        raise ValueError(f"found language {language!r}, expected one of {', '.join(LANGUAGES)}; see docs/reports.md")
    text = (files("pipeline.reports") / "words" / f"{language}.yaml").read_text(encoding="utf-8")
    flat = flattened(yaml.safe_load(text))
    marks = flat["language.no_break_before"]
    return Words(language, {key: _bound(sentence, marks) for key, sentence in flat.items()})


def _bound(sentence: str, marks: str) -> str:
    """A sentence whose marks stay with the word before them, and opening quotes with the word after."""
    for mark in marks:
        sentence = sentence.replace(f" {mark}", f"{NO_BREAK}{mark}")
    return sentence.replace("« ", f"«{NO_BREAK}")
