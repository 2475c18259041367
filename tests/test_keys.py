"""Signing keys: who can read them, how one hands over to the next, and what is left of those before."""

import json
import stat
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import RunConfig
from pipeline.errors import KeyExistsError, KeyExposedError, KeyInvalidError, KeyMissingError
from pipeline.evidence import key_id, rotate, trusted
from pipeline.io import keys as module
from pipeline.io.keys import (
    PASSPHRASE,
    new_key,
    private_file,
    public_pem,
    publish_keys,
    published_keys,
    read_keyring,
    read_public,
    read_rotations,
    rotate_key,
    signing_key,
    usable_key,
)
from pipeline.stages.doctor import examine

DAY, LATER = date(2024, 4, 10), date(2025, 4, 10)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "keys"


def test_the_first_night_makes_a_key_that_only_its_owner_reads(folder):
    key, known, is_new = signing_key(folder, DAY)
    assert is_new
    assert known.key_id == key_id(key.public_key())
    assert mode(folder) == 0o700
    assert mode(private_file(folder, known)) == 0o600
    assert mode(folder / "keyring.json") == 0o600
    again, _, is_new = signing_key(folder, LATER)
    assert not is_new
    assert again.private_bytes_raw() == key.private_bytes_raw()
    assert read_keyring(folder).current.from_on == "2024-04-10"


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o666, 0o700 | 0o001])
def test_a_key_that_others_reach_is_refused(folder, bits):
    known = new_key(folder, DAY)
    private_file(folder, known).chmod(bits)
    for use in (signing_key, rotate_key):
        with pytest.raises(KeyExposedError, match="chmod 600"):
            use(folder, DAY)


def test_a_second_key_needs_a_rotation(folder):
    new_key(folder, DAY)
    with pytest.raises(KeyExistsError, match="keys rotate"):
        new_key(folder, DAY)


def test_a_rotation_hands_over_and_removes_the_old_private_key(folder):
    old = new_key(folder, DAY)
    new = rotate_key(folder, LATER)
    third = rotate_key(folder, LATER)
    ring = read_keyring(folder)
    assert [(k.key_id, k.state, k.to_on) for k in ring.keys] == [
        (old.key_id, "rotated", "2025-04-10"), (new.key_id, "rotated", "2025-04-10"), (third.key_id, "in use", None),
    ]  # fmt: skip
    assert [p.name for p in folder.glob("*.pem")] == [private_file(folder, third).name]
    assert [key_id(p) for p in trusted(old.public_key, ring.rotations)] == [old.key_id, new.key_id, third.key_id]
    assert [key_id(p) for p in trusted(new.public_key, ring.rotations)] == [new.key_id, third.key_id]


def test_nobody_else_can_hand_over():
    old, new, thief = (Ed25519PrivateKey.generate() for _ in range(3))
    real, forged = rotate(old, new, DAY), rotate(thief, new, DAY)
    public = old.public_key()
    renamed = type(real)(**{**{f: getattr(forged, f) for f in forged.__slots__}, "old_key_id": key_id(public)})
    dated_back = type(real)(**{**{f: getattr(real, f) for f in real.__slots__}, "on": "2020-01-01"})
    torn = type(real)(**{**{f: getattr(real, f) for f in real.__slots__}, "new_public": "zz"})
    assert trusted(public, [forged, renamed, dated_back, torn]) == [public]
    assert [key_id(p) for p in trusted(public, [renamed, real])] == [key_id(public), key_id(new.public_key())]


def test_a_lost_key_is_never_replaced_in_silence(folder):
    old = new_key(folder, DAY)
    private_file(folder, old).unlink()
    for use in (signing_key, rotate_key):
        with pytest.raises(KeyMissingError, match="backup"):
            use(folder, LATER)
    new = new_key(folder, LATER)
    ring = read_keyring(folder)
    assert [(k.key_id, k.state) for k in ring.keys] == [(old.key_id, "lost"), (new.key_id, "in use")]
    assert trusted(old.public_key, ring.rotations) == [old.public_key]  # nothing shows that the new one is ours


