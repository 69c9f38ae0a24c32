"""Layers: experiments in one layer of a workspace divide its units among them by hash, so that none is in two. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.experiments.errors import InvalidDesignError
from tasks.experiments.hashing import Position, keyed_blake2b

Range = tuple[float, float]
Ranges = tuple[Range, ...]
TOLERANCE = 1e-9


def position_in(workspace_id: str, layer: str) -> Position:
    """Where a unit stands in a layer: the same for all its experiments, independent of any other layer's."""
    return keyed_blake2b(f"{workspace_id}|layer|{layer}")


def is_within(ranges: Ranges, position: float) -> bool:
    """Whether a position is in one of the ranges, their lower ends included."""
    return any(low <= position < high for low, high in ranges)


def free_ranges(held: Iterable[Range]) -> Ranges:
    """What is left of [0, 1)."""
    free, at = [], 0.0
    for low, high in sorted(held):
        if low - at > TOLERANCE:
            free.append((at, low))
        at = max(at, high)
    return (*free, (at, 1.0)) if 1.0 - at > TOLERANCE else tuple(free)


def require_room(layer: str, free: Ranges, share: float, holders: Sequence[str]) -> Ranges:
    """The first free ranges that make up a share.

    Raises:
        InvalidDesignError: if less is free.
    """
    room = sum(high - low for low, high in free)
    if room < share - TOLERANCE:
        raise InvalidDesignError(
            f"layer '{layer}' has {100 * room:.3g} % of its units left, not {100 * share:.3g} %; complete one of "
            f"{', '.join(holders)}, or create it with a smaller layer_share"
        )
    taken, missing = list[Range](), share
    for low, high in free:
        if missing <= TOLERANCE:
            break
        end = min(high, low + missing)
        taken.append((low, high if high - end < TOLERANCE else end))
        missing -= end - low
    return tuple(taken)
