"""Where a unit falls on [0, 1): by our keyed hash, or by the hash of the platform an experiment came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import Final

LONGEST_KEY = 64  # bytes; BLAKE2b takes no more
FNV_OFFSET, FNV_PRIME = 0x811C9DC5, 0x01000193
Position = Callable[[str], float]


def keyed_blake2b(salt: str) -> Position:
    """Ours: 53 bits of BLAKE2b keyed by the experiment's salt, so that arms of two experiments are independent."""
    key = salt.encode()
    begun = blake2b(key=key if len(key) <= LONGEST_KEY else blake2b(key).digest(), digest_size=8)

    def position(unit_id: str) -> float:
        digest = begun.copy()
        digest.update(unit_id.encode())
        return (int.from_bytes(digest.digest()) >> 11) / 9007199254740992

    return position


def growthbook_v1(salt: str) -> Position:
    """GrowthBook's first hash: a thousand buckets; correlated between experiments, only for those already running."""
    return lambda unit_id: _fnv1a(unit_id + salt) % 1000 / 1000


def growthbook_v2(salt: str) -> Position:
    """GrowthBook's second hash: ten thousand buckets."""
    return lambda unit_id: _fnv1a(str(_fnv1a(salt + unit_id))) % 10000 / 10000


HASHES: Final[dict[str, Callable[[str], Position]]] = {
    "blake2b": keyed_blake2b,
    "growthbook-v1": growthbook_v1,
    "growthbook-v2": growthbook_v2,
}
COVERED_RANGES: Final = frozenset(
    {"growthbook-v1", "growthbook-v2"}
)  # whose traffic share is cut from each arm's range


def cumulative(weights: Sequence[float]) -> tuple[float, ...]:
    """Upper ends of the arms' ranges; that of the last arm which is on is infinite, so that rounding leaves no hole."""
    last = max(k for k, weight in enumerate(weights) if weight > 0)
    ends = list(accumulate(weights))
    return (*ends[:last], *[float("inf")] * (len(ends) - last))


def covered_ranges(weights: Sequence[float], coverage: float) -> list[tuple[float, float]]:
    """GrowthBook's ranges: each arm has the first part of its own, so that raising the coverage moves nobody.

    Weights that do not sum to 1 (± .01) count as equal, and a coverage outside [0, 1] as the nearer end, as there.
    """
    shares = list(weights) if abs(sum(weights) - 1) <= 0.01 else [1 / len(weights)] * len(weights)
    part, starts = min(max(coverage, 0.0), 1.0), [0.0, *accumulate(shares)]
    return [(start, start + part * share) for start, share in zip(starts, shares, strict=False)]


def _fnv1a(text: str) -> int:
    value = FNV_OFFSET
    for byte in text.encode():
        value = (value ^ byte) * FNV_PRIME & 0xFFFFFFFF
    return value
