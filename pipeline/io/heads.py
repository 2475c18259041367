"""Anchors: where a store's chains ended after each night, kept outside of the database.

A chain that is rewritten from some row on, or cut at its end, agrees with itself. It does not agree with an anchor that the
one who rewrote it could not reach: `heads.jsonl` beside the results, a line each night, and every copy of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipeline.errors import StoreDamagedError
from pipeline.io.events import Head
from pipeline.io.journal import now
from pipeline.io.outputs import write_whole
from pipeline.io.store import StoreHeads

FILE_NAME = "heads.jsonl"
_CHAINS = ("events", "journal")


@dataclass(frozen=True, slots=True)
class Anchor:
    """One statement of where a store's chains ended."""

    where: str
    """File and line, for people."""
    as_of: str
    """The night that it was written after; empty where it does not say."""
    heads: Mapping[str, Head]
    """By the chain's name: `events`, `journal`, or one of them."""


def anchor(folder: Path, aoi_id: str, as_of: date, heads: StoreHeads) -> None:
    """Add a line to the anchors of an area, in a file that is written whole; what the last line says is not said again."""
    path = folder / FILE_NAME
    held = path.read_bytes() if path.exists() else b""
    said = {
        "aoi_id": aoi_id,
        "as_of": as_of.isoformat(),
        "events": {"seq": heads.events.seq, "hash": heads.events.hash},
        "journal": {"seq": heads.journal.seq, "hash": heads.journal.hash},
    }
    lines = held.splitlines()
    if not lines or _facts(lines[-1]) != said:
        line = json.dumps({**said, "written_at": now().isoformat(timespec="seconds")}, ensure_ascii=False).encode()
        write_whole(path, b"".join(one + b"\n" for one in [*lines, line]))


def _facts(line: bytes) -> object:
    """A line without the instant; None where it is no JSON object, so that the next line is written after it."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return {k: v for k, v in value.items() if k != "written_at"} if isinstance(value, dict) else None


def find_anchor_files(address: str) -> list[Path]:
    """Return the anchors beside a store that is a file: in its folder and in the folders of areas in that one."""
    if "://" in address:
        return []
    folder = Path(address).parent
    return [p for p in (folder / FILE_NAME, *sorted(folder.glob(f"*/{FILE_NAME}"))) if p.is_file()]


def read_anchors(path: Path) -> list[Anchor]:
    """Return the anchors of a file: lines of `heads.jsonl`, or any JSON document that has a member `ledger_head`.

    Raises
    ------
    StoreDamagedError
        It is absent, no text, or a line of it is no anchor.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StoreDamagedError(f"{path}: {error}; expected {FILE_NAME} of a run, or a copy of the store") from error
    try:
        whole = json.loads(text)
    except ValueError:
        whole = None
    if not text.strip():
        raise StoreDamagedError(f"{path}: found an empty file, expected {FILE_NAME} of a run, or a copy of the store")
    if whole is None:
        return [_anchor(_json(line, f"{path}, line {n}"), f"{path}, line {n}") for n, line in _lines(text)]
    return [_anchor(whole, str(path))]


def _lines(text: str) -> list[tuple[int, str]]:
    """Lines that are not empty, with their numbers."""
    return [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]


def _json(line: str, where: str) -> object:
    """The value of a line."""
    try:
        return json.loads(line)
    except ValueError as error:
        raise StoreDamagedError(f"{where}: {error}; expected one JSON object a line: the file was changed or cut") from error


def _anchor(value: object, where: str) -> Anchor:
    """The anchor that a JSON object states."""
    found = _ledger_head(value)
    heads = {}
    for name in _CHAINS:
        said = found.get(name)
        if isinstance(said, Mapping) and isinstance(said.get("seq"), int) and isinstance(said.get("hash"), str):
            heads[name] = Head(said["seq"], said["hash"])
    if not heads:
        raise StoreDamagedError(f"{where}: found no head of events or journal, expected {FILE_NAME} or a copy of the store")
    return Anchor(where, str(found.get("as_of") or ""), heads)


def _ledger_head(value: object) -> Mapping[str, object]:
    """The object that has the heads: the value itself, or its member `ledger_head`, which may be the head of the events."""
    if not isinstance(value, Mapping):
        return {}
    inner = value.get("ledger_head")
    if not isinstance(inner, Mapping):
        return value
    return {"events": inner} if "seq" in inner else inner
