"""Where in time order a model's rows are cut: what is learned from, and what it is tried on. Pure.

Every cut is one of the same few shares of the rows before it, so that what is fitted up to one serves twice: the model
whose held-out loss is reported is also what the final one was tuned and calibrated on.
"""

from __future__ import annotations

MANY_ROWS = 1_000  # so many rows need one held-out block only: their last third suffices
LAST_THIRD, LAST_QUARTER = 2 / 3, 3 / 4


def origin(n: int) -> int:
    """How many of n rows are learned from where the rest is held out."""
    return int(n * (LAST_THIRD if n >= MANY_ROWS else LAST_QUARTER))


def edges(n: int) -> list[int]:
    """Cuts of n rows: a model of the rows before each, but the last, is tried on the rows up to the next."""
    last = origin(n)
    return [last, n] if n >= MANY_ROWS else [origin(last), last, n]
