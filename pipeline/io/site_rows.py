"""Pixels and sites as the store's columns hold them."""

import json
from dataclasses import fields, replace
from datetime import date

import numpy as np

from pipeline.io.arrays import pack_arrays, unpack_arrays
from pipeline.provenance import canonical_json
from pipeline.sites import PixelTable, Site


def packed_pixels(table: PixelTable) -> bytes:
    """Return a pixel table as bytes."""
    return pack_arrays({f.name: getattr(table, f.name) for f in fields(table)})


def unpacked_pixels(payload: bytes) -> PixelTable:
    """Return what `packed_pixels` packed."""
    return PixelTable(**unpack_arrays(payload))


def site_record(site: Site) -> tuple[str, bytes]:
    """Return a site as JSON and its pixel keys as bytes."""
    plain = {f.name: getattr(site, f.name) for f in fields(site) if f.name != "keys"}
    return canonical_json(plain), np.ascontiguousarray(site.keys, "<i8").tobytes()


def site_of(record: str, keys: bytes) -> Site:
    """Return what `site_record` made."""
    plain = json.loads(record)
    site = Site(**{**plain, "keys": np.frombuffer(keys, "<i8").astype(np.int64)})
    return replace(
        site,
        opened_on=date.fromisoformat(plain["opened_on"]),
        grown_on=date.fromisoformat(plain["grown_on"]),
        first_detected_on=date.fromisoformat(plain["first_detected_on"]),
        last_unchanged_on=_day(plain["last_unchanged_on"]),
        confirmed_on=_day(plain["confirmed_on"]),
        growth=tuple((date.fromisoformat(day), int(count)) for day, count in plain["growth"]),
        merged_from=tuple(plain["merged_from"]),
    )


def _day(text: str | None) -> date | None:
    """A day of a record."""
    return date.fromisoformat(text) if text else None
