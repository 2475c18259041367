"""A model that is worse in a guarded figure is refused by name."""

import pytest

from pipeline.training.guard import Guarded, ModelWorseError, changes, refuse_worse


def figures(**values: float) -> dict[str, dict[str, float | None]]:
    return {
        "pairs": {"auc": 0.9, "brier_skill": 0.5},
        "sites": {"auc": 0.8, "brier": 0.1, "precision": 0.9, "recall": 0.9, **values},
    }


def test_equal_and_better_figures_pass() -> None:
    refuse_worse(changes(figures(), figures()), "0.1.0")
    refuse_worse(changes(figures(), figures(auc=0.81, brier=0.09)), "0.1.0")


@pytest.mark.parametrize(("name", "value"), [("auc", 0.7999), ("brier", 0.1001), ("precision", 0.0)])
def test_a_worse_figure_is_named(name: str, value: float) -> None:
    with pytest.raises(ModelWorseError, match=f"1 guarded figures worse than in 0.1.0.*sites, {name}: "):
        refuse_worse(changes(figures(), figures(**{name: value})), "0.1.0")


def test_a_figure_that_is_no_more_measured_is_worse_and_a_new_one_is_not() -> None:
    assert [c.guarded for c in changes(figures(), {}) if c.is_worse][:1] == [Guarded("pairs", "auc")]
    assert not any(c.is_worse for c in changes({}, figures()))
