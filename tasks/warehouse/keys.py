"""Keys as files write them: shortened by a spreadsheet, longer than a key may be, or not there at all. Pure."""

from __future__ import annotations

import hashlib

import polars as pl

LONGEST_KEY = 128
SHORTENED = r"^\d([.,]\d+)?[eE]\+?\d{2,3}$"
ROUNDED, LONG = r"^\d{15}0+$", r"^\d{16,}$"
FEWEST_ROUNDED = 5  # that so many ids all end in zeros from their sixteenth digit on is no chance
ADDRESS = r"^(https?://|www\.|/)"
DERIVED_FROM = ("channel", "published_at", "title", "body")


def shortened(keys: pl.Series) -> int | None:
    """The place of a key whose last digits a spreadsheet has cut (1.22E+14), if there is one."""
    text = keys.cast(pl.String)
    cut = text.str.contains(SHORTENED).fill_null(False)
    if cut.any():
        return int(cut.arg_true()[0])
    known = text.drop_nulls()
    if len(known) >= FEWEST_ROUNDED and known.str.contains(LONG).all() and known.str.contains(ROUNDED).all():
        return 0
    return None


def hashed_addresses(keys: pl.Series) -> pl.Series:
    """Web addresses that are too long for a key as hashes of themselves; null for all other keys."""
    is_long = (keys.str.len_chars() > LONGEST_KEY) & keys.str.contains(ADDRESS)
    hashes = [f"url-{_hash(key)}" for key in keys.filter(is_long.fill_null(False)).to_list()]
    nothing = pl.Series(keys.name, [None], dtype=pl.String).new_from_index(0, len(keys))
    return nothing.scatter(is_long.arg_true(), hashes) if hashes else nothing


def derived(rows: pl.DataFrame) -> pl.Series:
    """A key for each row of content from its channel, instant, title and body: the same when the file comes again."""
    parts = [rows["published_at"].dt.timestamp("us") if name == "published_at" else rows[name] for name in DERIVED_FROM]
    keys = [
        None if row[1] is None else f"post-{_hash(chr(31).join('' if part is None else str(part) for part in row))}"
        for row in zip(*(part.to_list() for part in parts), strict=True)
    ]
    return pl.Series("content_id", keys, dtype=pl.String)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
