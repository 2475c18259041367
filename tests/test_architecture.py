"""Sizes and names that keep the code readable."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pipeline"
MODULES = sorted(PACKAGE.rglob("*.py"))
BANNED = {"utils", "helpers", "common", "core", "misc", "manager", "engine"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert path.stem not in BANNED
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node, clean=False)
            length = (node.end_lineno or 0) - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)
            assert length <= 60, f"{node.name} has {length} lines"


def test_nothing_is_called_by_the_word_that_only_an_authority_may_use() -> None:
    word = "ille" + "gal"
    texts = [p for p in MODULES if word in p.read_text(encoding="utf-8").lower()]
    assert not texts