def test_a_key_without_its_keyring_is_taken_up(folder):
    key, known, _ = signing_key(folder, DAY)
    (folder / "keyring.json").unlink()
    again, same, _ = signing_key(folder, LATER)
    assert same.key_id == known.key_id
    assert again.private_bytes_raw() == key.private_bytes_raw()


@pytest.mark.parametrize("dies_at", range(1, 4))
def test_a_kill_within_a_rotation_leaves_a_key_that_signs(folder, monkeypatch, dies_at):
    old, calls = new_key(folder, DAY), iter(range(1, 99))

    class KilledError(BaseException):
        pass

    def dying(real):
        def call(*arguments, **options):
            if next(calls) == dies_at:
                raise KilledError
            return real(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("write_whole", "_drop_retired"):
            patch.setattr(module, name, dying(getattr(module, name)))
        with pytest.raises(KilledError):
            rotate_key(folder, LATER)
    key, known, _ = signing_key(folder, LATER)
    assert key_id(key.public_key()) == known.key_id
    assert (known.key_id == old.key_id) is (dies_at < 3)
    if dies_at == 3:
        assert not private_file(folder, old).exists()


def test_a_passphrase_comes_from_the_environment_alone(folder, monkeypatch):
    monkeypatch.setenv(PASSPHRASE, "correct horse")
    known = new_key(folder, DAY)
    assert b"ENCRYPTED" in private_file(folder, known).read_bytes()
    signing_key(folder, DAY)
    for word in ("", "wrong"):
        monkeypatch.setenv(PASSPHRASE, word)
        with pytest.raises(KeyInvalidError, match=PASSPHRASE) as error:
            signing_key(folder, DAY)
        assert "horse" not in str(error.value)
    monkeypatch.delenv(PASSPHRASE)
    open_one = new_key(folder.parent / "open", DAY)
    monkeypatch.setenv(PASSPHRASE, "set later")
    assert signing_key(folder.parent / "open", DAY)[1] == open_one


@pytest.mark.parametrize("text", ["{", "[]", '{"keys": [{"id": 1}], "rotations": []}', '{"keys": 3}'])
def test_a_damaged_keyring_is_named(folder, text):
    new_key(folder, DAY)
    (folder / "keyring.json").write_text(text, encoding="utf-8")
    with pytest.raises(KeyInvalidError, match="backup"):
        signing_key(folder, DAY)


def test_a_keyring_whose_ids_do_not_fit_is_named(folder):
    known = new_key(folder, DAY)
    path = folder / "keyring.json"
    path.write_text(path.read_text(encoding="utf-8").replace(known.key_id, "0" * 64), encoding="utf-8")
    with pytest.raises(KeyInvalidError, match="do not have the ids"):
        read_keyring(folder)


def test_the_private_half_of_another_key_is_refused(folder):
    known = new_key(folder, DAY)
    other = new_key(folder.parent / "other", DAY)
    private_file(folder, known).write_bytes(private_file(folder.parent / "other", other).read_bytes())
    with pytest.raises(KeyInvalidError, match="another key"):
        signing_key(folder, DAY)


def test_public_keys_are_published_and_older_ones_stay(folder, tmp_path):
    shelf = tmp_path / "evidence"
    old = new_key(folder, DAY)
    publish_keys(shelf, read_keyring(folder))
    assert [p.name for p in shelf.iterdir()] == ["signing-key.pub"]
    new = rotate_key(folder, LATER)
    publish_keys(shelf, read_keyring(folder))
    assert sorted(p.name for p in shelf.iterdir()) == ["key-rotations.json", f"signing-key-{old.short}.pub", "signing-key.pub"]
    assert key_id(read_public(shelf / "signing-key.pub")) == new.key_id
    assert key_id(read_public(shelf / f"signing-key-{old.short}.pub")) == old.key_id
    assert [key_id(p) for p in trusted(old.public_key, read_rotations(shelf / "key-rotations.json"))][1:] == [new.key_id]
    stranger = new_key(tmp_path / "fresh", LATER)  # the folder of the keys was lost, and the night made another key
    publish_keys(shelf, read_keyring(tmp_path / "fresh"))
    assert set(published_keys(shelf, read_keyring(tmp_path / "fresh"))) == {old.key_id, new.key_id, stranger.key_id}


@pytest.mark.parametrize("data", [b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"\0" * 100_000])
def test_what_is_no_public_key_is_named(tmp_path, data):
    (tmp_path / "k.pub").write_bytes(data)
    with pytest.raises(KeyInvalidError, match=r"signing-key\.pub"):
        read_public(tmp_path / "k.pub")


def test_keys_of_another_kind_and_private_ones_are_named(folder, tmp_path):
    known = new_key(folder, DAY)
    with pytest.raises(KeyInvalidError, match="never a private key"):
        read_public(private_file(folder, known))
    (tmp_path / "x.pub").write_bytes(public_pem(X25519PrivateKey.generate().public_key()))
    with pytest.raises(KeyInvalidError, match="Ed25519"):
        read_public(tmp_path / "x.pub")
    with pytest.raises(KeyInvalidError, match="No such file"):
        read_public(tmp_path / "absent.pub")


def test_the_folder_lies_beside_the_store_unless_it_is_named():
    config = RunConfig.model_validate({"areas": [{"aoi": "a", "catalog": "c"}], "out": "/o"})
    assert config.keys_folder() == Path("/o/keys")
    assert config.keys_folder("/s/store.sqlite") == Path("/s/keys")
    assert config.keys_folder("postgresql://h/d") == Path("/o/keys")
    named = config.model_copy(update={"delivery": config.delivery.model_copy(update={"keys": "/safe"})})
    assert named.keys_folder("/s/store.sqlite") == Path("/safe")


def test_doctor_opens_the_key_and_makes_none(folder, tmp_path):
    assert usable_key(folder) is None
    assert not folder.exists()
    config = tmp_path / "run.yaml"
    config.write_text("areas: [{aoi: a.geojson, catalog: c.json}]\nout: .\n", encoding="utf-8")

    def said():
        return next(c for c in examine(config) if c.subject == "signing key")

    assert "none yet" in said().text
    known = new_key(folder, DAY)
    assert said().is_fine
    assert known.short in said().text
    private_file(folder, known).chmod(0o644)
    assert not said().is_fine
    assert "chmod 600" in said().text


def test_the_commands_show_nothing_private(folder, tmp_path):
    invoke, given = CliRunner().invoke, ["--folder", str(folder)]
    assert "no key yet" in invoke(app, ["keys", "list", *given]).stdout
    first = invoke(app, ["keys", "new", *given]).stdout
    publish_keys(tmp_path / "shelf", read_keyring(folder))
    published = (tmp_path / "shelf" / "signing-key.pub").read_bytes()
    (tmp_path / "old.pub").write_bytes(published)
    private = private_file(folder, read_keyring(folder).current).read_text(encoding="utf-8").splitlines()[1]
    assert invoke(app, ["keys", "rotate", *given]).exit_code == 0
    listed = invoke(app, ["keys", "list", *given]).stdout
    assert [line.split()[-1] for line in listed.splitlines()] == ["rotated", "use"]
    publish_keys(tmp_path / "shelf", read_keyring(folder))
    rotations = str(tmp_path / "shelf" / "key-rotations.json")
    traced = invoke(app, ["keys", "trace", rotations, "--key", str(tmp_path / "old.pub")]).stdout.split()
    assert traced == [k.key_id for k in read_keyring(folder).keys]
    now = private_file(folder, read_keyring(folder).current).read_text(encoding="utf-8").splitlines()[1]
    shown = first + listed + json.dumps(traced)
    assert private not in shown
    assert now not in shown
    assert invoke(app, ["keys", "list"]).exit_code != 0
