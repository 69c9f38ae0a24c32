"""Main effects and two-way interactions of a multivariate experiment.

With every cell its own mean, a contrast of cell means has exactly the HC2 standard error: each cell's variance over its
units. Effects are averaged over the levels of the other factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.experiments.inference.arm_statistics import Moments
from tasks.statistics import confidence_sequences
from tasks.statistics.multiplicity import holm

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FactorContrast:
    """One effect: a name, and the weight of each cell in it."""

    name: str
    kind: str
    weights: Array


def contrasts(levels: Sequence[dict[str, str]]) -> list[FactorContrast]:
    """All contrasts of cells with these levels; each factor's first level is its reference; empty without factors."""
    factors = list(levels[0]) if levels else []
    if not factors or any(set(cell) != set(factors) for cell in levels):
        return []
    codes = {factor: _codes(factor, levels) for factor in factors}
    main = [FactorContrast(name, "main effect", code / 2) for f in factors for name, code in codes[f]]
    crossed = [
        FactorContrast(f"{one} × {other}", "interaction", a * b)
        for f, g in combinations(factors, 2)
        for one, a in codes[f]
        for other, b in codes[g]
    ]
    return [made for made in (_balanced(contrast) for contrast in main + crossed) if made is not None]


def judge(cells: Moments, wanted: Sequence[FactorContrast], *, alpha: float, n_star: float) -> list[dict[str, Any]]:
    """Each contrast's estimate, always-valid interval and p-value, Holm-adjusted over all of them."""
    if not wanted:
        return []
    weights = np.stack([contrast.weights for contrast in wanted])
    estimate = weights @ cells.mean
    error = np.sqrt(np.square(weights) @ (cells.variance / np.maximum(cells.n, 1)))
    n, level = float(cells.n.sum()), alpha / len(wanted)
    z = estimate / np.where(error > 0, error, np.inf)
    p = confidence_sequences.p_value(z, n, level, n_star)
    reach = confidence_sequences.half_width(error, n, level, n_star)
    adjusted = holm(p)
    return [
        {"name": contrast.name, "kind": contrast.kind, "effect": float(estimate[i])}
        | {"interval": (float(estimate[i] - reach[i]), float(estimate[i] + reach[i]))}
        | {"p_value": float(adjusted[i]), "is_significant": bool(adjusted[i] <= alpha)}
        for i, contrast in enumerate(wanted)
    ]


def _codes(factor: str, levels: Sequence[dict[str, str]]) -> list[tuple[str, Array]]:
    """For each level but the first: +1 in its cells, −1 in the reference's, 0 elsewhere."""
    values = list(dict.fromkeys(cell[factor] for cell in levels))
    at = np.array([values.index(cell[factor]) for cell in levels])
    return [
        (f"{factor}: {value} − {values[0]}", (at == i).astype(np.float64) - (at == 0))
        for i, value in enumerate(values)
        if i
    ]


def _balanced(contrast: FactorContrast) -> FactorContrast | None:
    """Weights that sum to one on each side; None where one side has no cell."""
    plus, minus = np.maximum(contrast.weights, 0.0), np.maximum(-contrast.weights, 0.0)
    if not plus.any() or not minus.any():
        return None
    scale = 2.0 if contrast.kind == "interaction" else 1.0
    return FactorContrast(contrast.name, contrast.kind, scale * (plus / plus.sum() - minus / minus.sum()))
