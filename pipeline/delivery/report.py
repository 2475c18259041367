"""The run report: what is said, what is new, and what was seen, in Markdown."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipeline.alerts import DISCLAIMER, Alert
from pipeline.ledger import LedgerRow, Outcome

MOST_CHUNKS = 8
"""Chunks that the report names for ground on which no change can be seen."""
RECENT_DAYS = 60
"""Solar days that the ledger lists one by one; older ones by month."""
SEEN_WITHIN_DAYS = 30
"""What had no clear look for so long is called not seen."""


@dataclass(frozen=True, slots=True)
class ReportInputs:
    """What the report of a run is made from."""

    aoi_id: str
    aoi_name: str
    is_simulated: bool
    as_of: date
    previous_as_of: date | None
    model_id: str
    config_digest: str
    software: str
    alerts: Sequence[Alert]
    disturbances: Sequence[Alert]
    changed: Sequence[Alert]
    ledger: Sequence[LedgerRow]
    findings: Sequence[str]
    cadastre: Sequence[Mapping[str, object]]


def _cell(value: object) -> str:
    """A value that cannot break a table or become markup."""
    text = "" if value is None else str(value)
    for found, instead in (("|", "\\|"), ("\n", " "), ("<", "&lt;"), ("`", "'")):
        text = text.replace(found, instead)
    return text


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Lines of a table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(_cell(v) for v in row) + " |" for row in rows]


def _number(value: object) -> str:
    """A probability with two decimals, or a dash."""
    return f"{value:.2f}" if isinstance(value, int | float) else "-"


def _alert_rows(alerts: Sequence[Alert]) -> list[list[object]]:
    """One row for each alert, most urgent first."""
    ranked = sorted(alerts, key=lambda a: (-float(str(a.properties["priority"])), str(a.properties["site_id"])))
    return [
        [
            str(a.properties["site_id"])[:8], a.properties["revision"], a.properties["state"], a.properties["activity"],
            a.properties["likely_cause"], f"{float(str(a.properties['area_ha'])):.2f}",
            a.properties["last_clear_unchanged_on"] or "not while monitored", a.properties["first_detected_on"],
            a.properties["tenure_status"], _number(a.properties["mining_probability"]),
            a.properties["priority"],
        ]
        for a in ranked
    ]  # fmt: skip


ALERT_HEAD = ("site", "revision", "state", "activity", "likely cause", "ha", "last seen unchanged", "first detected",
              "tenure", "p(mining)", "priority")  # fmt: skip


def _days(ledger: Sequence[LedgerRow]) -> dict[date, dict[str, float]]:
    """Shares of the area by solar day: mean over the chunks, in percent."""
    shares: dict[date, dict[str, dict[str, float]]] = {}
    for row in ledger:
        if row.solar_day is not None and row.chunk_id and row.clear_pct is not None:
            shares.setdefault(row.solar_day, {})[row.chunk_id] = {
                "clear": row.clear_pct, "cloudy": row.cloudy_pct or 0.0, "missing": row.not_imaged_pct or 0.0,
            }  # fmt: skip
    return {
        day: {k: sum(c[k] for c in chunks.values()) / len(chunks) for k in ("clear", "cloudy", "missing")}
        for day, chunks in sorted(shares.items())
    }


def unseen_pct(ledger: Sequence[LedgerRow], as_of: date) -> tuple[float, float]:
    """Return the least and the greatest share of the area, in percent, that had no clear look in the last 30 days.

    The ledger knows shares, not places: at best the clear parts of a chunk's days do not overlap, at worst they all lie
    inside of the clearest one. Chunks count alike; a chunk of which nothing is known was not seen.
    """
    days: dict[str, dict[date, float]] = {r.chunk_id: {} for r in ledger if r.chunk_id}
    for row in ledger:
        recent = row.solar_day is not None and as_of - timedelta(days=SEEN_WITHIN_DAYS) < row.solar_day <= as_of
        if recent and row.solar_day is not None and row.chunk_id and row.clear_pct is not None:
            days[row.chunk_id][row.solar_day] = row.clear_pct
    best = [min(100.0, sum(shares.values())) for shares in days.values()] or [0.0]
    worst = [max(shares.values(), default=0.0) for shares in days.values()] or [0.0]
    return 100.0 - sum(best) / len(best), 100.0 - sum(worst) / len(worst)


def _unseen_words(inputs: ReportInputs) -> str:
    """How much of the area was not seen of late, as one sentence."""
    least, most = (f"{share:.0f}" for share in unseen_pct(inputs.ledger, inputs.as_of))
    share = f"{most} %" if least == most else f"between {least} % and {most} %"
    return (
        f'Not seen is never "nothing there": {share} of the area had no clear look in the {SEEN_WITHIN_DAYS} days up to '
        f"{inputs.as_of}, and nothing is said about what happened there."
    )


def unwatched_lines(ledger: Sequence[LedgerRow]) -> list[str]:
    """Return what the last look at each chunk says of ground on which no change could be seen, as sentences."""
    last: dict[str, LedgerRow] = {}
    for row in ledger:
        if row.outcome is Outcome.MONITORED and row.solar_day is not None:
            held = last.get(row.chunk_id)
            if held is None or held.solar_day is None or row.solar_day >= held.solar_day:
                last[row.chunk_id] = row
    said = [f"- {last[k].reason} ({last[k].solar_day})." for k in sorted(last) if last[k].reason]
    more = [f"- And {len(said) - MOST_CHUNKS} more chunks; the ledger has them."] if len(said) > MOST_CHUNKS else []
    return [*said[:MOST_CHUNKS], *more]


def _outcome_words(ledger: Sequence[LedgerRow]) -> str:
    """How many scenes came to which end, as one sentence; a scene over several chunks counts once for each end."""
    counts = Counter(outcome for _, outcome in {(r.scene_id, r.outcome) for r in ledger})
    said = [f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome]]
    return f"Scenes by outcome: {', '.join(said) or 'none'}."


def _ledger_lines(inputs: ReportInputs) -> list[str]:
    """The observation ledger."""
    days = _days(inputs.ledger)
    recent = [d for d in days if (inputs.as_of - d).days < RECENT_DAYS]
    months: dict[str, list[dict[str, float]]] = {}
    for day, shares in days.items():
        if day not in recent:
            months.setdefault(day.strftime("%Y-%m"), []).append(shares)
    rows: list[list[object]] = [
        [month, len(some), *(f"{sum(s[k] for s in some) / len(some):.0f}" for k in ("clear", "cloudy", "missing"))]
        for month, some in months.items()
    ]
    rows += [[day.isoformat(), 1, *(f"{days[day][k]:.0f}" for k in ("clear", "cloudy", "missing"))] for day in recent]
    return [
        "## Observation ledger", "",
        _unseen_words(inputs), "", _outcome_words(inputs.ledger), "", *unwatched_lines(inputs.ledger), "",
        *_table(("solar day or month", "acquisitions", "seen clear %", "cloudy %", "not imaged %"), rows), "",
    ]  # fmt: skip


def _faults(inputs: ReportInputs) -> list[str]:
    """Scenes that could not be used or were superseded, and other findings."""
    failed = {(r.scene_id, r.reason): r for r in inputs.ledger if r.outcome is Outcome.FAILED}
    superseded = [r for r in inputs.ledger if r.outcome is Outcome.SUPERSEDED]
    lines = ["## Scenes and inputs that were not used", ""]
    lines += [f"- {_cell(r.solar_day)} {_cell(r.scene_id)}: {_cell(r.reason)}" for r in failed.values()]
    lines += [f"- {_cell(r.solar_day)} {_cell(r.scene_id)} superseded: {_cell(r.reason)}" for r in superseded]
    lines += _absent_lines(inputs.ledger)
    told = {r.reason for r in failed.values()}
    lines += [f"- {_cell(f)}" for f in inputs.findings if f not in told]
    return [*lines, "" if len(lines) > 2 else "None.", ""]


def _absent_lines(ledger: Sequence[LedgerRow]) -> list[str]:
    """Passes that the orbit promises and the catalogue lacks, one line for each tile."""
    days: dict[str, list[str]] = {}
    for row in ledger:
        if row.outcome is Outcome.NOT_LISTED:
            days.setdefault(row.scene_id.rpartition(" ")[0], []).append(str(row.solar_day))
    return [
        f"- {_cell(tile)}: {len(found)} passes of the satellite are not listed, of {', '.join(sorted(found))}. Each was not "
        "recorded, or the catalogue lacks it"
        for tile, found in sorted(days.items())
    ]


def _cadastre_lines(inputs: ReportInputs) -> list[str]:
    """The snapshots that were read."""
    if not inputs.cadastre:
        return ["No cadastre was given: every tenure status is `unknown`.", ""]
    rows = [[c["name"], c["retrieved_on"] or "not stated", c["title_count"], str(c["sha256"])[:16]] for c in inputs.cadastre]
    return [*_table(("cadastre snapshot", "retrieved on", "titles", "SHA-256"), rows), ""]


def _change_lines(inputs: ReportInputs) -> list[str]:
    """What is new or changed since the night before."""
    since = f" since {inputs.previous_as_of}" if inputs.previous_as_of else ""
    lines = [f"## New or changed{since}: {len(inputs.changed)}", ""]
    if not inputs.changed:
        return [*lines, "Nothing new.", ""]
    new = sum(a.properties["revision"] == 1 for a in inputs.changed)
    words = f"{new} new, {len(inputs.changed) - new} changed: revision 1 is new, a higher one adds to what was said."
    return [*lines, words, "", *_table(ALERT_HEAD, _alert_rows(inputs.changed)), ""]


def night_summary(inputs: ReportInputs) -> str:
    """Return the night in one paragraph of plain text."""
    new = sum(a.properties["revision"] == 1 for a in inputs.changed)
    failed = len({r.scene_id for r in inputs.ledger if r.outcome is Outcome.FAILED})
    simulated = "Simulated data. " if inputs.is_simulated else ""
    return (
        f"{simulated}{inputs.aoi_name}, as of {inputs.as_of}: {len(inputs.alerts)} open alerts, {new} new and "
        f"{len(inputs.changed) - new} changed, {len(inputs.disturbances)} other disturbances, {failed} scenes that could "
        f"not be used. {_unseen_words(inputs)}"
    )


def run_report(inputs: ReportInputs) -> str:
    """Return the report of a run as Markdown; the same inputs always give the same text."""
    lines = [f"# {_cell(inputs.aoi_name)}, as of {inputs.as_of}", ""]
    if inputs.is_simulated:
        lines += ["**Simulated data: no real place, no real title.**", ""]
    lines += [
        f"Area `{_cell(inputs.aoi_id)}`, model `{inputs.model_id}`, configuration `{inputs.config_digest}`, "
        f"{inputs.software}.", "",
        f"## Open alerts: {len(inputs.alerts)}", "",
        *(_table(ALERT_HEAD, _alert_rows(inputs.alerts)) if inputs.alerts else ["None."]), "",
        *_change_lines(inputs),
        f"## Other disturbances: {len(inputs.disturbances)}", "",
        "Confirmed changes that do not look like mining, and sites that ended. Nobody is sent out for these; nothing "
        "that was found is hidden.", "",
        *(_table(ALERT_HEAD, _alert_rows(inputs.disturbances)) if inputs.disturbances else ["None."]), "",
        "## Titles", "", *_cadastre_lines(inputs),
        *_ledger_lines(inputs), *_faults(inputs),
        "## Limits", "", DISCLAIMER, "",
        "Ground smaller than the minimum mapping unit, under lasting cloud, or bare before mining began is not found. The "
        "model card gives the measured error rates.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
