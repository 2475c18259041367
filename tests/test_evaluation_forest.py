"""The real forest in an evaluation: days of confirmation against what its summers tell."""

from dataclasses import replace

import numpy as np

from pipeline.evaluation.forest import confirmed_days, score_forest
from pipeline.evaluation.forest_truth import Truth
from pipeline.monitor import day_number, empty_state, no_entries

D = np.datetime64
NEVER = D("NaT", "D")
SHAPE = (1, 5)


def row(*values: object) -> np.ndarray:
    return np.array([values])


TRUTH = Truth(
    lost=row(True, True, False, False, False),
    standing=row(True, True, True, False, False),
    stable=row(False, False, False, True, True),
    drop=np.zeros(SHAPE, np.float32),
    began=row(*[D("2020-06-01")] * 3, NEVER, NEVER),
    intact=row(*[D("2020-05-20")] * 3, NEVER, NEVER),
)


def test_shares_and_lag_of_what_was_confirmed() -> None:
    found = row(D("2020-06-11"), NEVER, D("2020-07-01"), D("2020-07-01"), NEVER)
    figures = score_forest(found, TRUTH).figures
    assert {name: (f.value, f.n) for name, f in figures.items()} == {
        "recall_persistent": (0.5, 2),
        "recall_last_summer": (2 / 3, 3),
        "false_alarm_share": (0.5, 2),
        "lag_days_median": (20.0, 2),
    }


def test_the_day_of_confirmation_is_that_of_the_state() -> None:
    held = replace(no_entries(np.array([2])), confirmed_on=np.array([day_number(D("2020-07-01").item())], np.uint16))
    state = replace(empty_state(SHAPE), followed=held)
    days = confirmed_days(state)
    assert days[0, 2] == D("2020-07-01")
    assert np.isnat(np.delete(days, 2)).all()
