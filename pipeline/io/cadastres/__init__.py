"""Cadastres: vector files of titles and protected areas, read into the facts of `pipeline.tenure`.

Nothing is dropped in silence and nothing is guessed: features without a usable outline, repaired outlines, codes and
days that were not understood, and columns that were not used are all counted in the snapshot.
"""

from pipeline.io.cadastres.reading import read_protected, read_titles
from pipeline.io.cadastres.register_files import find_register, generic_register, load_register
from pipeline.io.cadastres.registers import Register
from pipeline.io.cadastres.rivers import read_rivers
from pipeline.io.cadastres.services import retrieve

__all__ = [
    "Register",
    "find_register",
    "generic_register",
    "load_register",
    "read_protected",
    "read_rivers",
    "read_titles",
    "retrieve",
]
