"""Cadastres: vector files of titles and protected areas, read into the facts of `pipeline.tenure`.

Nothing is dropped in silence and nothing is guessed: features without a usable outline, repaired outlines, codes and
days that were not understood, and columns that were not used are all counted in the snapshot.
"""

from pipeline.io.cadastres.reading import read_protected, read_titles
from pipeline.io.cadastres.registers import GENERIC, Register
from pipeline.io.cadastres.services import retrieve

__all__ = ["GENERIC", "Register", "read_protected", "read_titles", "retrieve"]
