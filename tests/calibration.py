"""How far stated confidence is from what turned out right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def calibration_error(stated: Sequence[float], right: Sequence[bool], bins: int = 10) -> float:
    """Expected calibration error: mean |stated - observed| over equally filled bins, weighted by their size."""
    order = np.argsort(np.asarray(stated), kind="stable")
    sure, was = np.asarray(stated, dtype=float)[order], np.asarray(right, dtype=float)[order]
    parts = np.array_split(np.arange(len(sure)), min(bins, len(sure)))
    return float(sum(abs(sure[part].mean() - was[part].mean()) * len(part) for part in parts) / len(sure))
