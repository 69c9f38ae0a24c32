"""Hashes that bind a release to the charges that paid for it and to the release before it: none can be exchanged."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any


def hash_of_ledger(period: str, charges: Iterable[Mapping[str, Any]]) -> str:
    """Of a period's charges (`unit_id`, `rho`), in whatever order."""
    return _hash([period, sorted([str(charge["unit_id"]), float(charge["rho"]).hex()] for charge in charges)])


def hash_of_release(before: str | None, ledger_hash: str | None, sums: Iterable[Mapping[str, Any]]) -> str:
    """Of a release's sums (`segment`, `sums`), of the ledger that paid for them, and of the release before, if any."""
    return _hash([before, ledger_hash, sorted(([str(row["segment"]), row["sums"]] for row in sums), key=_first)])


def first_broken(releases: Sequence[Mapping[str, Any]], sums: Mapping[str, Sequence[Mapping[str, Any]]]) -> str | None:
    """The first period whose release is not what its hash says, or does not follow the one before; None if all do.

    Args:
        releases: published ones in order: `period`, `ledger_hash`, `chain_hash`.
        sums: rows of each period's sums.
    """
    before: str | None = None
    for release in releases:
        period, stated = release["period"], release["chain_hash"]
        if stated is not None and stated != hash_of_release(before, release["ledger_hash"], sums.get(period, [])):
            return str(period)
        before = stated
    return None


def _first(pair: list[Any]) -> str:
    return str(pair[0])


def _hash(content: list[Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
