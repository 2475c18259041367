"""Bundles: no byte of one can be changed without notice, and what was changed is named."""

import hashlib
import io
import json
import os
import shutil
import stat
import struct
import subprocess
import sys
import time
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import BundleAbsentError, BundleInvalidError
from pipeline.evidence import BundleFacts, Fault, Link, Status, build_bundle, key_id, verify_archive, with_token
from pipeline.evidence.archive import MAX_FILE_BYTES, zip_bytes
from pipeline.io.bundles import ChainEntry, read_chain, verify_bundle, write_chain
from pipeline.io.keys import public_pem
from pipeline.provenance import canonical_json

KEY, OTHER_KEY = (Ed25519PrivateKey.from_private_bytes(bytes([n] * 32)) for n in (1, 2))
PUBLIC = KEY.public_key()
NOW = datetime(2024, 4, 11, 3, 15, tzinfo=UTC)
FILES = {"after.png": b"\x89PNG after", "before.png": b"\x89PNG before", "series.csv": b"sensed_on,ndvi\n2024-04-04,0.17\n"}
FACTS = BundleFacts(
    alert_id="11111111-1111-5111-8111-111111111111", revision=2, site_id="s", aoi_id="tiny", schema_version="1.2",
    evaluated_on=date(2024, 4, 10), software="overburden 0.1.0", model_id="m/1+ab", config_digest="cd", cadastre=["ab" * 32],
    event_hash="ef" * 32, attribution="Contains modified Copernicus Sentinel data", is_simulated=False,
)  # fmt: skip
NAME = FACTS.name


def built(files=FILES, facts=FACTS, *, previous=None, key=KEY, signed_at=NOW):
    return build_bundle(files, facts, previous=previous, key=key, read_at=NOW, signed_at=signed_at)


BUNDLE = built()


def check(data, name=NAME, public=PUBLIC):
    return verify_archive(io.BytesIO(data), len(data), name, public)


def faults(data, name=NAME, public=PUBLIC):
    found = check(data, name, public)
    assert found.status is Status.FAILED
    return {(f.fault, f.subject) for f in found.findings}


def opened(data=BUNDLE):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist()}


# --- what holds ------------------------------------------------------------------------------------------------------


def test_a_bundle_is_verified_with_its_key_and_whole_without():
    found = check(BUNDLE)
    assert (found.status, found.findings) == (Status.VERIFIED, ())
    assert found.manifest["revision"] == 2
    assert found.signature.signed_at == "2024-04-11T03:15:00Z"
    without = check(BUNDLE, public=None)
    assert without.status is Status.INTEGRITY_ONLY
    assert [f.fault for f in without.findings] == [Fault.NOTE]


def test_another_key_fails():
    assert (Fault.SIGNATURE, "signature.json") in faults(BUNDLE, public=OTHER_KEY.public_key())


def test_an_unsigned_bundle_is_whole_but_never_passes_for_signed():
    bare = built(key=None)
    assert check(bare, public=None).status is Status.INTEGRITY_ONLY
    assert faults(bare) == {(Fault.MISSING, "signature.json")}


def test_two_builds_differ_in_the_signature_alone():
    assert built() == BUNDLE
    later = opened(built(signed_at=datetime(2025, 1, 1, tzinfo=UTC)))
    assert {n for n, held in opened().items() if later[n] != held} == {"signature.json"}


def test_common_tools_read_it():
    with zipfile.ZipFile(io.BytesIO(BUNDLE)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "signature.json", "README.txt", "SHA256SUMS", *FILES]
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {i.external_attr >> 16 for i in archive.infolist()} == {stat.S_IFREG | 0o644}
    held = opened()
    listed = json.loads(held["manifest.json"])["files"]
    bare = {n: b for n, b in held.items() if n not in {"manifest.json", "signature.json"}}
    assert listed == {n: {"sha256": hashlib.sha256(b).hexdigest(), "size": len(b)} for n, b in bare.items()}
    sums = dict(reversed(line.split("  ")) for line in held["SHA256SUMS"].decode().splitlines())
    assert sums == {n: said["sha256"] for n, said in listed.items() if n != "SHA256SUMS"}


NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,12}(/[a-z0-9]{1,5})?", fullmatch=True)


@given(st.dictionaries(NAMES.filter(lambda n: not n.startswith(("manifest.json", "signature.json", "timestamp.tsr"))),
                       st.binary(max_size=300), max_size=6))  # fmt: skip
def test_whatever_goes_in_comes_out_and_verifies(files):
    data = built(files)
    assert check(data).status is Status.VERIFIED
    assert {n: b for n, b in opened(data).items() if n in files} == files


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is absent")
def test_the_signature_is_verified_by_hand_as_the_readme_says(tmp_path):
    held = opened()
    said = json.loads(held["signature.json"])
    (tmp_path / "signing-key.pub").write_bytes(public_pem(PUBLIC))
    (tmp_path / "signature.bin").write_bytes(bytes.fromhex(said["signature"]))
    head = f"overburden evidence bundle 1\n{said['read_at']}\n{said['signed_at']}\n"
    assert "printf 'overburden evidence bundle 1\\n%s\\n%s\\n'" in held["README.txt"].decode()
    (tmp_path / "message").write_bytes(head.encode() + held["manifest.json"])
    command = "openssl pkeyutl -verify -pubin -inkey signing-key.pub -rawin -in message -sigfile signature.bin"
    assert command in held["README.txt"].decode()
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Verified Successfully" in done.stdout


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is absent")
def test_the_documented_way_by_hand_works(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "evidence.md").read_text(encoding="utf-8")
    script = text.split("```python\n")[1].split("```")[0]
    (tmp_path / "signing-key.pub").write_bytes(public_pem(PUBLIC))
    bundle = placed(tmp_path, BUNDLE)
    told = subprocess.run(
        [sys.executable, "-Wignore", "-c", script, str(bundle)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("files and manifest agree; alert 11111111")
    command = next(line.strip() for line in text.splitlines() if line.startswith("    openssl pkeyutl"))
    assert subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False).returncode == 0
    identity = next(line for line in text.splitlines() if "id of a key" in line).split("`")[1]
    shown = subprocess.run(["sh", "-c", identity], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.split()[0] == key_id(PUBLIC)


# --- what does not ---------------------------------------------------------------------------------------------------


def test_no_byte_can_be_changed():
    begin = time.perf_counter()
    for at in range(len(BUNDLE)):
        for flip in (0x01 << at % 8, 0x20, 0xFF):
            changed = bytearray(BUNDLE)
            changed[at] ^= flip
            assert check(bytes(changed)).status is Status.FAILED, at
        assert check(bytes(changed), public=None).status is Status.FAILED, at
    assert time.perf_counter() - begin < 30


def test_no_byte_can_be_added_or_taken_away():
    for at in range(0, len(BUNDLE) + 1, 7):
        assert check(BUNDLE[:at] + b"\0" + BUNDLE[at:]).status is Status.FAILED, at
        assert at == len(BUNDLE) or check(BUNDLE[:at] + BUNDLE[at + 1 :]).status is Status.FAILED, at
        assert at == len(BUNDLE) or check(BUNDLE[:at]).status is Status.FAILED, at


def rezipped(change):
    held = opened()
    change(held)
    return zip_bytes(held)


def swap(held):
    held["after.png"], held["before.png"] = held["before.png"], held["after.png"]


TAMPERED = {
    "missing": (lambda h: h.pop("after.png"), (Fault.MISSING, "after.png")),
    "changed": (lambda h: h.update({"series.csv": b"sensed_on,ndvi\n2024-04-04,0.99\n"}), (Fault.CHANGED, "series.csv")),
    "extra": (lambda h: h.update({"note.txt": b"trust me"}), (Fault.EXTRA, "note.txt")),
    "renamed": (lambda h: h.update({"late.png": h.pop("after.png")}), (Fault.RENAMED, "after.png")),
    "swapped": (swap, (Fault.CHANGED, "before.png")),
    "no manifest": (lambda h: h.pop("manifest.json"), (Fault.MISSING, "manifest.json")),
    "no signature": (lambda h: h.pop("signature.json"), (Fault.MISSING, "signature.json")),
    "absolute name": (lambda h: h.update({"/etc/passwd": b""}), (Fault.NAME, "/etc/passwd")),
    "climbing name": (lambda h: h.update({"a/../../x": b""}), (Fault.NAME, "a/../../x")),
    "backslash": (lambda h: h.update({"..\\x": b""}), (Fault.NAME, "..\\x")),
    "escape": (lambda h: h.update({"\x1b[2J": b""}), (Fault.NAME, "\x1b[2J")),
    "case": (lambda h: h.update({"AFTER.png": b""}), (Fault.DUPLICATE, "after.png")),
    "empty name": (lambda h: h.update({"": b""}), (Fault.NAME, "")),
}


@pytest.mark.parametrize(("change", "finding"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_is_named(change, finding):
    assert finding in faults(rezipped(change))


def test_a_swapped_file_says_whose_bytes_it_has():
    texts = {f.subject: f.text for f in check(rezipped(swap)).findings}
    assert "these are the bytes of before.png" in texts["after.png"]


ELSE = built({**FILES, "after.png": b"\x89PNG elsewhere"}, replace(FACTS, alert_id="22222222-2222-5222-8222-222222222222"))


@pytest.mark.parametrize("name", [*FILES, "manifest.json", "signature.json", "README.txt", "SHA256SUMS"])
def test_a_file_of_another_signed_bundle_is_named(name):
    other = opened(ELSE)[name]
    found = check(rezipped(lambda h: h.update({name: other})))
    is_same = other == opened()[name]
    assert (found.status is Status.VERIFIED) is is_same
    assert is_same or name in {f.subject for f in found.findings}


def test_manifest_and_signature_of_another_bundle():
    theirs = {n: opened(ELSE)[n] for n in ("manifest.json", "signature.json")}
    assert (Fault.OTHER_BUNDLE, "manifest.json") in faults(rezipped(lambda h: h.update(theirs)))
    assert faults(BUNDLE, name="33333333-3333-5333-8333-333333333333-r2.zip") == {(Fault.OTHER_BUNDLE, "manifest.json")}
    assert check(BUNDLE, name="33333333-3333-5333-8333-333333333333-r2.zip", public=None).status is Status.FAILED


def signed_again(manifest):
    """A bundle with this manifest and a signature that our key did make: only the manifest itself is wrong."""
    from pipeline.evidence.signing import signature_bytes

    signature = signature_bytes(manifest, KEY, read_at=NOW, signed_at=NOW)
    return rezipped(lambda h: h.update({"manifest.json": manifest, "signature.json": signature}))


MANIFEST = opened()["manifest.json"]
BAD_MANIFESTS = {
    "twice the same name": MANIFEST.replace(b'"files":{', b'"files":{"after.png":{"sha256":"' + b"0" * 64 + b'","size":1},'),
    "twice the same member": MANIFEST.replace(b'"revision":2', b'"revision":2,"revision":2'),
    "spaces": MANIFEST.replace(b'"revision":2', b'"revision": 2'),
    "no line end": MANIFEST[:-1],
    "a member too many": MANIFEST.replace(b'"revision":2', b'"revision":2,"revoked":false'),
    "revision no number": MANIFEST.replace(b'"revision":2', b'"revision":"2"'),
    "revision true": MANIFEST.replace(b'"revision":2', b'"revision":true'),
    "size no number": MANIFEST.replace(b'"size":10', b'"size":1e1'),
    "infinite": MANIFEST.replace(b'"revision":2', b'"revision":1e999'),
    "long number": MANIFEST.replace(b'"revision":2', b'"revision":' + b"9" * 6000),
    "deep": b"[" * 100_000,
    "no JSON": b"\xff\xfe",
    "a list": b"[]\n",
    "another format": MANIFEST.replace(b"bundle 1", b"bundle 2"),
    "lists itself": MANIFEST.replace(b'"after.png"', b'"manifest.json"'),
    "climbing name": MANIFEST.replace(b'"after.png"', b'"../after.png"'),
    "empty": b"",
}


@pytest.mark.parametrize("manifest", BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
def test_a_bad_manifest_fails_even_where_it_is_signed(manifest):
    assert manifest != MANIFEST
    assert (Fault.MANIFEST, "manifest.json") in faults(signed_again(manifest))


def test_the_instants_are_signed_too():
    held = opened()
    later = held["signature.json"].replace(b"2024-04-11", b"2023-04-11")
    assert (Fault.SIGNATURE, "signature.json") in faults(rezipped(lambda h: h.update({"signature.json": later})))


# --- the zip itself --------------------------------------------------------------------------------------------------


def python_zip(method=zipfile.ZIP_STORED, **more):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, held in [*opened().items(), *more.items()]:
            archive.writestr(name, held)
    return out.getvalue()


def test_a_zip_that_was_packed_again_fails_with_nothing_else_wrong():
    assert faults(python_zip()) == {(Fault.FORM, NAME)}
    assert {f for f, _ in faults(python_zip(zipfile.ZIP_DEFLATED))} == {Fault.COMPRESSED, Fault.FORM}
    assert (Fault.UNREADABLE, "after.png") in faults(python_zip(zipfile.ZIP_LZMA))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice():
    out = io.BytesIO(BUNDLE)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("after.png", b"another")
    assert (Fault.DUPLICATE, "after.png") in faults(out.getvalue())


def test_an_appended_file_a_comment_and_a_prefix():
    out = io.BytesIO(BUNDLE)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("after-words.txt", b"!")
    assert (Fault.EXTRA, "after-words.txt") in faults(out.getvalue())
    out = io.BytesIO(BUNDLE)
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"kept by"
    assert faults(out.getvalue()) == {(Fault.UNREADABLE, NAME)}
    assert faults(b"#!/bin/sh\n" + BUNDLE) == {(Fault.UNREADABLE, NAME)}
    assert faults(BUNDLE + b"tail") == {(Fault.UNREADABLE, NAME)}


def test_truncated_empty_and_no_zip():
    for data in (b"", b"PK", BUNDLE[:-1], BUNDLE[: len(BUNDLE) // 2], b"\0" * 5000):
        found = check(data)
        assert found.status is Status.FAILED
        assert "truncated" in found.findings[0].text or "no whole record" in found.findings[0].text


def test_a_symbolic_link_a_folder_and_encryption():
    for mode, fault in ((stat.S_IFLNK | 0o777, Fault.LINK), (stat.S_IFDIR | 0o755, Fault.LINK)):
        out, info = io.BytesIO(BUNDLE), zipfile.ZipInfo("link")
        info.external_attr = mode << 16
        with zipfile.ZipFile(out, "a") as archive:
            archive.writestr(info, b"/etc/passwd")
        assert (fault, "link") in faults(out.getvalue())
    at = BUNDLE.index(b"PK\x01\x02")
    secret = BUNDLE[: at + 8] + struct.pack("<H", 1) + BUNDLE[at + 10 :]
    assert (Fault.ENCRYPTED, "manifest.json") in faults(secret)


def test_zip64_is_refused():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, held in opened().items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(held)
    assert Fault.FORM in {f for f, _ in faults(out.getvalue())}
    end = BUNDLE.rindex(b"PK\x05\x06")
    many = BUNDLE[: end + 8] + b"\xff\xff\xff\xff" + BUNDLE[end + 12 :]
    assert "zip64" in check(many).findings[0].text


def bomb(size, declared):
    """A deflated entry of zeros, `size` bytes long, that declares another length."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(packing.compress(bytes(2**20)) for _ in range(size // 2**20)) + packing.flush()
    head = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0x21, 0, len(packed), declared, 8, 0) + b"bomb.bin"
    record = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0x21, 0, len(packed), declared, 8, 0, 0, 0, 0, 0, 0)
    return head + packed, record + b"bomb.bin"


@pytest.mark.parametrize("declared", [100, MAX_FILE_BYTES, MAX_FILE_BYTES + 1, 2**32 - 2])
def test_a_zip_bomb_is_named_within_bounded_time_and_memory(declared):
    body, record = bomb(96 * 2**20, declared)
    data = body + record + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(record), len(body), 0)
    begin = time.perf_counter()
    tracemalloc.start()
    try:
        assert (Fault.SIZE, "bomb.bin") in faults(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20
    assert time.perf_counter() - begin < 10


def test_entries_that_share_their_bytes_are_read_no_more_than_the_limit_allows():
    body, record = bomb(48 * 2**20, 48 * 2**20)
    tail = b"".join(record[:-8] + f"bomb{n:04}".encode() for n in range(64))
    data = body + tail + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 64, 64, len(tail), len(body), 0)
    begin = time.perf_counter()
    assert (Fault.SIZE, "bomb0063") in faults(data)
    assert time.perf_counter() - begin < 10


def test_a_stream_of_nothing_is_not_read():
    packed = b"\0\0\0\xff\xff" * 2**20  # empty blocks of deflate: much to read, nothing to show
    head = struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 8, 0, 0x21, 0, len(packed), 0, 8, 0) + b"null.bin"
    record = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 8, 0, 0x21, 0, len(packed), 0, 8, 0, 0, 0, 0, 0, 0)
    tail = record + b"null.bin"
    data = head + packed + tail + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(tail), len(head + packed), 0)
    assert (Fault.SIZE, "null.bin") in faults(data)


def test_too_many_entries_and_too_many_bytes(tmp_path):
    assert "too large" in check(zip_bytes({f"f{n}": b"" for n in range(65)})).findings[0].text
    sparse = tmp_path / NAME
    with sparse.open("wb") as file:
        file.truncate(2**40)
    assert [f.fault for f in verify_bundle(sparse, PUBLIC).findings] == [Fault.SIZE]


# --- building, time stamps, chain ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["manifest.json", "SHA256SUMS", "../x", "/x", "a b", "", "x" * 101, "AFTER.png", "readme.TXT"])
def test_a_name_that_no_bundle_may_hold_is_refused(name):
    with pytest.raises(BundleInvalidError, match="plain relative names"):
        built({**FILES, name: b""})


def test_too_much_is_refused():
    with pytest.raises(BundleInvalidError, match="at most"):
        built({f"f{n}": b"" for n in range(60)})


def test_a_time_stamp_is_told_and_not_believed():
    token = b"\x30\x82" + hashlib.sha256(MANIFEST).digest() + b"..."
    stamped = with_token(BUNDLE, token)
    found = check(stamped)
    assert found.status is Status.VERIFIED
    assert [(f.fault, f.subject) for f in found.findings] == [(Fault.NOTE, "timestamp.tsr")]
    assert "was not checked" in found.findings[0].text
    assert with_token(stamped, token) == stamped
    with pytest.raises(BundleInvalidError, match="without the SHA-256"):
        with_token(BUNDLE, b"\x30\x82")
    with pytest.raises(BundleInvalidError, match="take a token for a bundle that verifies"):
        with_token(BUNDLE[:-1], token)
    theirs = b"\x30" + hashlib.sha256(opened(ELSE)["manifest.json"]).digest()
    assert (Fault.OTHER_BUNDLE, "timestamp.tsr") in faults(rezipped(lambda h: h.update({"timestamp.tsr": theirs})))
    for at in range(stamped.index(token) - 43, stamped.index(token) + len(token)):
        changed = bytearray(stamped)
        changed[at] ^= 4
        assert check(bytes(changed)).status is Status.FAILED, at


def sha(data):
    return hashlib.sha256(opened(data)["manifest.json"]).hexdigest()


def placed(folder, data, facts=FACTS):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / facts.name).write_bytes(data)
    return folder / facts.name


def test_a_bundle_follows_the_one_before(tmp_path):
    first = placed(tmp_path, built(facts=replace(FACTS, revision=1)), replace(FACTS, revision=1))
    second = placed(tmp_path, built(previous=Link(first.name, sha(first.read_bytes()))))
    assert verify_bundle(second, PUBLIC, first).status is Status.VERIFIED
    for wrong in (second, placed(tmp_path, ELSE, replace(FACTS, alert_id="22222222-2222-5222-8222-222222222222"))):
        assert Fault.CHAIN in {f.fault for f in verify_bundle(second, PUBLIC, wrong).findings}
    assert verify_bundle(first, PUBLIC, second).status is Status.FAILED  # the first one follows none
    first.write_bytes(first.read_bytes()[:-1])
    assert "FAILED itself" in verify_bundle(second, PUBLIC, first).findings[-1].text


def test_the_chain_is_told_again_by_the_bundles(tmp_path):
    chain, link = [], None
    for revision in range(1, 5):
        facts = replace(FACTS, revision=revision)
        data = built(facts=facts, previous=link)
        placed(tmp_path / "earlier" if revision == 2 else tmp_path, data, facts)
        chain.append(ChainEntry(facts.name, sha(data), link.manifest_sha256 if link else None))
        link = chain[-1].link
    assert read_chain(tmp_path) == chain  # no list: all of it is read from the bundles
    for kept in (chain[:3], []):
        write_chain(tmp_path, list(kept))
        assert read_chain(tmp_path) == chain
    (tmp_path / chain[3].bundle).write_bytes(b"damaged")
    assert read_chain(tmp_path) == chain  # what is listed stays listed
    (tmp_path / "chain.json").write_text("[{", encoding="utf-8")
    assert read_chain(tmp_path) == chain[:3]
    assert read_chain(tmp_path / "absent") == []


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_answers_with_its_exit_code(tmp_path):
    bundle, key = placed(tmp_path, BUNDLE), tmp_path / "signing-key.pub"
    key.write_bytes(public_pem(PUBLIC))
    invoke = CliRunner().invoke
    verified = invoke(app, ["evidence", "verify", str(bundle), "--key", str(key)])
    assert (verified.exit_code, verified.stdout.split(":")[0]) == (0, "VERIFIED")
    alone = invoke(app, ["evidence", "verify", str(bundle)])
    assert (alone.exit_code, alone.stdout.split(":")[0]) == (3, "INTEGRITY ONLY")
    bundle.write_bytes(rezipped(lambda h: h.update({"note.txt": b"x"})))
    failed = invoke(app, ["evidence", "verify", str(bundle), "--key", str(key)])
    assert failed.exit_code == 1
    assert failed.stdout.startswith("FAILED: ")
    assert "  extra: note.txt: the manifest does not list it" in failed.stdout
    bundle.write_bytes(BUNDLE)
    token = tmp_path / "answer.tsr"
    token.write_bytes(b"\x30" + hashlib.sha256(MANIFEST).digest())
    assert invoke(app, ["evidence", "stamp", str(bundle), str(token)]).exit_code == 0
    assert "timestamp.tsr" in invoke(app, ["evidence", "verify", str(bundle), "--key", str(key)]).stdout


def test_what_is_no_plain_file_is_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.zip")
    for path in (tmp_path / "absent.zip", tmp_path, tmp_path / "pipe.zip"):
        with pytest.raises(BundleAbsentError, match="expected an evidence bundle"):
            verify_bundle(Path(path), None)


def test_the_hash_of_the_manifest_is_that_of_its_canonical_form():
    assert canonical_json(json.loads(MANIFEST)).encode() + b"\n" == MANIFEST
