"""The command `overburden`. Exit codes: 0 fine, 1 some area failed or some title was refused, 2 bad usage or input."""

import logging
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pipeline import (
    __version__,
    alerts_cli,
    cadastre_cli,
    community_cli,
    evidence_cli,
    export_cli,
    ledger_cli,
    outbox_cli,
    review_cli,
)
from pipeline.errors import InputError, PipelineError

if TYPE_CHECKING:
    from pipeline.stages.scenes import Search

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Nightly Sentinel-2 alerts of suspected unlicensed mining.",
)  # fmt: skip
aoi_app = typer.Typer(no_args_is_help=True, help="Areas of interest: check one, make one.")
app.add_typer(aoi_app, name="aoi")
scenes_app = typer.Typer(no_args_is_help=True, help="Scenes: what a period would take, and copying it.")
app.add_typer(scenes_app, name="scenes")

app.add_typer(cadastre_cli.app, name="cadastre")
app.add_typer(alerts_cli.app, name="alerts")
app.add_typer(ledger_cli.app, name="ledger")
app.command("coverage")(ledger_cli.coverage)
app.add_typer(evidence_cli.app, name="evidence")
app.add_typer(evidence_cli.keys_app, name="keys")
app.command("export")(export_cli.export)
app.add_typer(export_cli.app, name="exports")
app.add_typer(review_cli.app, name="review")
app.add_typer(community_cli.app, name="reports")
app.command("deliver")(outbox_cli.deliver)
app.add_typer(outbox_cli.app, name="outbox")

