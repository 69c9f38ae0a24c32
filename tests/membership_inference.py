"""How well can someone who sees a release tell whether one workspace was in it? An empirical lower bound on ε."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

Floats = NDArray[np.float64]


def epsilon_lower_bound(absent: Floats, present: Floats, delta: float, confidence: float = 0.95) -> float:
    """Lower bound on ε from attack scores of two neighboring data sets, (n,) each.

    Any (ε, δ)-private mechanism keeps every attack's hits ≤ e^ε · false alarms + δ. The threshold is chosen on the
    first half of the scores and judged on the second, with Clopper–Pearson bounds on both rates: the bound holds with
    this confidence, whatever the attack.
    """
    half = len(absent) // 2
    thresholds = np.quantile(np.concatenate([absent[:half], present[:half]]), np.linspace(0.01, 0.999, 200))
    best = max(thresholds, key=lambda t: _bound(absent[:half] > t, present[:half] > t, delta, confidence))
    return _bound(absent[half:] > best, present[half:] > best, delta, confidence)


def _bound(alarms: NDArray[np.bool_], hits: NDArray[np.bool_], delta: float, confidence: float) -> float:
    risk, n = (1.0 - confidence) / 2.0, len(alarms)
    most_alarms = float(beta.ppf(1.0 - risk, alarms.sum() + 1, max(n - alarms.sum(), 1e-9)))
    fewest_hits = float(beta.ppf(risk, hits.sum(), n - hits.sum() + 1)) if hits.any() else 0.0
    return float(np.log((fewest_hits - delta) / most_alarms)) if fewest_hits > delta else 0.0
