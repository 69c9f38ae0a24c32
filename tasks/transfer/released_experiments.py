"""The part of a release that is about experiments: noisy sums of what organizations' own ones say of bias.

It is drawn with the sums over the catalogue and paid for by the same budget: both are one vector of integers with one
sensitivity. A unit enters with what `tasks.effects.shared_experiments` makes of all its sharing workspaces' pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tasks.effects.shared_experiments import FACTORS, MOST_ROWS, PARTS, ROWS, Three
from tasks.transfer.errors import PrivacyInvariantError
from tasks.transfer.privacy import DiscreteGaussian, Noise
from tasks.transfer.records import Floats, Integers

EXPERIMENTS = "experiments"  # what tables and files call it, beside the segments
PLACE = {row: i for i, row in enumerate(ROWS)}
EXPERIMENT_FACTORS: Floats = np.array([FACTORS[row] for row in ROWS])


def exact_experiments(units: Sequence[Mapping[str, Three]], scale: int) -> Integers:
    """Exact sums (R, 3) in fixed point, rounded toward zero; never leave this process.

    Raises:
        PrivacyInvariantError: if a unit contributes more than the noise is made for.
    """
    sums = np.zeros(EXPERIMENT_FACTORS.shape, dtype=np.int64)
    for unit in units:
        numbers = np.array([unit[row] for row in unit if row in PLACE], dtype=np.float64).reshape(-1, len(PARTS))
        if len(unit) > MOST_ROWS or len(numbers) != len(unit) or not (np.abs(numbers) <= 1.0).all():
            raise PrivacyInvariantError(f"{MOST_ROWS} rows of numbers within ±1 a unit")
        sums[[PLACE[row] for row in unit]] += np.trunc(numbers * scale).astype(np.int64)
    return sums


def noisy_experiments(exact: Integers, scale: float, noise: Noise | None = None) -> Integers:
    """Sums with noise: `scale` times each number's factor."""
    sums = exact.copy()
    for factor in np.unique(EXPERIMENT_FACTORS):
        cells = np.equal(EXPERIMENT_FACTORS, factor)
        sums[cells] = (noise or DiscreteGaussian())(sums[cells], scale * float(factor))
    return sums


def experiments_by_row(sums: Integers | Floats) -> dict[str, list[Any]]:
    """Sums (R, 3) as tables and files hold them: row to its three numbers."""
    return dict(zip(ROWS, sums.tolist(), strict=True))


def experiments_from_rows(rows: Iterable[Mapping[str, Any]]) -> Integers:
    """The sums (R, 3) among a release's stored rows; 0 where there are none."""
    held = [row["sums"] for row in rows if row["segment"] == EXPERIMENTS]
    empty = (0,) * len(PARTS)
    return np.array([held[0].get(row, empty) if held else empty for row in ROWS], dtype=np.int64)
