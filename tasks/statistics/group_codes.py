"""Group numbers made dense: what `np.unique` does by sorting, done by counting where the numbers lie close together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]

MAX_GAPS = 8  # a table of so many cells a row is still quicker than sorting the rows


@dataclass(frozen=True, slots=True)
class Groups:
    """G groups of n rows.

    Attributes:
        codes: (n,) 0…G−1, in the order of the group's numbers.
        numbers: (G,) the numbers, ascending.
        rows: (G,) rows of each.
    """

    codes: Codes
    numbers: Codes
    rows: Codes


def groups(numbers: Codes) -> Groups:
    """The groups that whole numbers (n,) stand for."""
    if not len(numbers):
        return Groups(numbers, numbers, numbers)
    first, last = int(numbers.min()), int(numbers.max())
    if last - first > MAX_GAPS * len(numbers):
        distinct, codes, rows = np.unique(numbers, return_inverse=True, return_counts=True)
        return Groups(codes, distinct, rows)
    shifted = numbers - first
    counts = np.bincount(shifted)
    there = counts > 0
    dense = np.cumsum(there) - 1
    return Groups(dense[shifted], np.flatnonzero(there) + first, counts[there])
