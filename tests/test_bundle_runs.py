"""Bundles of whole runs: they say what the files of the night say, follow each other, and stand once they are built."""

import hashlib
import itertools
import json
import shutil
import zipfile
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from shapely.geometry import box, mapping
from test_run import days_of, run
from worlds import footprint, pit_in_forest, write_aoi

from pipeline.config import RunConfig
from pipeline.errors import KeyMissingError
from pipeline.evidence import Status, key_id
from pipeline.io.bundles import read_chain, verify_bundle
from pipeline.io.keys import read_keyring, read_public, rotate_key
from pipeline.io.store import open_store
from pipeline.provenance import canonical_json
from pipeline.stages import AoiRequest, AoiResult, looks, run_aoi
from pipeline.stages import bundles as module

LATER = date(2030, 1, 1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    pit_in_forest(folder / "catalog", cloudy=(5, 29))
    write_aoi(folder / "aoi.geojson")
    return folder


@pytest.fixture(scope="module")
def told(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights: the provisional alert and, a look later, the confirmed one."""
    out = tmp_path_factory.mktemp("told")
    for day in days_of(world)[26:28]:
        run(world, out, day, has_evidence=True)
    return out


@pytest.fixture
def out(told: Path, tmp_path: Path) -> Path:
    shutil.copytree(told, tmp_path / "out")
    return tmp_path / "out"


def bundle_of(out: Path) -> Path:
    """The bundle of the alert of the last night."""
    (feature,) = json.loads((out / "alerts.geojson").read_text(encoding="utf-8"))["features"]
    return out / feature["properties"]["evidence"]


def held_in(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist()}


def state_of(out: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p.relative_to(out)): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(out.rglob("evidence/*"))}


def unsigned(path: Path) -> dict[str, bytes]:
    return {n: b for n, b in held_in(path).items() if n != "signature.json"}


def test_bundles_verify_and_follow_each_other(told: Path) -> None:
    second = bundle_of(told)
    first = second.with_name(second.name.replace("-r2.zip", "-r1.zip"))
    public = read_public(told / "evidence" / "signing-key.pub")
    assert verify_bundle(first, public).status is Status.VERIFIED
    assert verify_bundle(second, public, first).status is Status.VERIFIED
    assert [e.bundle for e in read_chain(told / "evidence")] == [first.name, second.name]
    assert (told / "keys").stat().st_mode & 0o777 == 0o700


def test_a_bundle_says_what_geojson_and_store_say(told: Path) -> None:
    held = held_in(bundle_of(told))
    (feature,) = json.loads((told / "alerts.geojson").read_text(encoding="utf-8"))["features"]
    assert json.loads(held["alert.geojson"]) == feature
    manifest, said = json.loads(held["manifest.json"]), feature["properties"]
    for name in ("site_id", "revision", "aoi_id", "schema_version", "evaluated_on", "model_id"):
        assert manifest[name] == said[name], name
    events = json.loads(held["timeline.json"])["events"]
    assert [e["revision"] for e in events] == [1, 2]
    assert json.loads(events[-1]["payload"])["properties"] == said
    assert events[-1]["hash"] == manifest["event_hash"] == open_store(told / "store.sqlite").events("tiny")[-1].hash
    for event in events:
        hashed = {k: v for k, v in event.items() if k != "hash"}
        assert hashlib.sha256(canonical_json(hashed).encode()).hexdigest() == event["hash"]


def test_a_bundle_holds_what_was_looked_at(world: Path, told: Path) -> None:
    path = bundle_of(told)
    held = held_in(path)
    with zipfile.ZipFile(path) as archive, archive.open("ledger.csv") as file:
        ledger = pd.read_csv(file)
    assert ledger["solar_day"].max() == days_of(world)[27].isoformat()
    assert set(ledger["outcome"]) == {"reference", "monitored"}
    scenes = json.loads(held["scenes.json"])
    red = scenes[-1]["assets"]["red"]
    assert red["href"] == f"{scenes[-1]['scene_id']}/red.tif"
    read = (world / "catalog" / red["href"]).read_bytes()
    assert red["sha256"] == hashlib.sha256(read).hexdigest()
    lineage = json.loads(held["lineage.json"])
    assert set(lineage["configuration"]) == {"cube", "reference", "sites", "tenure", "alerts"}
    assert lineage["model_files"]["pixel.skops"]
    assert str(world).encode() not in b"".join(held.values())  # nothing of this machine


def test_a_night_without_news_rewrites_nothing(world: Path, out: Path) -> None:
    before = state_of(out)
    run(world, out, days_of(world)[27], has_evidence=True)
    run(world, out, days_of(world)[28], has_evidence=True)
    assert state_of(out) == before


def test_the_same_revision_is_built_the_same(world: Path, told: Path, tmp_path: Path) -> None:
    for day in days_of(world)[26:28]:
        run(world, tmp_path, day, has_evidence=True)
    assert unsigned(bundle_of(tmp_path)) == unsigned(bundle_of(told))
    assert bundle_of(tmp_path).read_bytes() != bundle_of(told).read_bytes()  # another key


@pytest.mark.parametrize("damage", ["gone", "cut", "changed"])
def test_a_damaged_bundle_is_built_again_at_its_place(world: Path, out: Path, damage: str) -> None:
    path, chain = bundle_of(out), (out / "evidence" / "chain.json").read_bytes()
    before, whole = unsigned(path), path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[:-100] if damage == "cut" else whole.replace(b"sensed_on", b"sensed_ON"))
    run(world, out, days_of(world)[28], has_evidence=True)
    assert unsigned(path) == before
    assert (out / "evidence" / "chain.json").read_bytes() == chain


class KilledError(BaseException):
    """The process dies here."""


KILLS = [
    ("write_whole", 1),
    ("write_whole", 2),
    ("write_chain", 1),
    ("write_chain", 2),
    ("signing_key", 1),
    ("publish_keys", 1),
]


@pytest.mark.parametrize(
    ("kill", "is_rerun"), [*((k, True) for k in KILLS), (KILLS[0], False), (KILLS[2], False)],
    ids=lambda v: f"{v[0]} {v[1]}" if isinstance(v, tuple) else "run again" if v else "next night",
)  # fmt: skip
def test_a_kill_neither_forks_nor_breaks_the_chain(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: tuple[str, int], *, is_rerun: bool
) -> None:
    name, time = kill
    real, calls, nights = getattr(module, name), itertools.count(1), days_of(world)[26:28]

    def dies(*arguments: object, **options: object) -> object:
        if next(calls) == time:
            raise KilledError
        return real(*arguments, **options)

    killed = []
    with monkeypatch.context() as patch:
        patch.setattr(module, name, dies)
        for night in nights:
            try:
                run(world, tmp_path, night, has_evidence=True)
            except KilledError:
                killed.append(night)
                if is_rerun:
                    run(world, tmp_path, night, has_evidence=True)
    assert killed
    run(world, tmp_path, nights[-1], has_evidence=True)
    listed = json.loads((tmp_path / "evidence" / "chain.json").read_text(encoding="utf-8"))
    chain = read_chain(tmp_path / "evidence")
    assert [e.manifest_sha256 for e in chain] == [e["manifest_sha256"] for e in listed]
    assert [e.previous for e in chain] == [None, *(e.manifest_sha256 for e in chain[:-1])]
    public = read_public(tmp_path / "evidence" / "signing-key.pub")
    paths = [tmp_path / "evidence" / e.bundle for e in chain]
    assert sorted(paths) == sorted((tmp_path / "evidence").glob("*.zip"))
    for before, path in itertools.pairwise(paths):
        assert verify_bundle(path, public, before).status is Status.VERIFIED
    assert verify_bundle(bundle_of(tmp_path), public).status is Status.VERIFIED


def test_a_rotation_leaves_old_bundles_as_they_are(world: Path, out: Path) -> None:
    before = bundle_of(out).read_bytes()
    old = read_keyring(out / "keys").current
    new = rotate_key(out / "keys", LATER)
    run(world, out, days_of(world)[28], has_evidence=True)
    assert bundle_of(out).read_bytes() == before
    assert key_id(read_public(out / "evidence" / "signing-key.pub")) == new.key_id
    assert old is not None
    older = read_public(out / "evidence" / f"signing-key-{old.short}.pub")
    assert verify_bundle(bundle_of(out), older).status is Status.VERIFIED
    assert verify_bundle(bundle_of(out), new.public_key).status is Status.FAILED


def test_without_the_folder_of_keys_old_bundles_stand_by_what_was_published(world: Path, out: Path) -> None:
    before = bundle_of(out).read_bytes()
    shutil.rmtree(out / "keys")
    run(world, out, days_of(world)[28], has_evidence=True)
    assert bundle_of(out).read_bytes() == before


def test_a_lost_private_key_stops_the_next_bundle(world: Path, out: Path) -> None:
    for path in (out / "keys").glob("*.pem"):
        path.unlink()
    run(world, out, days_of(world)[28], has_evidence=True)  # nothing is due
    bundle_of(out).unlink()
    with pytest.raises(KeyMissingError, match="keys new"):
        run(world, out, days_of(world)[28], has_evidence=True)


def test_a_bundle_of_another_hand_is_kept_aside(world: Path, out: Path, tmp_path: Path) -> None:
    for day in days_of(world)[26:28]:
        run(world, tmp_path / "theirs", day, has_evidence=True)
    path, foreign = bundle_of(out), bundle_of(tmp_path / "theirs").read_bytes()
    path.write_bytes(foreign)
    run(world, out, days_of(world)[28], has_evidence=True)
    assert verify_bundle(path, read_public(out / "evidence" / "signing-key.pub")).status is Status.VERIFIED
    (aside,) = (out / "evidence" / "earlier").rglob("*.zip")
    assert aside.read_bytes() == foreign
    assert aside.name == path.name


def test_a_history_that_is_told_again_otherwise_keeps_both(world: Path, tmp_path: Path) -> None:
    late = tmp_path / "late"
    shutil.copytree(world, late)
    catalog = late / "catalog" / "catalog.json"
    whole = catalog.read_text(encoding="utf-8")
    document = json.loads(whole)
    del document["links"][25]  # the last look at the forest
    catalog.write_text(json.dumps(document), encoding="utf-8")
    run(late, tmp_path / "out", has_evidence=True)
    before = bundle_of(tmp_path / "out")
    old = before.read_bytes()
    catalog.write_text(whole, encoding="utf-8")
    run(late, tmp_path / "out", has_evidence=True)
    public = read_public(tmp_path / "out" / "evidence" / "signing-key.pub")
    bundles = {p: p.read_bytes() for p in (tmp_path / "out" / "evidence").rglob("*.zip")}
    assert old in bundles.values()
    assert len(bundles) == 2
    assert all(verify_bundle(p, public).status is Status.VERIFIED for p in bundles)
    now = bundle_of(tmp_path / "out")
    assert now in bundles
    (feature,) = json.loads((tmp_path / "out" / "alerts.geojson").read_text(encoding="utf-8"))["features"]
    assert json.loads(held_in(now)["alert.geojson"]) == feature
    assert len(read_chain(tmp_path / "out" / "evidence")) == len(bundles)


def with_titles(world: Path, out: Path, titles: Path) -> AoiResult:
    section = {
        "aoi": str(world / "aoi.geojson"), "catalog": str(world / "catalog" / "catalog.json"), "titles": [str(titles)],
        "titles_retrieved_on": "2024-06-01",
    }  # fmt: skip
    config = RunConfig.model_validate({"areas": [section], "out": str(out), "delivery": {"has_map": False, "languages": []}})
    return run_aoi(AoiRequest(config.areas[0], config, out, str(out / "store.sqlite"), None))


def test_the_extract_has_the_titles_at_the_site_and_no_other(world: Path, tmp_path: Path) -> None:
    left, bottom, right, top = footprint().bounds
    middle = (left + right) / 2
    shapes = {"HERE": box(left, bottom, middle, top), "ELSEWHERE": box(left - 0.02, bottom, left - 0.01, top)}
    features = [
        {"type": "Feature", "geometry": mapping(g), "properties": {"id": n, "kind": "exploration", "status": "active"}}
        for n, g in shapes.items()
    ]
    titles = tmp_path / "titles.geojson"
    titles.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    (alert,) = with_titles(world, tmp_path / "out", titles).alerts
    extract = json.loads(held_in(bundle_of(tmp_path / "out"))["cadastre.geojson"])
    assert [f["properties"]["title_id"] for f in extract["features"]] == ["HERE"]
    assert [t["id"] for t in alert.properties["titles"]] == ["HERE"]
    (snapshot,) = extract["snapshots"]
    assert snapshot["sha256"] == hashlib.sha256(titles.read_bytes()).hexdigest()
    assert snapshot["sha256"] == extract["features"][0]["properties"]["snapshot"]
    assert json.loads(held_in(bundle_of(tmp_path / "out"))["manifest.json"])["cadastre"] == [snapshot["sha256"]]


def test_a_bundle_that_comes_out_otherwise_follows_at_the_end_of_the_chain(
    world: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle_of(out).unlink()
    monkeypatch.setattr(module, "documents_of", lambda *_, **__: {"report.en.html": b"another one"})
    run(world, out, days_of(world)[28], has_evidence=True)
    assert held_in(bundle_of(out))["report.en.html"] == b"another one"
    assert verify_bundle(bundle_of(out), read_public(out / "evidence" / "signing-key.pub")).status is Status.VERIFIED
    lost, second, again = json.loads((out / "evidence" / "chain.json").read_text(encoding="utf-8"))[-3:]
    assert again["previous"] == second["manifest_sha256"]
    assert lost["bundle"] != second["bundle"] == again["bundle"]


def test_no_address_in_a_bundle_has_an_account_or_a_signature() -> None:
    assert looks.short_href("https://me:secret@host.example/a/red.tif?sig=secret#x") == "https://host.example/a/red.tif"
    assert looks.short_href("/home/me/catalog/S2A/red.tif") == "S2A/red.tif"
    assert looks.short_href("s3://bucket/a/red.jp2") == "s3://bucket/a/red.jp2"
