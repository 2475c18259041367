"""The priority: every term by hand, bounds, and that printed terms add up."""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import priority as module
from pipeline.alerts import ALERT_PROPERTIES, AlertState
from pipeline.errors import ConfigInvalidError
from pipeline.io.priorities import DEFAULT, default_priority, load_priority
from pipeline.priority import PRIORITY_TERMS
from pipeline.tenure import TenureStatus


def score(properties):
    """The priority by the weights that come along."""
    return module.score(properties, default_priority())


ALERT = {
    "area_ha": 10.0,
    "growth_30d_ha": 2.5,
    "tenure_status": "lapsed",
    "protected_areas": [
        {"name": "Park", "kind": "protected_area", "overlap_ha": 5.0},
        {"name": "People", "kind": "indigenous_territory", "overlap_ha": 10.0},
    ],
    "pond_ha": 0.1,
    "state": "confirmed",
    "last_detected_on": "2025-01-01",
    "evaluated_on": "2025-04-01",
}


def test_each_term_by_hand():
    priority, terms = score(ALERT)
    assert terms == {
        "area": 10.4,  # 20 ln(11) / ln(101)
        "growth_30d": 10.0,
        "tenure": 16.0,
        "protected_area": 5.0,
        "indigenous_territory": 10.0,
        "pond": 2.5,
        "state": 10.0,
        "recency": 2.5,  # 90 of 180 days
    }
    assert priority == 66.4


def test_nothing_known_has_only_the_points_of_an_unknown_tenure():
    priority, terms = score({})
    assert priority == terms["tenure"] == 8.0


def test_a_file_of_other_weights_is_read_with_its_version(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(DEFAULT.read_text(encoding="utf-8").replace('version: "1"', 'version: "ours 3"')
                    .replace("pond_points: 5", "pond_points: 50"), encoding="utf-8")  # fmt: skip
    weights = load_priority(path)
    assert weights.version == "ours 3"
    assert module.score(ALERT, weights)[1]["pond"] == 25.0


@pytest.mark.parametrize(("old", "new", "message"), [
    ("pond_points: 5", "pond_point: 5", "pond_points: Field required"),
    ("pond_points: 5", "pond_points: 5\nriver_points: 3", "found river_points, which is no weight"),
    ("pond_points: 5", "pond_points: -5", "found pond_points -5, expected 0 or more"),
    ("pond_full_ha: 0.2", "pond_full_ha: 0", "found pond_full_ha 0, expected more"),
    ("pond_points: 5", "pond_points: many", "pond_points: Input should be a valid number"),
    ("  lapsed: 0.8\n", "", "found no tenure_shares.lapsed"),
    ("  lapsed: 0.8", "  lapsed: 8", "found tenure_shares.lapsed 8, expected 0 to 1"),
    ("  closed: 0.0", "  closed: 0.0\n  guilty: 1.0", "found state_shares.guilty, which does not exist"),
])  # fmt: skip
def test_a_file_that_is_wrong_is_refused_by_name(tmp_path, old, new, message):
    path = tmp_path / "ours.yaml"
    path.write_text(DEFAULT.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigInvalidError, match=message):
        load_priority(path)


def test_a_state_outside_the_list_is_refused():
    with pytest.raises(KeyError, match="guilty"):
        score({"state": "guilty"})
    with pytest.raises(ValueError, match="guilty"):
        score({"tenure_status": "guilty"})


def test_most_points_of_the_terms_make_a_hundred():
    weights = default_priority()
    assert sum(getattr(weights, f.name) for f in fields(weights) if f.name.endswith("_points")) == 100


numbers = st.one_of(st.none(), st.floats(0, 1e6))
alerts = st.fixed_dictionaries({
    "area_ha": numbers,
    "growth_30d_ha": st.one_of(numbers, st.floats(-10, 0)),
    "pond_ha": numbers,
    "tenure_status": st.sampled_from(TenureStatus),
    "state": st.sampled_from(AlertState),
    "protected_areas": st.lists(st.fixed_dictionaries({
        "kind": st.sampled_from(["protected_area", "indigenous_territory"]), "overlap_ha": st.floats(0, 1e6),
    })),
    "last_detected_on": st.dates().map(str),
    "evaluated_on": st.dates().map(str),
})  # fmt: skip


@given(alerts)
def test_terms_are_bounded_and_add_up(alert):
    priority, terms = score(alert)
    assert list(terms) == [term.name for term in PRIORITY_TERMS]
    assert all(0 <= points <= 20 for points in terms.values())
    assert priority == pytest.approx(sum(terms.values()), abs=0.01)
    assert 0 <= priority <= 100


@given(alerts, st.sampled_from(TenureStatus))
def test_the_tenure_finding_only_moves_its_own_term(alert, status):
    before, after = score(alert)[1], score({**alert, "tenure_status": status})[1]
    assert {k: v for k, v in before.items() if k != "tenure"} == {k: v for k, v in after.items() if k != "tenure"}


def test_only_named_properties_of_the_alert_are_read():
    read = set()

    class Watched(dict):
        def get(self, key, default=None):
            read.add(key)
            return super().get(key, default)

    score(Watched(ALERT))
    assert read == set(ALERT)
    assert read <= {p.name for p in ALERT_PROPERTIES}
