"""Which verdict stands: by whom, of what, and what it teaches."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from example_alerts import example
from hypothesis import given
from hypothesis import strategies as st

from pipeline.alerts import Alert
from pipeline.errors import ReviewRefusedError
from pipeline.io.labels import read_chips  # noqa: F401 - its readings are those of `REASONS`
from pipeline.reviews import (
    REASONS,
    Entry,
    Outcome,
    Review,
    Standing,
    Verdict,
    Withdrawal,
    awaits,
    check_note,
    check_person,
    check_reason,
    labels,
    latest,
    person,
    standing,
    statement_of,
)
from pipeline.stages.sites import payload_of

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
READINGS = {"mining_new", "farm_or_clearing", "built", "river", "no_change", "cloudy", ""}


def said(verdict: str = "rejected", by: str = "Ana", *, reason: str = "river_bar", hours: int = 0, **changed: object) -> Review:
    review = Review(
        "tiny", "alert-a", "site-a", 3, date(2024, 5, 1), "e" * 64, "now", "confirmed", Verdict(verdict), reason, by, "",
        NOON + timedelta(hours=hours),
    )  # fmt: skip
    return replace(review, **changed)


def taken_back(by: str = "Ana", statement: str = "now") -> Withdrawal:
    return Withdrawal("tiny", "alert-a", statement, by, "", NOON)


def stands(*entries: Entry, second: bool = False, statement: str = "now", said_by: date | None = None) -> str | None:
    found = standing(entries, statement, needs_second=second, said_by=said_by)
    return found and found.words


# --- reasons ---------------------------------------------------------------------------------------------------------


def test_every_verdict_has_reasons_and_every_reason_a_reading_that_chips_know_or_none() -> None:
    assert len({r.code for r in REASONS}) == len(REASONS)
    assert {v for r in REASONS for v in r.verdicts} == set(Verdict)
    assert {r.reading for r in REASONS} == READINGS
    assert {"river_bar", "oxbow", "aquaculture", "road", "quarry"} <= {r.code for r in REASONS}


@pytest.mark.parametrize(("verdict", "code", "note"), [
    ("accepted", "river_bar", ""), ("rejected", "mine_seen", ""), ("rejected", "rivers", ""), ("inconclusive", "farming", ""),
    ("rejected", "other", ""),
])  # fmt: skip
def test_a_reason_that_does_not_fit_is_refused_with_those_that_do(verdict: str, code: str, note: str) -> None:
    with pytest.raises(ReviewRefusedError, match="--reason"):
        check_reason(Verdict(verdict), code, note)


def test_other_needs_a_note() -> None:
    check_reason(Verdict.REJECTED, "other", "a football field")


@pytest.mark.parametrize("name", ["", "   ", "A\x1b[2J", "x" * 201, "Ana\nBea"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ReviewRefusedError, match="--by"):
        check_person(name)


def test_a_name_is_kept_in_one_form_of_unicode() -> None:
    assert check_person(" Joa\u0303o ") == "Jo\u00e3o"
    assert check_person("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627")


def test_a_note_without_end_is_refused() -> None:
    with pytest.raises(ReviewRefusedError, match="10001 characters"):
        check_note("x" * 10_001)


# --- what stands -----------------------------------------------------------------------------------------------------

OUTCOMES = {
    "accepted (mine_seen, revision 3)": ([said("accepted", reason="mine_seen")], False),
    "rejected (river_bar, revision 3)": ([said()], False),
    "inconclusive (cloud, revision 3)": ([said("inconclusive", reason="cloud")], False),
    "awaiting_second (revision 3)": ([said()], True),
    "disputed (revision 3)": ([said(), said("accepted", "Bea", reason="mine_seen")], True),
}  # fmt: skip


@pytest.mark.parametrize("words", OUTCOMES)
def test_each_outcome_has_an_example(words: str) -> None:
    entries, second = OUTCOMES[words]
    assert stands(*entries, second=second) == words


def test_the_examples_are_all_outcomes() -> None:
    assert {words.split(" ")[0] for words in OUTCOMES} == set(Outcome)


def test_nothing_said_is_nothing() -> None:
    assert stands() is None
    assert stands(said(), taken_back()) is None


def test_two_who_agree_for_different_reasons_agree() -> None:
    assert stands(said(), said(by="Bea", reason="quarry"), second=True) == "rejected (river_bar, quarry, revision 3)"


def test_the_same_person_is_no_second_however_the_name_is_written() -> None:
    assert stands(said(), said(by="ANA "), second=True) == "awaiting_second (revision 3)"
    assert person("A\u0301na  B") == person("\u00c1NA b")


def test_what_is_not_confirmed_needs_no_second() -> None:
    assert stands(said(state="provisional"), second=True) == "rejected (river_bar, revision 3)"


def test_whoever_changes_their_mind_ends_a_dispute() -> None:
    bea = said("accepted", "Bea", reason="mine_seen")
    assert stands(said(), bea, said("accepted", reason="mine_seen")) == "accepted (mine_seen, revision 3)"


def test_a_withdrawal_takes_back_all_that_was_said_of_the_revision() -> None:
    assert stands(said(), said(reason="oxbow"), taken_back()) is None
    assert stands(said(), said(by="Bea", reason="oxbow"), taken_back()) == "rejected (oxbow, revision 3)"
    assert stands(said(), taken_back(), said(reason="road")) == "rejected (road, revision 3)"


def test_a_material_change_makes_a_verdict_outdated_and_it_is_still_shown() -> None:
    assert stands(said(), statement="later") == "outdated: rejected (river_bar, revision 3)"
    newer = said("accepted", reason="mine_seen", statement="later", revision=4, hours=1)
    assert stands(said(), newer, statement="later") == "accepted (mine_seen, revision 4)"
    assert stands(said(), newer, statement="last") == "outdated: accepted (mine_seen, revision 4)"


def test_a_verdict_on_what_was_told_later_does_not_count_for_a_day_before() -> None:
    assert stands(said(), said_by=date(2024, 4, 30)) is None
    assert stands(said(), said_by=date(2024, 5, 1)) == "rejected (river_bar, revision 3)"


def test_who_is_asked_next() -> None:
    def asked(who: str, *entries: Entry, second: bool = True) -> bool:
        return awaits(entries, "now", who, needs_second=second)

    assert asked("Ana")
    assert not asked("Ana", said())
    assert asked("Bea", said())
    assert not asked("Bea", said(), second=False)
    assert not asked("Cid", said(), said(by="Bea"))
    assert asked("Ana", said(statement="before"))
    assert asked("Ana", said(), taken_back())


ENTRIES = st.lists(
    st.one_of(
        st.builds(
            lambda v, by, reason, hours: said(v, by, reason=reason, hours=hours),
            st.sampled_from([str(v) for v in Verdict]), st.sampled_from(["Ana", "Bea", "Cid"]),
            st.sampled_from(["river_bar", "mine_seen", "cloud"]), st.integers(0, 9),
        ),
        st.builds(taken_back, st.sampled_from(["Ana", "Bea", "Cid"])),
    ),
    max_size=8,
)  # fmt: skip


@given(ENTRIES, st.booleans())
def test_only_the_last_word_of_each_person_counts_and_their_order_does_not(entries: list[Entry], second: bool) -> None:
    last: dict[str, Entry] = {}
    for entry in entries:
        last[entry.reviewer] = entry
    whole = standing(entries, "now", needs_second=second)
    kept = standing(list(last.values()), "now", needs_second=second)
    turned = standing(list(reversed(last.values())), "now", needs_second=second)
    assert _sorted(whole) == _sorted(kept) == _sorted(turned)


def _sorted(found: Standing | None) -> object:
    return found and (found.outcome, sorted(found.reasons), found.revision)


@given(ENTRIES)
def test_one_verdict_never_stands_alone_where_two_are_asked_for(entries: list[Entry]) -> None:
    found = standing(entries, "now", needs_second=True)
    if len(latest(entries).get("now", {})) == 1:
        assert found is not None
        assert found.outcome is Outcome.AWAITING_SECOND
        assert found.reasons == ()


# --- what was reviewed -----------------------------------------------------------------------------------------------


def statement(alert: Alert) -> str:
    return statement_of(payload_of(alert))


@pytest.mark.parametrize("changed", [
    {"revision": 3}, {"state": "closed"}, {"area_ha": 3.5}, {"tenure_status": "covered"}, {"merged_from": ["x"]},
    {"likely_cause": "unclear"},
])  # fmt: skip
def test_what_is_material_makes_another_statement(changed: dict[str, object]) -> None:
    assert statement(example(**changed)) != statement(example())


@pytest.mark.parametrize("changed", [
    {"clear_observations": 9}, {"scenes": ["S2B"]}, {"priority": 1.0}, {"schema_version": "9"}, {"review_verdict": "x"},
])  # fmt: skip
def test_what_is_not_material_makes_none(changed: dict[str, object]) -> None:
    assert statement(example(**changed)) == statement(example())


# --- training data ---------------------------------------------------------------------------------------------------


def test_verdicts_teach_by_revision_and_what_teaches_nothing_is_counted() -> None:
    entries = [
        said(), said("accepted", reason="mine_seen", statement="later", revision=4, event_hash="f" * 64),
        said("inconclusive", reason="cloud", statement="c"), said(reason="duplicate", statement="d"),
        said(statement="e"), said("accepted", "Bea", reason="mine_seen", statement="e"),
    ]  # fmt: skip
    found, left_out = labels(entries, needs_second=False)
    assert [(f.revision, f.label, f.reading, f.reviews) for f in found] == [
        (3, "other", "river", 1), (4, "mining", "mining_new", 1),
    ]  # fmt: skip
    assert left_out == {"disputed": 1, "duplicate": 1, "inconclusive": 1}


def test_what_awaits_a_second_teaches_nothing_yet() -> None:
    assert labels([said()], needs_second=True) == ([], {"awaiting_second": 1})


@given(st.text(min_size=6), st.text(min_size=6))
def test_no_label_has_a_name_or_a_note(name: str, note: str) -> None:
    found, _ = labels([said(by=name, note=note), said(by="Bea")], needs_second=False)
    assert set(found[0].__dataclass_fields__) == {
        "event_hash", "alert_id", "site_id", "revision", "label", "reasons", "reading", "reviews",
    }  # fmt: skip
    assert name not in {found[0].event_hash, found[0].alert_id, found[0].site_id, *found[0].reasons}
