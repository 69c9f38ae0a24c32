"""Whether an effect differs between segments: exploration, so corrected for all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import chdtrc

from tasks.experiments.comparisons import compare
from tasks.experiments.moments import Moments
from tasks.statistics.familywise import holm

LEAST_UNITS = 30


def by_segment(
    segments: Mapping[str, Moments], control: int, names: list[str], *, alpha: float, n_star: float
) -> list[dict[str, Any]]:
    """Each segment's effect of each arm, always valid, Holm-adjusted over segments and arms.

    Args:
        segments: moments of the arms (K,) in each segment; those with an arm below 30 units are left out.
    """
    treatments = [k for k in range(len(names)) if k != control]
    kept = {name: arms for name, arms in segments.items() if arms.n.min() >= LEAST_UNITS}
    rows: list[dict[str, Any]] = []
    p_values: list[float] = []
    for name, arms in kept.items():
        level = alpha / (len(kept) * len(treatments))
        for k in treatments:
            found = compare(arms.at(control), arms.at(k), alpha=level, n_star=n_star)
            low, high = float(found.estimate - found.half_width), float(found.estimate + found.half_width)
            rows.append(
                {"segment": name, "variant_id": names[k], "n": int(arms.n.sum()), "effect": float(found.estimate)}
                | {"interval": (low, high), "standard_error": float(found.standard_error)}
            )
            p_values.append(float(found.always_valid_p_value))
    adjusted = holm(p_values) if p_values else np.array([])
    uneven = _heterogeneity(rows)
    return [
        row
        | {"p_value": float(p), "is_significant": bool(p <= alpha), "heterogeneity_p_value": uneven[row["variant_id"]]}
        for row, p in zip(rows, adjusted, strict=True)
    ]


def _heterogeneity(rows: list[dict[str, Any]]) -> dict[str, float | None]:
    """Cochran's Q for each arm: whether its effects differ more than chance allows; right at one look."""
    found: dict[str, float | None] = {}
    for variant in {row["variant_id"] for row in rows}:
        effects = np.array([row["effect"] for row in rows if row["variant_id"] == variant])
        errors = np.array([row["standard_error"] for row in rows if row["variant_id"] == variant])
        if len(effects) < 2 or not errors.all():
            found[variant] = None
            continue
        weights = 1 / np.square(errors)
        q = weights @ np.square(effects - weights @ effects / weights.sum())
        found[variant] = float(chdtrc(len(effects) - 1, q))
    return found