Day = Annotated[Optional[datetime], typer.Option("--as-of", formats=["%Y-%m-%d"], help="The date that the run speaks for.")]  # noqa: UP045 - typer reads it
Config = Annotated[Path, typer.Option("--config", help="YAML configuration of the run.")]


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _show_progress() -> None:
    """Progress and warnings of the package on standard error."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pipeline").setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


@app.callback(invoke_without_command=True)
def _version(*, version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    if version:
        print(f"overburden {__version__}")
        raise typer.Exit(0)


@app.command()
def run(
    catalog: Annotated[str, typer.Option(help="catalog.json of a static STAC catalogue, or address of a STAC API.")],
    aoi: Annotated[Path, typer.Option(help="GeoJSON of the area of interest.")],
    out: Annotated[Path, typer.Option(help="Folder of the results.")],
    titles: Annotated[Optional[list[Path]], typer.Option(help="File of mining titles; may be given again.")] = None,  # noqa: UP045
    titles_crs: Annotated[Optional[str], typer.Option(help="CRS of title files that do not say theirs.")] = None,  # noqa: UP045
    protected: Annotated[Optional[list[Path]], typer.Option(help="File of protected areas; may be given again.")] = None,  # noqa: UP045
    as_of: Day = None,
    config: Annotated[Optional[Path], typer.Option(help="YAML with other settings; its areas and out are not used.")] = None,  # noqa: UP045
    store: Annotated[Optional[str], typer.Option(help="Store: SQLite file or database URL; by default in OUT.")] = None,  # noqa: UP045
) -> None:
    """Run the walk once on one area, in process and without Prefect."""
    from pipeline.config import AreaSection, RunConfig, load_config
    from pipeline.heap import keep_pages
    from pipeline.stages import AoiRequest, run_aoi

    keep_pages()
    given = load_config(config) if config else None
    base = given.areas[0] if given else None
    section = AreaSection(
        aoi=str(aoi.resolve()), catalog=catalog if "://" in catalog else str(Path(catalog).resolve()),
        titles=tuple(str(t.resolve()) for t in titles or ()), titles_crs=titles_crs,
        protected=tuple(str(p.resolve()) for p in protected or ()),
        **(base.model_dump(exclude={"aoi", "catalog", "titles", "titles_crs", "protected"}) if base else {}),
    )  # fmt: skip
    settings = given.model_copy(update={"areas": (section,)}) if given else RunConfig(areas=(section,), out=str(out))
    result = run_aoi(AoiRequest(section, settings, out.resolve(), store or str(out.resolve() / "store.sqlite"), _day(as_of)))
    for finding in result.findings:
        _say(finding)
    print(
        f"{result.aoi_id} as of {result.as_of}: {len(result.alerts)} alerts, {len(result.disturbances)} other disturbances, "
        f"{len(result.changed)} new or changed; {result.out / 'alerts.geojson'}"
    )
    raise typer.Exit(1 if result.has_refused_input else 0)


@app.command()
def nightly(config: Config, as_of: Day = None) -> None:
    """Run the nightly Prefect flow over all areas of a configuration."""
    from pipeline.flows import run_nightly

    day = _day(as_of) or datetime.now(UTC).date()
    raise typer.Exit(_tell(run_nightly(config, day)))


@app.command()
def backfill(
    config: Config,
    from_: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First day that is read.")],
    to: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Day that the last night speaks for.")],
) -> None:
    """Read the history of all areas of a configuration once, then speak for the last day."""
    from pipeline.flows import run_backfill

    raise typer.Exit(_tell(run_backfill(config, from_.date(), to.date())))


def _tell(outcomes: Sequence[object]) -> int:
    """Print the outcome of each area; the exit code."""
    from pipeline.flows import AreaOutcome

    code = 0
    for outcome in outcomes:
        if not isinstance(outcome, AreaOutcome):
            continue
        for finding in outcome.findings:
            _say(finding)
        print(outcome.line)
        code = max(code, 1 if outcome.is_failed else 0)
    return code


@app.command()
def schedule(config: Config) -> None:
    """Serve the nightly flow with the cron of the configuration until stopped; needs a Prefect server."""
    from pipeline.flows import serve_nightly

    serve_nightly(config)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results.")] = Path("out/demo"),
    size_m: Annotated[float, typer.Option(help="Side of the simulated area in metres.")] = 6000.0,
) -> None:
    """Run two areas, a real and a simulated one, through the nightly flow, and show what was found."""
    from pipeline.demonstration import run_demo

    raise typer.Exit(run_demo(out.resolve(), size_m=size_m, say=_say, tell=print))


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="Folder with mining_chips/ and rondonia_points/; see data/README.md.")],
    version: Annotated[str, typer.Option(help="Version of the new model, such as 0.2.0.")],
    name: Annotated[str, typer.Option(help="Name of the model.")] = "amazon-gold",
    models: Annotated[Path, typer.Option(help="Folder of models.")] = Path("models"),
    worlds: Annotated[int, typer.Option(help="Simulated worlds of each landscape that it is measured on.", min=0)] = 3,
) -> None:
    """Train a new model version, measure it, and write it with its card; refused where it is worse than the one before."""
    from pipeline.flows import run_training

    print(f"model {run_training(data.resolve(), models.resolve() / name / version, worlds)}")


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="Folder with chips.csv and chips.npz, or with mining_chips/.")],
    model: Annotated[Optional[Path], typer.Option(help="Folder of a model; the newest by default.")] = None,  # noqa: UP045
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("out/evaluation"),
    worlds: Annotated[int, typer.Option(help="Simulated worlds of each landscape to walk; 0 for none.", min=0)] = 1,
    pictures: Annotated[bool, typer.Option("--pictures", help="Draw the chips that cost most, as hardest-chips.png.")] = False,
) -> None:
    """Measure a model on labelled data and write a report with figures, each with its 95 % interval."""
    from pipeline.evaluation.report import write_evaluation
    from pipeline.io.models import default_model
    from pipeline.training.evaluate import evaluate_model

    drawn = out.resolve() / "hardest-chips.png" if pictures else None
    evaluation = evaluate_model(model or default_model(), data.resolve(), worlds, drawn)
    write_evaluation(evaluation, out.resolve())
    print(f"{len(evaluation.sections)} sections; {out.resolve() / 'report.md'}")


@app.command()
def doctor(config: Config) -> None:
    """Check configuration, areas, model, store and catalogues of a run, and say what to fix."""
    from pipeline.stages.doctor import examine

    checks = examine(config)
    for check in checks:
        print(f"{'ok  ' if check.is_fine else 'FIX '} {check.subject}: {check.text}")
    raise typer.Exit(0 if all(c.is_fine for c in checks) else 2)


@aoi_app.command("check")
def aoi_check(file: Annotated[Path, typer.Argument(help="File of the area.")]) -> None:
    """Validate an area of interest and say what there is to know about it."""
    from pipeline.io.areas import check_area, read_area

    area = read_area(file)
    print(f"{area.id}: {area.name}")
    for fact in check_area(area):
        print(f"  {fact}")


@aoi_app.command("new")
def aoi_new(
    out: Annotated[Path, typer.Option(help="GeoJSON file to write.")],
    name: Annotated[str, typer.Option(help="Name of the area for people.")],
    bbox: Annotated[Optional[str], typer.Option(help="west,south,east,north in degrees.")] = None,  # noqa: UP045
    polygon: Annotated[Optional[Path], typer.Option(help="Any vector file with one polygon.")] = None,  # noqa: UP045
) -> None:
    """Make an area of interest from a bounding box or a polygon file."""
    from pipeline.errors import AoiInvalidError
    from pipeline.io.areas import check_area, new_area, write_area

    if (bbox is None) == (polygon is None):
        raise AoiInvalidError("give either --bbox west,south,east,north or --polygon FILE")
    source: Path | tuple[float, float, float, float]
    if polygon is not None:
        source = polygon
    else:
        try:
            west, south, east, north = (float(v) for v in str(bbox).split(","))
        except ValueError as error:
            raise AoiInvalidError(f"--bbox: found {bbox!r}, expected four numbers: west,south,east,north") from error
        source = (west, south, east, north)
    area = new_area(source, id_=out.stem, name=name)
    write_area(out, area)
    print(f"{out}: {'; '.join(check_area(area))}")


From = Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="First solar day.")]
To = Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="Last solar day.")]


def _searches(config: Path, begin: datetime, end: datetime) -> Iterator["Search | PipelineError"]:
    """The search of each area of a configuration on one budget, or the error that it ends with."""
    from pipeline.config import load_config
    from pipeline.stages.scenes import area_out, search

    run_config, spent_pu = load_config(config), 0.0
    if any((section.account or "").startswith("prefect:") for section in run_config.areas):
        from pipeline.flows import provide_accounts

        provide_accounts(section.account for section in run_config.areas)
    for section in run_config.areas:
        try:
            out = area_out(run_config, section)
            found = search(section, run_config, out, start=begin.date(), until=end.date(), spent_pu=spent_pu)
        except PipelineError as error:
            yield error
            continue
        yield found
        spent_pu += float(getattr(found.source, "spent_pu", 0.0))


@scenes_app.command("plan")
def scenes_plan(config: Config, from_: From, to: To) -> None:
    """Print scenes, pixels and estimated processing units of a period, before anything is spent."""
    from pipeline.config import load_config
    from pipeline.stages.scenes import plan, plan_table

    found = list(_searches(config, from_, to))
    failed = [f for f in found if isinstance(f, PipelineError)]
    print(plan_table([plan(f) for f in found if not isinstance(f, PipelineError)], load_config(config).fetch.budget_pu))
    for error in failed:
        _say(f"{type(error).__name__}: {error}")
    raise typer.Exit(1 if failed else 0)


@scenes_app.command("fetch")
def scenes_fetch(config: Config, from_: From, to: To) -> None:
    """Copy the windows that the areas need into local catalogues; what is there already is checked and kept."""
    from pipeline.config import load_config

    at_once = load_config(config).fetch.at_once
    codes = [_fetch(found, at_once) for found in _searches(config, from_, to)]
    raise typer.Exit(max(codes, default=0))


def _fetch(found: "Search | PipelineError", at_once: int) -> int:
    """Copy what one area needs, with a progress bar; the exit code. An area that fails stops no other."""
    from tqdm import tqdm

    from pipeline.stages.scenes import fetch

    try:
        if isinstance(found, PipelineError):
            raise found
        with tqdm(total=len(found.chosen), unit="scene", desc=found.area.id, disable=None) as bar:
            report = fetch(found, tell=lambda *_: bar.update(), is_thorough=True, at_once=at_once)
    except PipelineError as error:
        _say(f"{type(error).__name__}: {error}")
        return 1
    for failed in (*found.unusable, *report.failed):
        _say(f"{type(failed.error).__name__}: {failed.error}")
    print(report.line)
    return 1 if report.failed else 0


@app.command()
def config_example() -> None:
    """Print a commented configuration with every field."""
    from pipeline.config import example_yaml

    print(example_yaml(), end="")


def main() -> None:
    """Run the command; named errors become one line on standard error and an exit code."""
    _show_progress()
    try:
        app(standalone_mode=True)
    except InputError as error:
        _say(f"{type(error).__name__}: {error}")
        sys.exit(2)
    except PipelineError as error:
        _say(f"{type(error).__name__}: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
