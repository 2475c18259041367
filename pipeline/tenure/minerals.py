"""Words for minerals: one English name for the words that registers and areas of interest use.

Trade names stand for what is mined: coltan is tantalum and niobium, cassiterite is tin, `3T` is tin, tantalum and
tungsten. A word that is not here is kept as it is written and reported; it is never taken for another mineral.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

MINERAL_WORDS: dict[str, tuple[str, ...]] = {
    "3t": ("tin", "tantalum", "tungsten"),
    "alluvial gold": ("gold",), "emas": ("gold",), "au": ("gold",), "gold": ("gold",), "or": ("gold",),
    "oro": ("gold",), "ouro": ("gold",), "minerio de ouro": ("gold",), "oro aluvial": ("gold",),
    "argent": ("silver",), "ag": ("silver",), "plata": ("silver",), "prata": ("silver",), "silver": ("silver",),
    "bauxita": ("aluminium",), "bauxite": ("aluminium",), "aluminium": ("aluminium",), "aluminum": ("aluminium",),
    "cobalt": ("cobalt",), "cobalto": ("cobalt",), "co": ("cobalt",),
    "copper": ("copper",), "cobre": ("copper",), "cu": ("copper",), "cuivre": ("copper",),
    "cassiterita": ("tin",), "cassiterite": ("tin",), "casiterita": ("tin",), "estanho": ("tin",), "estano": ("tin",),
    "etain": ("tin",), "sn": ("tin",), "timah": ("tin",), "tin": ("tin",),
    "coltan": ("tantalum", "niobium"), "columbite-tantalite": ("tantalum", "niobium"), "tantalita": ("tantalum",),
    "tantalite": ("tantalum",), "tantale": ("tantalum",), "tantalum": ("tantalum",), "ta": ("tantalum",),
    "niobium": ("niobium",), "niobio": ("niobium",), "pyrochlore": ("niobium",),
    "wolfram": ("tungsten",), "wolframite": ("tungsten",), "wolframita": ("tungsten",), "tungsten": ("tungsten",),
    "tungstene": ("tungsten",), "tungstenio": ("tungsten",), "scheelite": ("tungsten",),
    "diamant": ("diamond",), "diamante": ("diamond",), "diamantes": ("diamond",), "diamants": ("diamond",),
    "diamond": ("diamond",), "diamonds": ("diamond",),
    "iron": ("iron",), "iron ore": ("iron",), "fer": ("iron",), "ferro": ("iron",), "hierro": ("iron",),
    "fe": ("iron",), "minerio de ferro": ("iron",),
    "lithium": ("lithium",), "litio": ("lithium",), "spodumene": ("lithium",),
    "manganese": ("manganese",), "manganes": ("manganese",), "manganeso": ("manganese",), "mn": ("manganese",),
    "nickel": ("nickel",), "niquel": ("nickel",), "nikel": ("nickel",), "ni": ("nickel",),
    "rare earth": ("rare earths",), "rare earths": ("rare earths",), "rare earth elements": ("rare earths",),
    "ree": ("rare earths",), "terras raras": ("rare earths",), "terres rares": ("rare earths",),
    "tierras raras": ("rare earths",), "dysprosium": ("rare earths",), "terbium": ("rare earths",),
    "lead": ("lead",), "plomb": ("lead",), "plomo": ("lead",), "chumbo": ("lead",),
    "zinc": ("zinc",), "cinc": ("zinc",), "zinco": ("zinc",), "zn": ("zinc",),
    "uranium": ("uranium",), "uranio": ("uranium",), "urane": ("uranium",),
    "coal": ("coal",), "carbon": ("coal",), "carvao": ("coal",), "charbon": ("coal",), "batubara": ("coal",),
    "graphite": ("graphite",), "grafito": ("graphite",), "grafite": ("graphite",),
    "sand": ("sand",), "arena": ("sand",), "areia": ("sand",), "sable": ("sand",),
    "gravel": ("gravel",), "grava": ("gravel",), "cascalho": ("gravel",), "gravier": ("gravel",),
    "limestone": ("limestone",), "calcaire": ("limestone",), "calcario": ("limestone",), "caliza": ("limestone",),
    "granite": ("granite",), "granito": ("granite",), "clay": ("clay",), "argila": ("clay",), "argile": ("clay",),
    "arcilla": ("clay",), "salt": ("salt",), "phosphate": ("phosphate",), "tourmaline": ("tourmaline",),
}  # fmt: skip
"""Word without accents, in lower case, to English names."""

_SEPARATORS = re.compile(r"[,;/|&+]|\s+(?:and|et|y|e|und)\s+|\n", re.IGNORECASE)


def plain_word(text: str) -> str:
    """Return a text in lower case, without accents, with single spaces.

    Examples
    --------
    >>> plain_word("  Minério  de OURO ")
    'minerio de ouro'
    """
    letters = unicodedata.normalize("NFKD", text)
    return " ".join("".join(c for c in letters if not unicodedata.combining(c)).lower().split())


def mineral_names(text: str, extra: Mapping[str, tuple[str, ...]] | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the English names in a text of minerals, sorted, and the words of it that are in no table.

    Parameters
    ----------
    text : str
    extra : mapping, optional
        Words of one register, plain as the keys of `MINERAL_WORDS` are; they go before those.

    Examples
    --------
    >>> mineral_names("Gold, Diamonds")
    (('diamond', 'gold'), ())
    >>> mineral_names("Ouro e unobtanium")
    (('gold',), ('unobtanium',))
    """
    table = MINERAL_WORDS if extra is None else {**MINERAL_WORDS, **extra}
    words = [w for w in (plain_word(part).replace("_", " ") for part in _SEPARATORS.split(text)) if w]
    known = {name for word in words for name in table.get(word, ())}
    return tuple(sorted(known)), tuple(sorted({w for w in words if w not in table}))


@lru_cache(maxsize=64)
def minerals_sought(texts: tuple[str, ...]) -> frozenset[str]:
    """Return the names of what an area of interest is watched for; a word that is in no table stays as it is.

    Examples
    --------
    >>> sorted(minerals_sought(("Gold", "3T")))
    ['gold', 'tantalum', 'tin', 'tungsten']
    """
    found = [mineral_names(text) for text in texts]
    return frozenset(name for known, strange in found for name in (*known, *strange))
