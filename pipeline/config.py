"""One YAML is one run: a section for each stop of the walk, every field described, defaults only here."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import ConfigInvalidError
from pipeline.provenance import digest

SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""What `yaml.safe_load` uses, or the same in C where it is installed: a hundred areas are a tenth of a second otherwise."""
WORKERS = r"^(dask(:[1-9]\d{0,2})?|(tcp|tls|ws|wss)://[^/\s]+)$"
"""Workers other than threads."""
DEFAULT_WORKERS = 2


class _Section(BaseModel):
    """Frozen, and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AreaSection(_Section):
    """One area of interest and where its scenes, titles and protected areas come from."""

    aoi: Annotated[str, Field(description="GeoJSON file of the area, relative to this file.")]
    catalog: Annotated[str, Field(description="Where scenes come from: catalog.json of a static STAC catalogue, address of a "
                                  "STAC API, folder of .SAFE products, or sentinelhub+https://...")]  # fmt: skip
    collection: Annotated[str | None, Field(description="Collection to search; empty: the provider's own default.")] = None
    account: Annotated[
        str | None, Field(description="Profile of the sentinelhub configuration, or prefect:NAME of a Secret block.")
    ] = None
    sign_url: Annotated[str | None, Field(description="Address that signs addresses of files; empty: known or not needed.")] = (
        None
    )
    has_plain_numbers: Annotated[
        bool | None, Field(description="Items state no scale or offset and files hold ESA's own numbers; empty: known or no.")
    ] = None
    offsets: Annotated[
        dict[str, float], Field(description="Offset in reflectance by pattern of scene id, in place of the item's.")
    ] = {}
    dark_check: Annotated[bool, Field(description="Refuse scenes whose dark pixels contradict the stated offset.")] = True
    start: Annotated[date | None, Field(description="First day that is read; empty: all that the catalogue has.")] = None
    reference_until: Annotated[
        date | None, Field(description="Last day of the reference; empty: as soon as there are enough clear looks.")
    ] = None
    absent_bands: Annotated[
        tuple[str, ...], Field(description="Bands that the provider does not have at all; only swir22 may be absent.")
    ] = ()
    titles: Annotated[tuple[str, ...], Field(description="Files of mining titles; none: tenure_status is unknown.")] = ()
    titles_crs: Annotated[str | None, Field(description="CRS of title files that do not say theirs.")] = None
    titles_register: Annotated[
        str | None,
        Field(description="Register file by which titles are read: name of a ready one, or a .yaml file; empty: generic."),
    ] = None
    titles_retrieved_on: Annotated[date | None, Field(description="Day on which the titles were retrieved.")] = None
    titles_lack: Annotated[
        tuple[str, ...],
        Field(description="Titles that the files are known to leave out, in words; ground without one is unknown."),
    ] = ()
    registers: Annotated[
        tuple[str, ...], Field(description="Registers whose snapshots in the registry are laid over sites, each as of its day.")
    ] = ()
    protected: Annotated[tuple[str, ...], Field(description="Files of protected areas and Indigenous territories.")] = ()
    rivers: Annotated[tuple[str, ...], Field(description="Files of rivers, where a register states a strip along them.")] = ()


class FetchSection(_Section):
    """How servers are asked, and what is kept."""

    keep: Annotated[bool, Field(description="Copy windows into a local catalogue first (always done for Sentinel Hub).")] = (
        False
    )
    folder: Annotated[str | None, Field(description="Folder of the local catalogues; empty: scenes in `out`.")] = None
    attempts: Annotated[int, Field(description="Tries of one request.", ge=1, le=20)] = 5
    timeout_s: Annotated[float, Field(description="A request without an answer for this long has failed.", gt=0)] = 60.0
    first_wait_s: Annotated[float, Field(description="Wait before the second try; doubles with jitter.", gt=0)] = 1.0
    longest_wait_s: Annotated[float, Field(description="No longer wait, whatever Retry-After asks for.", gt=0)] = 120.0
    at_once: Annotated[int, Field(description="Requests to one provider at the same time.", ge=1, le=32)] = 4
    budget_pu: Annotated[float | None, Field(description="Processing units that a run may spend; empty: no limit.", ge=0)] = (
        1000.0
    )


class CubeSection(_Section):
    """From scenes to clear reflectance."""

    chunk_px: Annotated[int, Field(description="Side of a chunk in pixels of 10 m.", ge=64, le=4096)] = 1024
    cloud_dilation_px: Annotated[int, Field(description="Clouds and shadows are grown by this.", ge=0, le=20)] = 2


class ReferenceSection(_Section):
    """The past that change is measured against."""

    min_looks: Annotated[int, Field(description="Clear looks that a pixel needs before it is watched.", ge=4, le=60)] = 8
    min_days: Annotated[int, Field(description="Shortest reference period.", ge=30, le=730)] = 240
    ready_share: Annotated[
        float, Field(description="Share of a chunk's pixels with enough looks that ends the wait.", gt=0, le=1)
    ] = 0.95
    reference_days: Annotated[int, Field(description="Longest reference period.", ge=90, le=1830)] = 1095
    lag_days: Annotated[
        int, Field(description="A renewed reference ends this long before, so that slow growth is not absorbed.", ge=0)
    ] = 60
    renew_days: Annotated[int, Field(description="The reference is renewed after this, open sites excepted.", ge=90)] = 365


class SitesSection(_Section):
    """From changed pixels to sites."""

    mmu_ha: Annotated[float, Field(description="Minimum mapping unit.", ge=0.05, le=100)] = 0.3
    provisional_ha: Annotated[
        float, Field(description="Ground that a single look showed opens a provisional site from here on.", ge=0.05, le=100)
    ] = 0.3
    join_gap_px: Annotated[int, Field(description="Ground this near belongs together.", ge=1, le=10)] = 2
    max_extent_m: Annotated[float, Field(description="Longest side of one site.", ge=100)] = 3000.0


class TenureSection(_Section):
    """From sites to titles on a day."""

    geolocation_m: Annotated[
        float, Field(description="Sentinel-2 places a pixel within this; adds in quadrature to the tolerance.", ge=0)
    ] = 12.5
    outline_m: Annotated[
        float, Field(description="The same for outlines of titles whose register does not state their accuracy.", ge=0)
    ] = 15.0
    min_overlap_ha: Annotated[float, Field(description="Overlaps below this are slivers.", ge=0)] = 0.01
    stale_after_days: Annotated[int, Field(description="A snapshot older than this gives unknown.", ge=1)] = 1095


class AlertsSection(_Section):
    """When an alert says something new."""

    growth_ha: Annotated[float, Field(description="Growth, or ground of another kind, that makes a revision.", gt=0)] = 0.3
    growth_share: Annotated[float, Field(description="The same, as a share of the area last told.", gt=0)] = 0.1
    dormant_days: Annotated[int, Field(description="Seen clear without growth for this long: dormant.", ge=10)] = 90


class DeliverySection(_Section):
    """What is written beside the alerts."""

    has_evidence: Annotated[bool, Field(description="Write a signed evidence bundle for each alert.")] = True
    has_map: Annotated[bool, Field(description="Write map.html.")] = True
    languages: Annotated[
        tuple[Literal["en", "es", "pt", "fr"], ...],
        Field(description="Languages of the reports for people: en, es, pt, fr; an empty list: no reports."),
    ] = ("en", "es", "pt", "fr")
    keys: Annotated[
        str | None,
        Field(description="Folder of the signing keys; empty: `keys` beside the store. Keep it out of what you share."),
    ] = None


class ReviewSection(_Section):
    """What people say of alerts."""

    second_for_confirmed: Annotated[
        bool, Field(description="A verdict on a confirmed alert stands when a second person, who is not shown it, agrees.")
    ] = False


class ScheduleSection(_Section):
    """When `overburden schedule` runs the night."""

    cron: Annotated[str, Field(description="Cron expression.")] = "15 3 * * *"
    timezone: Annotated[str, Field(description="Time zone of the cron expression.")] = "UTC"


class RunConfig(_Section):
    """One run: areas, where results go, and a section for each stop of the walk."""

    areas: Annotated[tuple[AreaSection, ...], Field(description="Areas of interest of this run.", min_length=1)]
    out: Annotated[str, Field(description="Folder of the results, one sub-folder an area, relative to this file.")]
    store: Annotated[
        str | None, Field(description="SQLite file or database URL of the store; empty: store.sqlite in `out`.")
    ] = None
    state: Annotated[
        str | None,
        Field(description="Folder or address (s3://bucket/prefix) of the states of chunks; empty: `state` in the results."),
    ] = None
    registry: Annotated[
        str | None, Field(description="SQLite file or database URL of the cadastre registry; empty: the store.")
    ] = None
    subscriptions: Annotated[
        str | None,
        Field(description="File of subscriptions: who is told of which alerts; empty: nobody. See docs/delivery.md."),
    ] = None
    model: Annotated[str | None, Field(description="Folder of the model; empty: the one that comes with overburden.")] = None
    priority: Annotated[
        str | None, Field(description="File of the weights of the priority; empty: configs/priority.yaml of overburden.")
    ] = None
    workers: Annotated[
        Annotated[int, Field(ge=1, le=64)] | Annotated[str, Field(pattern=WORKERS)],
        Field(description="Who follows chunks: a number of threads, dask or dask:4 (processes), or tcp://scheduler:8786."),
    ] = DEFAULT_WORKERS
    fetch: FetchSection = FetchSection()
    cube: CubeSection = CubeSection()
    reference: ReferenceSection = ReferenceSection()
    sites: SitesSection = SitesSection()
    tenure: TenureSection = TenureSection()
    alerts: AlertsSection = AlertsSection()
    delivery: DeliverySection = DeliverySection()
    review: ReviewSection = ReviewSection()
    schedule: ScheduleSection = ScheduleSection()

    def store_address(self) -> str:
        """Return the address of the store: the one that is named, or store.sqlite in `out`."""
        return self.store or str(Path(self.out) / "store.sqlite")

    def state_address(self, aoi_id: str, out: Path) -> str:
        """Return where the states of an area's chunks lie; `out` is the folder of its results."""
        return f"{self.state.rstrip('/')}/{aoi_id}" if self.state else str(out / "state")

    def keys_folder(self, store: str | None = None) -> Path:
        """Return the folder of the signing keys: the one that is named, or `keys` beside the file of the store."""
        if self.delivery.keys:
            return Path(self.delivery.keys)
        store = store or self.store
        return (Path(self.out) if store is None or "://" in store else Path(store).parent) / "keys"

    def detection_digest(self) -> str:
        """Return the digest of everything that changes what is detected: a state made with another one is refused."""
        parts = {name: getattr(self, name).model_dump(mode="json") for name in ("cube", "reference", "sites", "alerts")}
        return digest(parts)[:16]


def load_config(path: Path) -> RunConfig:
    """Return the configuration of a YAML file, its paths made absolute.

    Raises
    ------
    ConfigInvalidError
        The file is absent or no YAML, a field is unknown or has a wrong value; the message names each one.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=SAFE_LOADER)  # noqa: S506 - safe, and fast
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigInvalidError(f"{path}: {error}; expected a YAML configuration; see configs/example.yaml") from error
    if not isinstance(document, Mapping):
        raise ConfigInvalidError(f"{path}: found {type(document).__name__}, expected sections; see configs/example.yaml")
    try:
        config = RunConfig.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']} (found {str(f['input'])[:60]})" for f in error.errors())
        raise ConfigInvalidError(f"{path}: {faults}; every field is described in configs/example.yaml") from error
    return _absolute(config, path.resolve().parent)


def _absolute(config: RunConfig, base: Path) -> RunConfig:
    """The configuration with paths relative to its file made absolute; addresses stay."""

    def place(text: str) -> str:
        return text if "://" in text else str((base / text).resolve())

    areas = tuple(
        area.model_copy(update={
            "aoi": place(area.aoi), "catalog": place(area.catalog),
            "titles": tuple(map(place, area.titles)), "protected": tuple(map(place, area.protected)),
            "rivers": tuple(map(place, area.rivers)),
            "titles_register": place(named) if (named := area.titles_register or "").endswith(".yaml") else named or None,
        })
        for area in config.areas
    )  # fmt: skip
    return config.model_copy(
        update={
            "areas": areas,
            "out": place(config.out),
            "fetch": config.fetch.model_copy(update={"folder": place(config.fetch.folder) if config.fetch.folder else None}),
            "store": place(config.store) if config.store else None,
            "state": place(config.state) if config.state else None,
            "registry": place(config.registry) if config.registry else None,
            "subscriptions": place(config.subscriptions) if config.subscriptions else None,
            "model": place(config.model) if config.model else None,
            "priority": place(config.priority) if config.priority else None,
            "delivery": config.delivery.model_copy(
                update={"keys": place(config.delivery.keys) if config.delivery.keys else None}
            ),
        }
    )


def example_yaml() -> str:
    """Return a commented configuration with every field, its description and its default."""
    lines = ["# One YAML is one run. Every field is here with its default; areas and out have none.", ""]
    for name, field in RunConfig.model_fields.items():
        if name == "areas":
            lines += _example_areas()
        elif isinstance(field.default, BaseModel):
            lines += ["", f"# {(type(field.default).__doc__ or '').strip()}", f"{name}:"]
            lines += [line for key, inner in type(field.default).model_fields.items()
                      for line in _field_lines(key, inner.description, getattr(field.default, key), "  ")]  # fmt: skip
        else:
            value = "../out/example" if name == "out" else field.default
            lines += _field_lines(name, field.description, value, "")
    return "\n".join(lines) + "\n"


def _example_areas() -> list[str]:
    """The section of areas, with one area."""
    values: dict[str, object] = {"aoi": "../aoi/madre-de-dios.geojson", "catalog": "https://earth-search.aws.element84.com/v1"}
    lines = ["# Areas of interest of this run.", "areas:"]
    for key, field in AreaSection.model_fields.items():
        lines += _field_lines(key, field.description, values.get(key, field.default), "    ")
    lines[3] = "  - " + lines[3].strip()
    lines[2], lines[3] = "  " + lines[2].strip(), lines[3]
    return lines


def _field_lines(key: str, description: str | None, value: object, indent: str) -> list[str]:
    """A field as its description in a comment and its value."""
    plain = list(value) if isinstance(value, tuple) else value
    text = yaml.safe_dump({key: plain}, default_flow_style=True, width=1000).strip()[1:-1]
    return [f"{indent}# {description}", f"{indent}{text}"]
